"""What a comparison shows, as one observable state: a gap, how much of its right side is in view, four models."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from traitlets import Bool, HasTraits, Instance, Int, Unicode

from mlm_viz.analysis.compare import KINDS, Source, Sources, check_revealed, compare_at, reveal_in_parts
from mlm_viz.comparison import SIDES, Column, Comparison, Revealed, Side
from mlm_viz.errors import MlmVizError, ModelError, attempt
from mlm_viz.gaps import Gap
from mlm_viz.readers import Reader, as_reader
from mlm_viz.scheduling import Scheduler
from mlm_viz.strings import say
from mlm_viz.tokens import clean_text

_DRAWINGS = 8  # about as often the curves are drawn until they are complete


class ComparisonState(HasTraits):
    """A text, the word of its gap, how much of the right side is in view, and what each model makes of it.

    The first group is what a user chooses, and is changed through the methods. The second follows from it: one change
    asks each model once, run by `scheduler`; until it has run `stale` is True. The curves come after, step by step, and
    do not begin anew when only more or less is revealed. Nothing here raises for a bad text or a bad model: `error`
    says what is wrong with the text, `problems` what is wrong with a column.
    """

    text = Unicode()
    word = Unicode(help="what belongs into the gap, empty if nobody knows it")
    revealed = Int(0, help="words of the right side that are in view")

    gap = Instance(Gap, allow_none=True)
    comparison = Instance(Comparison, allow_none=True, help="the columns that there are")
    curves = Instance(Revealed, allow_none=True, help="as far as they have been computed")
    error = Unicode()
    problems = Instance(dict, args=(), help="by side, why there is no column")
    curves_error = Unicode()
    stale = Bool(False)

    def __init__(self, text: str = "", word: str | None = None, models: Sources | None = None) -> None:
        super().__init__()
        given = dict(models or {})
        if unknown := [name for name in given if name not in SIDES]:
            raise ModelError(say("compare.no_column", name=unknown[0], known=", ".join(SIDES)))
        self.sources: dict[Side, Source] = {side: given.get(side) for side in SIDES}
        self.scheduler = Scheduler(self._step)
        self._readers: dict[Side, Reader] = {}
        self._unloadable: dict[Side, str] = {}
        self._blinded: Column | None = None
        self._revealing: Iterator[Revealed] | None = None
        self._found: Revealed | None = None
        self._points = 0
        self._curves_due = False
        self._changed = False  # whether the text or a model is another one than that of the comparison
        self.ask(text, word or "")

    # --- what a user does ------------------------------------------------------------------------------------------

    def ask(self, text: str, word: str = "") -> None:
        """Take another text, or another word of it; all of the right side is in view then."""
        text, word = clean_text(text), clean_text(word).strip()
        if self.gap is not None and (text, word) == (self.text, self.word):
            return
        with self.hold_trait_notifications():
            self.text, self.word = text, word
            try:
                self.gap, self.error = Gap.of(text, word or None), ""
                self.revealed = len(self.gap.right_words)
                self._ask_all()
            except MlmVizError as problem:
                self.gap, self.comparison, self.curves = None, None, None
                self.problems, self.error, self.curves_error = {}, str(problem), ""
                self.stale = self._curves_due = False
        self._request()

    def reveal(self, count: int) -> None:
        """Have so many words of the right side in view.

        Raises:
            TextError: if there are not so many.
        """
        if self.gap is None:
            return
        count = check_revealed(self.gap, count)
        if count != self.revealed:
            with self.hold_trait_notifications():
                self.revealed, self.stale = count, True
            self._request()

    def set_model(self, side: Side, source: Source) -> None:
        """Put another model into a column: a name, a directory, a loaded model; None or "" for the bundled one."""
        source = source or None
        if source == self.sources[side]:
            return
        self.sources[side] = source
        both: tuple[Side, ...] = ("masked", "blinded")
        for other in both if side == "masked" and self.sources["blinded"] is None else (side,):
            self._readers.pop(other, None)
            self._unloadable.pop(other, None)
        with self.hold_trait_notifications():
            self._ask_all()
        self._request()

    def settle(self) -> None:
        """Finish all that is under way."""
        self.scheduler.flush()

    # --- what follows -----------------------------------------------------------------------------------------------

    @property
    def readers(self) -> dict[Side, Reader]:
        """The models that could be loaded, by column."""
        return dict(self._readers)

    @property
    def is_current(self) -> bool:
        """Whether the comparison is about the gap that is asked about, with whatever of its right side in view."""
        return self.comparison is not None and self.comparison.gap is self.gap and not self._changed

    # --- the machinery ---------------------------------------------------------------------------------------------

    def _ask_all(self) -> None:
        """Everything has to be computed anew."""
        if self.gap is not None:
            self._blinded, self._revealing, self._found = None, None, None
            self.stale = self._curves_due = self._changed = True

    def _request(self) -> None:
        if self.stale or self._curves_due:
            self.scheduler.request()

    def _step(self) -> bool:
        """One piece of work, the most urgent first; returns whether there is more."""
        if self.gap is None:
            return False
        if (side := self._to_load()) is not None:
            self._load(side)
        elif self.stale:
            self._compare(self.gap)
        elif self._curves_due:
            self._draw_on(self.gap)
        return self.stale or self._curves_due

    def _to_load(self) -> Side | None:
        return next((side for side in SIDES if side not in self._readers and side not in self._unloadable), None)

    def _load(self, side: Side) -> None:
        if side == "blinded" and self.sources[side] is None:  # the masked one, which stands before it
            if "masked" in self._readers:
                self._readers[side] = self._readers["masked"]
            else:
                self._unloadable[side] = ""
            return
        reader, problem = attempt(lambda: as_reader(self.sources[side], KINDS[side]))
        if reader is None:
            self._unloadable[side] = problem
        else:
            self._readers[side] = reader

    def _compare(self, gap: Gap) -> None:
        """Ask each model once; the blinded one sees the same however much is revealed, so its answer stands."""
        columns: list[Column] = []
        problems = {side: problem for side, problem in self._unloadable.items() if problem}
        for side in SIDES:
            if side in self._readers:
                column, problem = attempt(partial(self._column, gap, side))
                if column is None:
                    problems[side] = problem
                else:
                    columns.append(column)
        with self.hold_trait_notifications():
            self.stale = self._changed = False
            self.comparison, self.problems = Comparison(gap, self.revealed, tuple(columns)), problems
            if self._curves_due and self._revealing is None:
                self.curves, self.curves_error = None, ""

    def _column(self, gap: Gap, side: Side) -> Column:
        if side == "blinded" and self._blinded is not None:
            return self._blinded
        column = compare_at(gap, {side: self._readers[side]}, self.revealed).columns[0]
        if side == "blinded":
            self._blinded = column
        return column

    def _draw_on(self, gap: Gap) -> None:
        """One more point of each curve; of many points only some are shown as they come, for drawing takes its time."""
        if self._revealing is None:
            answering = () if self.comparison is None else self.comparison.columns
            self._revealing = reveal_in_parts(gap, {column.side: self._readers[column.side] for column in answering})
            self._points = 0
        curves, problem = attempt(partial(next, self._revealing, None))
        if curves is not None:
            self._points += 1
            self._found = curves
        if curves is None or self._points % (1 + len(gap.right_words) // _DRAWINGS) == 0:
            self.curves = self._found
        if curves is None:
            self._revealing, self._curves_due, self.curves_error = None, False, problem
