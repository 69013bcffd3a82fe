"""What the explorer shows, as one observable state: the views watch it, Python reads and sets it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial

from traitlets import Any, Bool, HasTraits, Instance, Int, Unicode

from mlm_viz import measures
from mlm_viz.analysis.filling import MOST_SLOTS, fill_in_parts
from mlm_viz.analysis.prediction import Layers, look, prepare
from mlm_viz.analysis.scoring import sweep_in_parts
from mlm_viz.errors import MlmVizError, attempt
from mlm_viz.evidence import Head
from mlm_viz.inquiry import Inquiry
from mlm_viz.masking import BERT_RATE, Masking, mask_positions, mask_random
from mlm_viz.model import Model
from mlm_viz.results import Attention, JointFills, Prediction, SlotPrediction, Sweep, WordScore
from mlm_viz.scheduling import Scheduler
from mlm_viz.strings import say
from mlm_viz.tokens import Sentence, carry_over, clean_text

AIMS = ("original", "guess", "word")


class ExplorerState(HasTraits):
    """A text, what is masked in it, what is looked at, and what the model says to it.

    The first group is what a user chooses, and is changed through the methods. The second follows from it: one change
    costs one forward pass, run by `scheduler`; until it has run `stale` is True. Joint fills, the sweep and inquiries
    come after, in small steps, and only while they are wanted. Nothing here raises for a bad text: `error` says what is
    wrong.
    """

    text = Unicode()
    masking = Instance(Masking, args=())
    slot = Int(-1, help="position of the slot that is shown, -1 for none")
    layer = Int(0)
    head = Int(0)
    baseline = Instance(SlotPrediction, allow_none=True, help="the pinned distribution")
    attention_wanted = Bool(False)
    surprisal_wanted = Bool(False)
    joint_wanted = Bool(True)
    word = Unicode(help="a word the user asked about")
    silenced = Instance(frozenset, args=(), help="(layer, head) pairs that are silent in all that is computed")
    shades = Any(None, allow_none=True, help="what an open view lays over the tokens, as `figures.influence.Shades`")
    aim = Unicode("original", help="which word is explained: the text's own, the best guess, or the word asked about")

    sentence = Instance(Sentence, allow_none=True)
    prediction = Instance(Prediction, allow_none=True)
    attention = Instance(Attention, allow_none=True)
    sweep = Instance(Sweep, allow_none=True)
    joint = Instance(JointFills, allow_none=True)
    word_score = Any(None, allow_none=True)
    error = Unicode()
    word_error = Unicode()
    stale = Bool(False)

    def __init__(self, model: Model, text: str = "", masked: Iterable[int | str] | Masking = ()) -> None:
        super().__init__()
        self.model = model
        self.scheduler = Scheduler(self._step)
        self._before: dict[int, SlotPrediction] = {}
        self._looked_at: tuple[Sentence, Masking] | None = None
        # The last text that could be read: what is typed may be too long, or gone, for a moment only.
        self._last: tuple[Sentence, Masking, int] | None = None
        self._look_due = False
        self._sweeping: Iterator[Sweep] | None = None
        self._filling: Iterator[JointFills | None] | None = None
        self._joint_given_up = False  # it went wrong, and would go wrong again
        self._inquiries: list[Inquiry] = []
        self._take(text)
        if self.sentence is not None:
            self._set_masking(self._as_masking(masked))
        self._ask()

    # --- what a user does ------------------------------------------------------------------------------------------

    def set_text(self, text: str) -> None:
        """Take another text, keeping the masks, the slot and the previous distributions of the tokens that stay."""
        if clean_text(text) == self.text:
            return
        if self.sentence is not None:
            self._last = (self.sentence, self.masking, self.slot)
        with self.hold_trait_notifications():
            self._take(text)
            if self.sentence is None:
                return
            sentence, masking, slot = self._last or (self.sentence, Masking(), -1)
            where = carry_over(sentence, self.sentence)
            allowed = set(self.sentence.maskable)
            kept = masking.moved({old: new for old, new in where.items() if new in allowed})
            self._before = {where[p]: before for p, before in self._before.items() if p in where}
            self.slot = where.get(slot, -1)
            self._set_masking(self._blanks().joined(kept))
            self._ask()

    def set_masked(self, masked: Iterable[int | str] | Masking) -> None:
        """Mask these positions or words and no others; typed blanks stay masked.

        Raises:
            TextError, WordError: if one of them cannot be masked; nothing is changed then.
        """
        if self.sentence is None:
            return
        masking = self._as_masking(masked)
        if masking == self.masking:
            return
        with self.hold_trait_notifications():
            self._set_masking(masking)
            self._ask()

    def set_marks(self, marks: Mapping[int, str], slot: int) -> None:
        """Mask the marked positions and no others, and show `slot`: what a click on the page does.

        Tokens that are marked as they already were stay replaced or kept. Marks go by position: those where no token
        can be masked are passed over, and one that comes after an edit is of the token that stands there by then.
        """
        if self.sentence is None:
            return
        wanted = [p for p in self.sentence.maskable if p in marks]
        actions = self.masking.action_at()
        known = self.masking.moved({p: p for p in wanted if actions.get(p) == marks[p]})
        with self.hold_trait_notifications():
            self._guard(lambda: self.set_masked(self._as_masking(wanted).joined(known)))
            self.select(slot)

    def mask_at_random(self, seed: int, rate: float = BERT_RATE) -> None:
        """Choose positions as training does; typed blanks stay masked."""
        if self.sentence is not None:
            self._guard(lambda: self.set_masked(self._random(seed, rate)))

    def select(self, slot: int) -> None:
        """Show the slot at this position; -1 or a position that is no slot shows none."""
        self.slot = slot if slot in self.masking.positions else -1
        self._score_word()

    def show_head(self, layer: int, head: int) -> None:
        """Look into one head.

        Raises:
            ValueError: if the model has no such head.
        """
        if layer not in range(self.model.layers) or head not in range(self.model.heads):
            raise MlmVizError(say("error.no_such_head", layer=layer, head=head, model=self.model.name))
        with self.hold_trait_notifications():
            self.layer, self.head = layer, head

    def want(self, *, attention: bool | None = None, surprisal: bool | None = None, joint: bool | None = None) -> None:
        """Open or close a view; what nobody looks at is not computed."""
        if attention is not None and attention != self.attention_wanted:
            self.attention_wanted = attention
            self._look_due = self._look_due or (attention and self.attention is None)
        if surprisal is not None:
            self.surprisal_wanted = surprisal
        if joint is not None:
            self.joint_wanted = joint
        self._request()

    def silence(self, heads: Collection[Head]) -> None:
        """Silence these heads and no others, in all that is computed.

        Raises:
            ModelError: if the model has no such head; nothing is changed then.
        """
        self.model.check_heads(heads)
        if frozenset(heads) == self.silenced:
            return
        with self.hold_trait_notifications():
            self.silenced, self.sweep, self._sweeping = frozenset(heads), None, None
            self._ask()

    def explain(self, aim: str) -> None:
        """Which word is explained: "original" (without one, the best guess), "guess", or "word", the one asked about.

        Raises:
            ValueError: for anything else.
        """
        if aim not in AIMS:
            raise MlmVizError(say("error.aim", aim=aim, allowed=", ".join(AIMS)))
        self.aim = aim
        self._request()

    def take_up(self, inquiry: Inquiry) -> None:
        """Answer an inquiry from now on, while it is wanted."""
        self._inquiries.append(inquiry)
        inquiry.observe(lambda _: self._request(), "wanted")
        self._request()

    def go_on(self) -> None:
        """Look for what is left to do: an inquiry may have become due by something that the state does not know."""
        self._request()

    def pin(self) -> None:
        """Hold the distribution that is shown as the one every later one is compared with."""
        self.catch_up()
        self.baseline = self.shown

    def unpin(self) -> None:
        """Compare with the previous distribution again."""
        self.baseline = None

    def ask_word(self, word: str) -> None:
        """Ask how probable a word is at the slot that is shown; an empty word asks nothing."""
        self.word = clean_text(word).strip()
        self._score_word()

    # --- what follows ----------------------------------------------------------------------------------------------

    @property
    def answering(self) -> Model:
        """The model with the heads silenced that are to be silent."""
        return self.model.with_silenced(self.silenced)

    @property
    def target(self) -> int | str | None:
        """What is explained: the id of a token, for its piece may be spelled otherwise, or the word asked about.

        None if no slot is shown or no word was asked about.
        """
        slot = self.shown
        if slot is None:
            return None
        if self.aim == "word":
            return self.word or None
        return slot.original if self.aim == "original" and slot.original is not None else int(slot.best(1)[0])

    @property
    def shown(self) -> SlotPrediction | None:
        """The distribution at the slot that is shown."""
        if self.prediction is None or self.slot not in self.prediction.positions:
            return None
        return self.prediction.at(self.slot)

    @property
    def before(self) -> SlotPrediction | None:
        """What the shown distribution is compared with: the pinned one, else this slot's previous one."""
        return self.baseline if self.baseline is not None else self._before.get(self.slot)

    @property
    def divergence(self) -> float | None:
        """Jensen-Shannon divergence of the shown distribution from `before` in bits, 0 to 1."""
        if self.shown is None or self.before is None:
            return None
        return float(measures.js_divergence(self.shown.log2_probs, self.before.log2_probs))

    def catch_up(self) -> None:
        """Run the forward pass if it is due, leaving joint fills and the sweep for later."""
        if self._look_due:
            self._guard(self._look)

    def settle(self) -> None:
        """Finish all that is under way."""
        self.scheduler.flush()

    # --- the machinery ---------------------------------------------------------------------------------------------

    def _take(self, text: str) -> None:
        """Read a text; one that cannot be read leaves no sentence behind, but the text stays and the error says why."""
        self.text = clean_text(text)
        self.sweep, self._sweeping, self.error = None, None, ""
        try:
            self.sentence, _ = prepare(self.text, self.model)
        except MlmVizError as problem:
            self.sentence = self.prediction = self.attention = self.joint = None
            self.masking, self.slot, self.error, self.stale = Masking(), -1, str(problem), False
            self._look_due = False

    def _as_masking(self, masked: Iterable[int | str] | Masking) -> Masking:
        assert self.sentence is not None  # noqa: S101 (callers check)
        if isinstance(masked, Masking):
            self.sentence.positions_of(masked.positions)
            return self._blanks().joined(masked)
        return mask_positions(self.sentence, self.model.vocabulary, masked)

    def _blanks(self) -> Masking:
        return self._as_masking(())

    def _random(self, seed: int, rate: float) -> Masking:
        assert self.sentence is not None  # noqa: S101 (callers check)
        return mask_random(self.sentence, self.model.vocabulary, rate=rate, seed=seed)

    def _set_masking(self, masking: Masking) -> None:
        added = set(masking.positions) - set(self.masking.positions)
        self.masking = masking
        if self.slot not in masking.positions or added:
            around = sorted(added) or masking.positions
            self.slot = min(around, key=lambda p: abs(p - self.slot), default=-1) if self.slot >= 0 else -1
            if self.slot < 0 and around:
                self.slot = around[0]

    def _ask(self) -> None:
        if self.sentence is not None:
            self._look_due, self.stale, self.joint, self._filling = True, True, None, None
        self._request()

    def _request(self) -> None:
        if self._look_due or self._later_work():
            self.scheduler.request()

    def _later_work(self) -> bool:
        if self.sentence is None or self.model.refusal is not None:
            return False
        return self.joint_due or self._sweep_due() or self._inquiry_due() is not None

    def _inquiry_due(self) -> Inquiry | None:
        """The first inquiry that has something left to do; they wait for the prediction."""
        return None if self.stale else next((i for i in self._inquiries if i.is_due(self)), None)

    @property
    def joint_due(self) -> bool:
        """Whether joint fills are wanted that have not been computed yet."""
        masks = [action for action in self.masking.actions if action == "masked"]
        wanted = self.joint_wanted and self.model.refusal is None and self.joint is None
        return wanted and not self._joint_given_up and 2 <= len(masks) <= MOST_SLOTS

    def _sweep_due(self) -> bool:
        if self.sentence is None or not self.sentence.maskable or not self.surprisal_wanted:
            return False
        return self.sweep is None or len(self.sweep.positions) < len(self.sentence.maskable)

    def _step(self) -> bool:
        """One piece of work, the most urgent first; returns whether there is more."""
        self._guard(self._look if self._look_due else self._work_later)
        return self._look_due or (not self.error and self._later_work())

    def _guard(self, work: Callable[[], object]) -> None:
        """Whatever goes wrong becomes a sentence on the page, never a traceback in a cell."""
        _, problem = attempt(work)
        if problem:
            self.error = problem

    def _look(self) -> None:
        self._look_due = self._joint_given_up = False
        if self.sentence is None:
            return
        layers: Layers = "all" if self.attention_wanted else None
        with self.hold_trait_notifications():
            self.stale = False
            try:
                prediction, attention = look(self.answering, self.sentence, self.masking, layers=layers)
            except BaseException:
                # What is there would be taken for the answer to what could not be asked.
                self.prediction = self.attention = self.word_score = None
                self._joint_given_up = True
                raise
            self.error = self.model.refusal or ""
            if self._looked_at != (self.sentence, self.masking):
                self._remember(self.sentence)
            self._looked_at = (self.sentence, self.masking)
            self.prediction, self.attention = prediction, attention
        self._score_word()

    def _remember(self, sentence: Sentence) -> None:
        """Keep the distributions that are about to be replaced, at the places their slots have now."""
        if self.prediction is not None:
            where = carry_over(self.prediction.sentence, sentence)
            self._before = {where[old.position]: old for old in self.prediction if old.position in where}

    def _work_later(self) -> None:
        if self.sentence is None:
            return
        if self.joint_due:
            self._fill_on(self.sentence)
        elif self._sweep_due():
            self._sweep_on(self.sentence)
        elif inquiry := self._inquiry_due():
            inquiry.advance(self)

    def _fill_on(self, sentence: Sentence) -> None:
        filling = self._filling or fill_in_parts(self.answering, sentence, self.masking)
        self._filling = None  # what breaks off in the middle cannot go on
        try:
            joint = next(filling)
        except Exception:
            self._joint_given_up = True
            raise
        self._filling, self.joint = filling, joint

    def _sweep_on(self, sentence: Sentence) -> None:
        sweeping = self._sweeping or sweep_in_parts(self.answering, sentence)
        self._sweeping = None  # as above
        sweep = next(sweeping)
        self._sweeping, self.sweep = sweeping, sweep

    def _score_word(self) -> None:
        score: WordScore | None = None
        problem = ""
        if self.word and self.shown is not None:
            score, problem = attempt(partial(self.shown.score, self.word))
        with self.hold_trait_notifications():
            self.word_score, self.word_error = score, problem
        self._request()  # what is explained may be another word now
