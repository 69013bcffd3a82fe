"""The training loop: batch, loss, gradient, update, and what goes on around them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from mlm_viz.families import FAMILIES
from mlm_viz.model import Model
from mlm_viz.strings import say
from mlm_viz.training.batches import Place, Stream, made_ahead
from mlm_viz.training.callbacks import Callback, is_film_step, stopping_on_signals
from mlm_viz.training.checkpoints import load_checkpoint, random_state, restore_random, restore_weights, save_checkpoint
from mlm_viz.training.errors import TrainingError
from mlm_viz.training.metrics import Bar, Log
from mlm_viz.training.objectives import Batch, Objective, Tensors
from mlm_viz.training.optimizer import make_optimizer
from mlm_viz.training.schedule import Budget, learning_rate, phase
from mlm_viz.training.settings import Settings

_LONGEST_GRADIENT = 1.0
# A line of metrics twice a second at first, later less often.
_LOG_SECONDS = 0.5
_LOG_SHARE = 0.005
_WATCH_EVERY = 0.05  # of the budget, besides the steps of a film


class Run:
    """One training, from its first step or from a checkpoint.

    Attributes:
        settings: all decided.
        network: the model of transformers that is trained.
        tokenizer: of transformers.
        device: where it is trained.
        step: how many steps are done.
        tokens: of text read so far, start and end tokens included, padding left out.
        text, learned: tokens of text read so far, special ones left out, and how often one of them was a target.
        place: in the stream of batches.
        reached: the longest inputs that were trained on, in tokens.
        stopped: whether somebody asked to stop.
    """

    def __init__(
        self,
        settings: Settings,
        objective: Objective,
        stream: Stream,
        watched: Mapping[str, Batch],
        tokenizer: Any,
        folder: Path,
        *,
        bf16: bool,
    ) -> None:
        self.settings = settings
        self.tokenizer = tokenizer
        self.device = torch.device(settings.device)
        self.step = self.tokens = self.text = self.learned = 0
        self.place = stream.start(settings.short)
        self.reached = settings.short
        self.stopped = False
        self._objective, self._stream, self._watched, self._folder = objective, stream, watched, folder
        self.network = objective.new_model(settings, len(tokenizer)).to(self.device).train()
        self._optimizer = make_optimizer(self.network, settings, self.device)
        # Fused attention is faster on a GPU; on a CPU it takes up to three times as long as written-out attention.
        self._attention = "eager" if self.device.type == "cpu" else "sdpa"
        self.network.set_attn_implementation(self._attention)
        self._bf16 = bf16
        self._spent = 0.0

    @property
    def fraction(self) -> float:
        """Of the budget that is used, in [0, 1]."""
        return self._budget.fraction(self.step)

    @property
    def seconds(self) -> float:
        """Of training so far, over all resumptions."""
        return self._budget.seconds

    def stop(self) -> None:
        """End after this step, with a checkpoint."""
        self.stopped = True

    def as_model(self) -> Model:
        """The network as it is now, for asking it; what is asked sees the weights of this moment.

        Raises:
            TrainingError: if it is no masked model.
        """
        if self.settings.objective != "masked":
            raise TrainingError(say("train.error.masked_only", objective=self.settings.objective))
        family = FAMILIES[self.network.config.model_type]
        return Model("training", self.network, self.tokenizer, family, limit=self.settings.limit)

    # --- checkpoints ------------------------------------------------------------------------------------------------

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            TrainingError: if it is damaged or of another shape.
        """
        state = load_checkpoint(path)
        restore_weights(self.network, state["model"], path)
        self._optimizer.load_state_dict(state["optimizer"])
        restore_random(state, self.device)
        self.step, self.tokens, self._spent = state["step"], state["tokens"], state["seconds"]
        self.text, self.learned = state.get("text", 0), state.get("learned", 0)  # older checkpoints have none
        self.place, self.reached = Place.from_dict(state["place"]), state["reached"]

    def save(self) -> Path:
        """Write a checkpoint."""
        state = {
            "step": self.step,
            "tokens": self.tokens,
            "text": self.text,
            "learned": self.learned,
            "seconds": self.seconds,
            "reached": self.reached,
            "place": self.place.to_dict(),
            **random_state(self.device),
            "model": self.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        return save_checkpoint(self._folder / "work", self.step, state)

    # --- the loop ---------------------------------------------------------------------------------------------------

    def train(self, callbacks: Sequence[Callback] = (), *, progress: bool = True) -> None:
        """Train until the budget is spent or somebody asks to stop; a checkpoint is there at the end.

        Raises:
            TrainingError: if the loss is no number any more, or the disk is full.
        """
        self._budget = Budget(self.settings.steps, self.settings.minutes, self._spent)
        self._callbacks = callbacks
        self._log = Log(self._folder / "metrics.jsonl", self.step)
        self._bar = Bar(shown=progress, fraction=self.fraction)
        self._reset_window()
        self._saved_at, self._watched_at = self.seconds, -1.0
        stream = self._stream.batches(self.place, self.step, lambda step: phase(self._at(step), self.settings))
        self._call("begin")
        try:
            with made_ahead(stream) as batches, stopping_on_signals(self.stop):
                while not (self.stopped or self._budget.is_spent(self.step)):
                    self._look_around()
                    self._take_step(*next(batches))
            self._write_metrics()
            self._look_around(last=True)
            self.save()
        finally:
            self._bar.close()
        self._call("end")

    def _at(self, step: int) -> float:
        return self._budget.fraction(step)

    def _take_step(self, batch: Batch, place: Place) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(self.fraction, self.settings) * group.get("scale", 1.0)
        loss = self._loss(batch)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), _LONGEST_GRADIENT)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._window_loss += loss.detach()  # read only when a line is written: the device need not be waited for
        self._window_steps += 1
        self.step, self.tokens, self.place = self.step + 1, self.tokens + batch.tokens, place
        self.text, self.learned = self.text + batch.text, self.learned + batch.learned
        self.reached = max(self.reached, place.limit)
        self._bar.move(self.fraction)
        if self.seconds - self._window_start >= max(_LOG_SECONDS, _LOG_SHARE * self.seconds):
            self._write_metrics()
        if self._checkpoint_is_due():
            self._write_metrics()  # would find a loss that is no number before it is saved
            self.save()
            self._saved_at = self.seconds

    def _loss(self, batch: Batch) -> torch.Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16):
            return self._objective.loss(self.network, Tensors.of(batch, self.device))

    def _checkpoint_is_due(self) -> bool:
        every = self.settings.checkpoint_steps
        by_time = self.seconds - self._saved_at >= 60 * self.settings.checkpoint_minutes
        return by_time or bool(every and self.step % every == 0)

    # --- what is told -----------------------------------------------------------------------------------------------

    def _reset_window(self) -> None:
        self._window_loss = torch.zeros((), device=self.device)
        self._window_steps, self._window_tokens, self._window_start = 0, self.tokens, self.seconds
        self._window_text, self._window_learned = self.text, self.learned

    def _write_metrics(self) -> None:
        if not self._window_steps:
            return
        bits = float(self._window_loss) / self._window_steps / math.log(2)
        if not math.isfinite(bits):
            raise TrainingError(say("train.error.not_finite", step=self.step, rate=self.settings.rate))
        seconds = self.seconds
        text, learned = self.text - self._window_text, self.learned - self._window_learned
        line = {
            "step": self.step,
            "fraction": round(self.fraction, 6),
            "seconds": round(seconds, 3),
            "tokens": self.tokens,
            "tokens_per_second": round((self.tokens - self._window_tokens) / max(seconds - self._window_start, 1e-6)),
            "loss_bits": round(bits, 5),
            "targets_per_token": round(learned / max(text, 1), 4),
            "rate": learning_rate(self.fraction, self.settings),
            "limit": self.place.limit,
        }
        if self.settings.objective == "masked":
            line["mask_rate"] = phase(self.fraction, self.settings).mask_rate
        self._tell(line)
        self._bar.tell(line)
        self._reset_window()

    def _look_around(self, *, last: bool = False) -> None:
        """Let the callbacks look, and measure the held-out lines when it is time."""
        if last or is_film_step(self.step) or self.fraction >= self._watched_at + _WATCH_EVERY:
            self._watched_at = self.fraction
            if self._watched:
                bits = {name: round(self._measure(batch), 5) for name, batch in self._watched.items()}
                self._tell({"step": self.step, "fraction": round(self.fraction, 6), "held_out_bits": bits})
        self._call("step")

    @torch.no_grad()
    def _measure(self, batch: Batch) -> float:
        """Bits per target; the same targets every time."""
        self.network.eval()
        bits = float(self._loss(batch)) / math.log(2)
        self.network.train()
        return bits

    def _tell(self, line: dict[str, Any]) -> None:
        self._log.add(line)
        self._call("metrics", line)

    def _call(self, name: str, *values: Any) -> None:
        for callback in self._callbacks:
            getattr(callback, name)(self, *values)
        # A callback may have asked the model, which switches both.
        if self.network.config._attn_implementation != self._attention:  # noqa: SLF001
            self.network.set_attn_implementation(self._attention)
        if not self.network.training:
            self.network.train()
