"""The stream of batches and the masked objective: shares, reproducibility, statistics of the masks, and the loss."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from mlm_viz.training.batches import Place, Stream, made_ahead
from mlm_viz.training.callbacks import is_film_step
from mlm_viz.training.corpus import survey
from mlm_viz.training.encoding import Encoded, encode
from mlm_viz.training.errors import TrainingError
from mlm_viz.training.objectives import OBJECTIVES, Batch, MaskedTokens, Pieces, Tensors, corrupted, framed
from mlm_viz.training.recipe import Text
from mlm_viz.training.schedule import Budget, Phase, learning_rate, phase
from mlm_viz.training.settings import Settings
from mlm_viz.training.shuffling import draw
from mlm_viz.training.vocabulary import (
    END,
    MASK,
    PAD,
    SPECIAL,
    START,
    choose_pieces,
    count_words,
    read_tokenizer,
    save_tokenizer,
)

PHASE = Phase(limit=16, mask_rate=0.3)


# --- shuffling ----------------------------------------------------------------------------------


@given(size=st.integers(1, 500), key=st.integers(0, 2**32 - 1), turn=st.integers(0, 5))
def test_every_round_takes_each_thing_once(size: int, key: int, turn: int) -> None:
    assert sorted(draw(turn * size, size, size, key)) == list(range(size))


def test_draws_can_be_made_in_any_parts() -> None:
    whole = draw(0, 1000, 77, 3)
    assert np.concatenate([draw(start, 50, 77, 3) for start in range(0, 1000, 50)]).tolist() == whole.tolist()


def test_rounds_and_keys_differ_and_neighbours_are_torn_apart() -> None:
    size = 10_000
    first, second, other = draw(0, size, size, 1), draw(size, size, size, 1), draw(0, size, size, 2)
    for one, two in ((first, second), (first, other), (first, np.arange(size))):
        assert abs(np.corrcoef(one, two)[0, 1]) < 0.05
        assert (one == two).sum() < 10
    assert (np.abs(np.diff(first)) == 1).sum() < 10


# --- batches ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Encoded], Pieces]:
    folder = tmp_path_factory.mktemp("stream")
    words = "the cat dog sat ran on a mat story far away old king".split()
    rng = np.random.default_rng(0)
    for name, count, longest in (("a", 400, 9), ("b", 150, 60)):
        lines = [" ".join(rng.choice(words, rng.integers(2, longest))) + f" {name}." for _ in range(count)]
        (folder / f"{name}.txt").write_text("\n".join(lines), encoding="utf-8")
    surveyed = survey([Text(folder / "a.txt", 3.0), Text(folder / "b.txt")])
    save_tokenizer(choose_pieces(count_words(surveyed, 0.0), 150), folder / "t", 64)
    tokenizer = read_tokenizer(folder / "t")
    encoded = encode(surveyed, tokenizer, folder / "ids", short=16, held_out=0.0, progress=False)
    names = [tokenizer.id_to_token(i) for i in range(tokenizer.get_vocab_size())]
    return encoded, Pieces(len(names), np.array([name.startswith("##") for name in names]))


def make_stream(texts: tuple[list[Encoded], Pieces], seed: int = 0, tokens: int = 256) -> Stream:
    return Stream(texts[0], texts[1], MaskedTokens(), tokens=tokens, seed=seed)


def same(one: Batch, two: Batch) -> bool:
    pairs = [(one.ids, two.ids), (one.slots, two.slots), (one.targets, two.targets)]
    return all(np.array_equal(a, b) for a, b in pairs) and (one.allowed is None) == (two.allowed is None)


def take(stream: Stream, count: int, place: Place | None = None, step: int = 0) -> list[tuple[Batch, Place]]:
    batches = stream.batches(place or stream.start(16), step, lambda step: Phase(16 if step < 90 else 40, 0.15))
    return list(itertools.islice(batches, count))


def test_a_stream_goes_on_from_any_place_as_if_it_had_not_stopped(texts: tuple[list[Encoded], Pieces]) -> None:
    whole = take(make_stream(texts), 200)
    for stop in (1, 63, 64, 65, 130, 199):
        place = Place.from_dict(whole[stop - 1][1].to_dict())
        rest = take(make_stream(texts), 200 - stop, place, stop)
        assert all(same(one, two) for (one, _), (two, _) in zip(rest, whole[stop:], strict=True))
    assert not all(same(o, t) for (o, _), (t, _) in zip(whole, take(make_stream(texts, seed=1), 200), strict=True))


def test_batches_waste_little_and_keep_to_their_size(texts: tuple[list[Encoded], Pieces]) -> None:
    batches = [batch for batch, _ in take(make_stream(texts), 150)]
    cells = np.array([batch.ids.size for batch in batches])
    assert cells.max() <= 256
    assert sum(batch.tokens for batch in batches) / cells.sum() > 0.95
    assert np.median(cells) > 200


def test_later_inputs_are_longer(texts: tuple[list[Encoded], Pieces]) -> None:
    batches = [batch for batch, _ in take(make_stream(texts), 220)]
    assert max(batch.ids.shape[1] for batch in batches[:90]) == 16
    assert 30 < max(batch.ids.shape[1] for batch in batches[90:]) <= 40


def test_texts_get_tokens_by_their_repeats(texts: tuple[list[Encoded], Pieces]) -> None:
    encoded, _ = texts
    stream = make_stream(texts)
    expected = 3 * encoded[0].tokens / (3 * encoded[0].tokens + encoded[1].tokens)
    assert stream.shares[0] == pytest.approx(expected)
    letters = np.zeros(2)
    tokenizer = read_tokenizer(Path(encoded[0].stem).parent.parent / "t")
    marks = [tokenizer.token_to_id(name) for name in "ab"]
    sizes = np.array([encoded[0].tokens / 400, encoded[1].tokens / 150])  # every line has its mark once
    for batch, _ in take(make_stream(texts), 128):
        rows = batch.ids.copy()
        rows.ravel()[batch.slots] = batch.targets
        # "a" is a word too: its mark stands before the dot.
        dots = rows[:, 1:] == tokenizer.token_to_id(".")
        letters += [(dots & (rows[:, :-1] == mark)).sum() for mark in marks]
    assert (letters * sizes)[0] / (letters * sizes).sum() == pytest.approx(expected, rel=0.1)


def test_every_input_is_framed_and_padded(texts: tuple[list[Encoded], Pieces]) -> None:
    for batch, _ in take(make_stream(texts), 64):
        lengths = np.full(len(batch.ids), batch.ids.shape[1]) if batch.allowed is None else batch.allowed.sum(axis=1)
        assert lengths.sum() == batch.tokens
        assert (batch.ids[:, 0] == START).all()
        assert (batch.ids[np.arange(len(lengths)), lengths - 1] == END).all()
        assert ((batch.ids == PAD).sum(axis=1) == batch.ids.shape[1] - lengths).all()


def test_a_text_smaller_than_a_batch_is_refused(texts: tuple[list[Encoded], Pieces]) -> None:
    make_stream(texts, tokens=1024).check()
    with pytest.raises(TrainingError, match="fewer than a batch of 1000000"):
        make_stream(texts, tokens=1_000_000).check()


def test_framed_by_hand() -> None:
    rows = framed(np.array([7, 8, 9, 10, 11]), np.array([0, 3]), np.array([3, 5]))
    assert rows.tolist() == [[START, 7, 8, 9, END], [START, 10, 11, END, PAD]]


def test_items_made_ahead_are_the_same_and_errors_arrive() -> None:
    with made_ahead(iter(range(50))) as items:
        assert list(items) == list(range(50))

    def failing():
        yield 1
        raise TrainingError("broken")

    with made_ahead(failing()) as items, pytest.raises(TrainingError, match="broken"):
        list(items)
    with made_ahead(itertools.count()) as items:  # one that never ends is ended with the block
        assert next(items) == 0


# --- the masked objective -----------------------------------------------------------------------


PIECES = Pieces(100, np.arange(100) >= 80)  # from 80 on pieces continue words


def rows_of(seed: int, shape: tuple[int, int] = (400, 50)) -> np.ndarray:
    rows = np.random.default_rng(seed).integers(len(SPECIAL), 100, size=shape)
    rows[:, 0], rows[:, -1] = START, END
    rows[:, 10] = 1  # the unknown token
    return rows


def likely(hits: int, total: int, share: float) -> bool:
    return binomtest(int(hits), int(total), share).pvalue > 1e-4


@pytest.mark.parametrize("rate", [0.15, 0.3])
def test_the_right_share_is_chosen_and_no_special_token(rate: float) -> None:
    rows = rows_of(0)
    chosen = MaskedTokens().choose(rows, PIECES, rate, np.random.default_rng(1))
    ordinary = rows >= len(SPECIAL)
    assert not chosen[~ordinary].any()
    assert likely(chosen.sum(), ordinary.sum(), rate)
    assert chosen.any(axis=1).all()


def test_a_short_row_has_at_least_one_slot() -> None:
    rows = np.tile([START, 9, END, PAD], (1000, 1))
    assert MaskedTokens().choose(rows, PIECES, 0.15, np.random.default_rng(1))[:, 1].all()


@pytest.mark.parametrize(("replaced", "kept"), [(0.1, 0.1), (0.3, 0.2)])
def test_of_the_chosen_80_10_10_or_other_shares(replaced: float, kept: float) -> None:
    targets = np.random.default_rng(0).integers(len(SPECIAL), 100, size=40_000)
    ids = corrupted(targets, 100, np.random.default_rng(1), replaced=replaced, kept=kept)
    assert likely((ids == MASK).sum(), len(ids), 1 - replaced - kept)
    assert likely((ids == targets).sum(), len(ids), kept + replaced / 95)  # a replacement can hit the token itself
    others = ids[(ids != MASK) & (ids != targets)]
    assert others.min() == len(SPECIAL)
    assert len(np.unique(others)) == 95


def test_with_shares_of_zero_every_chosen_token_is_masked() -> None:
    targets = np.arange(len(SPECIAL), 100)
    assert (corrupted(targets, 100, np.random.default_rng(1), replaced=0.0, kept=0.0) == MASK).all()
    batch = OBJECTIVES["masked"](Settings(replaced=0.0, kept=0.0)).make_batch(
        rows_of(3), np.full(400, 50), PIECES, PHASE, np.random.default_rng(0)
    )
    assert (batch.ids.ravel()[batch.slots] == MASK).all()
    with pytest.raises(TrainingError, match="kept"):
        Settings(replaced=0.6, kept=0.5)


def test_whole_words_are_masked_whole() -> None:
    rows = rows_of(3)
    chosen = MaskedTokens(whole_words=True).choose(rows, PIECES, 0.2, np.random.default_rng(1))
    assert likely(chosen.sum(), (rows >= len(SPECIAL)).sum(), 0.2) or 0.18 < chosen.mean() < 0.22
    for row, marks in zip(rows, chosen, strict=True):
        for place in range(1, len(row)):
            if PIECES.continues[row[place]] and row[place - 1] >= len(SPECIAL):
                assert marks[place] == marks[place - 1]


def test_masks_are_fresh_every_time_and_the_same_for_a_seed() -> None:
    rows, lengths = rows_of(0), np.full(400, 50)
    make = MaskedTokens().make_batch
    one, again = (make(rows, lengths, PIECES, PHASE, np.random.default_rng(5)) for _ in range(2))
    other = make(rows, lengths, PIECES, PHASE, np.random.default_rng(6))
    assert same(one, again)
    assert not same(one, other)
    restored = one.ids.copy()
    restored.ravel()[one.slots] = one.targets
    assert np.array_equal(restored, rows)


def tiny_network(limit: int = 50):
    settings = Settings(layers=2, width=32, heads=2, limit=limit, short=8)
    torch.manual_seed(0)
    return OBJECTIVES["masked"](settings).new_model(settings, 100).eval()


def test_the_loss_is_that_of_transformers_with_every_position_projected() -> None:
    network = tiny_network()
    rows, lengths = rows_of(1, (6, 50)), np.array([50, 50, 48, 50, 45, 30])
    for row, length in zip(rows, lengths, strict=True):
        row[length - 1], row[length:] = END, PAD
    batch = MaskedTokens().make_batch(rows, lengths, PIECES, PHASE, np.random.default_rng(0))
    labels = np.full(rows.shape, -100)
    labels.ravel()[batch.slots] = batch.targets
    expected = network(
        input_ids=torch.tensor(batch.ids),
        attention_mask=torch.tensor(np.arange(50) < lengths[:, None]).long(),
        labels=torch.tensor(labels),
    ).loss
    found = MaskedTokens().loss(network, Tensors.of(batch, torch.device("cpu")))
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    assert found.item() == pytest.approx(math.log(100), rel=0.1)  # nothing has been learned
    found.backward()
    assert all(weight.grad is not None for weight in network.parameters())


def test_a_batch_without_a_slot_is_no_lesson_and_no_crash() -> None:
    rows = np.tile([START, 1, END], (2, 1))
    batch = MaskedTokens().make_batch(rows, np.array([3, 3]), PIECES, PHASE, np.random.default_rng(0))
    assert MaskedTokens().loss(tiny_network(), Tensors.of(batch, torch.device("cpu"))).item() == 0.0


# --- schedule -----------------------------------------------------------------------------------


@pytest.mark.parametrize("decay", ["linear", "cosine"])
def test_the_rate_rises_then_falls_to_zero(decay: str) -> None:
    settings = Settings(rate=0.01, warmup=0.1, decay=decay)
    rates = [learning_rate(f, settings) for f in np.linspace(0, 1, 101)]
    assert rates[10] == max(rates) == pytest.approx(0.01)
    assert rates[0] == 0
    assert rates[-1] == pytest.approx(0, abs=1e-12)
    assert np.all(np.diff(rates[:11]) > 0)
    assert np.all(np.diff(rates[10:]) < 0)
    assert rates[55] == pytest.approx(0.005)


def test_a_rate_that_falls_late_can_be_taken_further() -> None:
    settings = Settings(rate=0.01, warmup=0.1, decay="wsd")
    rates = [learning_rate(f, settings) for f in np.linspace(0, 1, 101)]
    assert rates[10:76] == [0.01] * 66
    assert np.all(np.diff(rates[75:]) < 0)
    assert rates[-1] == 0


def test_phases() -> None:
    settings = Settings(short=64, limit=256, long_from=0.75, mask_from=0.3, mask_to=0.1)
    assert phase(0.0, settings) == Phase(64, 0.3)
    assert phase(0.5, settings) == Phase(64, 0.2)
    assert phase(0.75, settings) == Phase(256, 0.15)


def test_a_budget_of_steps_or_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("mlm_viz.training.schedule.time.monotonic", lambda: now[0])
    steps = Budget(10, None)
    assert [steps.fraction(s) for s in (0, 9)] == [0.05, 0.95]
    assert (steps.is_spent(9), steps.is_spent(10)) == (False, True)
    minutes = Budget(None, 1.0, spent=15.0)
    assert minutes.fraction(10**6) == 0.25
    now[0] += 30
    assert minutes.fraction(0) == 0.75
    assert not minutes.is_spent(0)
    now[0] += 15
    assert minutes.is_spent(0)
    assert Budget(10, 1.0).fraction(8) == 0.85  # whichever ends first


def test_film_steps() -> None:
    steps = [step for step in range(10_001) if is_film_step(step)]
    assert steps[:10] == [0, 1, 2, 3, 4, 6, 8, 11, 16, 23]
    assert len(steps) == 27
