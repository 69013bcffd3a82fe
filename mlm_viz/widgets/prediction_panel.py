"""The prediction at the slot that is shown: bars, the numbers beside them, one word asked for, joint fills."""

from __future__ import annotations

import ipywidgets as widgets
import plotly.graph_objects as go

from mlm_viz.figures.bars import prediction_bars, prediction_text
from mlm_viz.figures.labels import percent
from mlm_viz.results import WordScore
from mlm_viz.state import ExplorerState
from mlm_viz.strings import say
from mlm_viz.widgets.live_figure import LiveFigure
from mlm_viz.widgets.markup import TextLine, facts, html, line, plain, row, table
from mlm_viz.widgets.stage import Stage, fade

BARS = 10


class PredictionPanel(widgets.VBox):
    """Watches the prediction, the slot that is shown and what it is compared with."""

    def __init__(self, state: ExplorerState) -> None:
        self.state = state
        self.dark = False
        self._live: LiveFigure | None = None
        self._drawn: tuple[object, ...] | None = None
        self.numbers = html(css_class="mlmviz-numbers")
        self.stage = Stage()
        self.pin = widgets.ToggleButton(
            description=say("prediction.pin"),
            tooltip=say("prediction.pin.hint"),
            icon="thumb-tack",
            layout=widgets.Layout(width="auto"),
        )
        self.word = TextLine(
            description=say("prediction.word"),
            placeholder=say("prediction.word.hint"),
            continuous_update=False,
            style={"description_width": "initial"},
            layout=widgets.Layout(width="22em"),
        )
        self.answer = html(css_class="mlmviz-answer")
        self.answer.layout.width, self.answer.layout.flex = "auto", "1 1 20em"
        self.as_text = as_text_button()
        self.text = html()
        self.joint = html()
        super().__init__(
            [self.numbers, self.stage, row([self.pin, self.as_text, self.word, self.answer]), self.text, self.joint]
        )
        self._watch()
        self.draw()
        self._draw_joint()
        self._fade()

    def _watch(self) -> None:
        state = self.state
        state.observe(self.draw, ["prediction", "slot", "baseline", "sentence", "stale", "word_score"])
        state.observe(self._draw_answer, ["word_score", "word_error", "slot"])
        state.observe(self._draw_joint, ["joint", "masking", "prediction", "error"])
        state.observe(self._fade, "stale")
        state.observe(lambda change: setattr(self.pin, "value", change["new"] is not None), "baseline")
        state.observe(lambda change: setattr(self.word, "value", change["new"]), "word")
        self.pin.observe(lambda change: self._pin(on=change["new"]), "value")
        self.word.observe(lambda change: state.ask_word(change["new"]), "value")
        self.as_text.observe(lambda _: self._draw_text(), "value")

    def _pin(self, *, on: bool) -> None:
        if on == (self.state.baseline is not None):
            return
        if on:
            self.state.pin()
            self.pin.value = self.state.baseline is not None
        else:
            self.state.unpin()

    def _fade(self, _change: object = None) -> None:
        for part in (self.numbers, self.stage, self.answer, self.text):
            fade(part, stale=self.state.stale)

    def draw(self, _change: object = None) -> None:
        """Bring the bars and the numbers up to date; while new ones are on their way the old ones stay."""
        state = self.state
        compared = (state.before, state.baseline, state.word_score)
        seen = (state.sentence, state.prediction, state.slot, *compared, self.dark)
        if state.stale or seen == self._drawn:
            return
        self._drawn = seen
        slot = state.shown
        self.numbers.value = facts(self._facts())
        self._draw_text()
        if slot is None:
            self.stage.tell(self._why_nothing())
            return
        asked = self.state.word_score
        bars = prediction_bars(
            slot,
            k=BARS,
            before=self.state.before,
            before_name=self._before_name(),
            extra=() if asked is None else (asked,),
            dark=self.dark,
        )
        if self._live is None:
            self._live = LiveFigure(bars)
        else:
            self._live.present(bars)
        self.stage.show(self._live)

    @property
    def figure(self) -> go.Figure | None:
        """The bars that were last shown; None before there were any."""
        return None if self._live is None else self._live.latest

    def _why_nothing(self) -> str:
        state = self.state
        if state.model.refusal is not None or state.sentence is None or state.slot >= 0:
            return say("prediction.nothing")
        return say("prediction.no_slot")

    def _before_name(self) -> str:
        return say("prediction.pinned") if self.state.baseline is not None else say("prediction.before")

    def _facts(self) -> list[tuple[str, str]]:
        slot = self.state.shown
        if slot is None or self.state.prediction is None:
            return [(say("prediction.slot"), "–")]
        number = self.state.prediction.positions.index(slot.position) + 1
        found = [(say("prediction.slot"), say("prediction.of", number=number, count=len(self.state.prediction)))]
        original = slot.original_score
        if original is None:
            found.append((say("prediction.original"), say("prediction.unknown")))
        else:
            found.append((say("prediction.original"), original.word))
            found += _score_facts(original)
        found.append(
            (
                say("prediction.entropy"),
                say(
                    "prediction.entropy.value", bits=say("panel.bits", bits=slot.entropy), words=round(2**slot.entropy)
                ),
            )
        )
        if self.state.baseline is not None and self.state.divergence is not None:
            found.append((say("prediction.divergence"), say("panel.bits", bits=self.state.divergence)))
        return found

    def _draw_text(self) -> None:
        slot = self.state.shown
        shown = self.as_text.value and slot is not None
        self.text.value = plain(prediction_text(slot, BARS, self.state.before)) if shown and slot is not None else ""

    def _draw_answer(self, _change: object = None) -> None:
        score = self.state.word_score
        if score is None:
            self.answer.value = line(self.state.word_error, "error", role="status") if self.state.word_error else ""
            return
        pieces = [(say("prediction.pieces"), " ".join(score.pieces))] if len(score.pieces) > 1 else []
        self.answer.value = facts([*pieces, *_score_facts(score)])

    def _draw_joint(self, _change: object = None) -> None:
        joint = self.state.joint
        fade(self.joint, stale=self.state.joint_due)
        if joint is None:
            if not self.state.joint_due:
                self.joint.value = ""
            return
        head = [*(say("prediction.slot.number", number=n + 1) for n in range(len(joint.positions)))]
        rows = [
            [*joint.words(fill), percent(2 ** joint.log2_probs[fill]), percent(2 ** joint.independent_log2_probs[fill])]
            for fill in range(len(joint.fills))
        ]
        alone = " … ".join(joint.vocabulary.labels[i] for i in joint.independent)
        self.joint.value = table([*head, say("joint.together"), say("joint.apart")], rows, say("joint.caption")) + line(
            say("joint.alone", fill=alone, probability=percent(2**joint.independent_joint)), "quiet"
        )


def as_text_button() -> widgets.ToggleButton:
    """The button that shows a picture as text."""
    return widgets.ToggleButton(
        description=say("panel.text"),
        tooltip=say("panel.text.hint"),
        icon="list",
        layout=widgets.Layout(width="auto"),
    )


def _score_facts(score: WordScore) -> list[tuple[str, str]]:
    return [
        (say("prediction.rank"), f"{score.rank}"),
        (say("prediction.probability"), percent(score.probability)),
        (say("prediction.surprisal"), say("panel.bits", bits=score.surprisal)),
    ]
