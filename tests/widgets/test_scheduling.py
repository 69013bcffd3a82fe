"""Work put off until the loop is free, and merged: no model, a counter instead."""

from __future__ import annotations

import asyncio

from mlm_viz.scheduling import Scheduler


class Work:
    """So many pieces of work; notes when each is done."""

    def __init__(self, pieces: int = 1) -> None:
        self.left = pieces
        self.done = 0

    def step(self) -> bool:
        self.done += 1
        self.left -= 1
        return self.left > 0


async def until_idle(scheduler: Scheduler) -> None:
    while scheduler._timer is not None:
        await asyncio.sleep(0)


def test_without_a_loop_all_is_done_at_once() -> None:
    work = Work(3)
    Scheduler(work.step).request()
    assert work.done == 3


def test_on_a_loop_requests_made_together_are_one_run() -> None:
    async def burst() -> tuple[int, int]:
        work = Work()
        scheduler = Scheduler(work.step)
        for _ in range(200):
            scheduler.request()
        before = work.done
        await until_idle(scheduler)
        return before, work.done

    assert asyncio.run(burst()) == (0, 1)


def test_between_two_steps_the_loop_gets_its_turn() -> None:
    async def run() -> list[str]:
        told: list[str] = []
        work = Work(3)

        def step() -> bool:
            told.append("step")
            asyncio.get_running_loop().call_soon(told.append, "click")
            return work.step()

        scheduler = Scheduler(step)
        scheduler.request()
        await until_idle(scheduler)
        await asyncio.sleep(0)
        return told

    assert asyncio.run(run()) == ["step", "click"] * 3


def test_a_flush_does_it_now_and_leaves_nothing_for_later() -> None:
    async def run() -> tuple[int, int]:
        work = Work(2)
        scheduler = Scheduler(work.step)
        scheduler.request()
        scheduler.flush()
        at_once = work.done
        await asyncio.sleep(0.05)  # longer than the pause: a timer left behind would have run
        return at_once, work.done

    assert asyncio.run(run()) == (2, 2)


def test_a_request_after_a_run_runs_again() -> None:
    async def run() -> int:
        work = Work()
        scheduler = Scheduler(work.step)
        for _ in range(3):
            scheduler.request()
            await until_idle(scheduler)
        return work.done

    assert asyncio.run(run()) == 3


def test_a_request_made_by_a_step_is_kept() -> None:
    async def run() -> int:
        done = 0

        def step() -> bool:
            nonlocal done
            done += 1
            if done == 1:
                scheduler.request()
            return False

        scheduler = Scheduler(step)
        scheduler.request()
        await until_idle(scheduler)
        return done

    assert asyncio.run(run()) == 2
