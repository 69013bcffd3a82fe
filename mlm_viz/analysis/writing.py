"""One text, gone on with by a model from left to right, by one with spans and by a masked one, and how it is judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
from tqdm.auto import tqdm

from mlm_viz.analysis.compare import Source, Sources
from mlm_viz.analysis.filling import MOST_SLOTS
from mlm_viz.analysis.steps import fill_in_steps
from mlm_viz.errors import ModelError, TextError
from mlm_viz.examples import sentences
from mlm_viz.gaps import Gap, words_of
from mlm_viz.loading import Network, find
from mlm_viz.masking import Masking, mask_positions
from mlm_viz.paths import models_dir
from mlm_viz.readers import Reader, as_reader
from mlm_viz.readers.causal import CausalReader
from mlm_viz.readers.judging import judge
from mlm_viz.readers.masked import MaskedReader
from mlm_viz.readers.span import SpanReader
from mlm_viz.readers.transcript import Transcript
from mlm_viz.readers.writing import Written, continue_from, fill_gap
from mlm_viz.sampling import Sampling
from mlm_viz.steps import ORDERS, Order
from mlm_viz.strings import say
from mlm_viz.tokens import Sentence, clean_text, is_cjk, write_blanks
from mlm_viz.writing import JUDGES, Judge, Writer, Writing, Writings, WritingTest, split

ROLES = ("causal", "span", "masked", "causal_judge", "masked_judge")
MOST_WORDS = MOST_SLOTS
GIBBS_ROUNDS = 2  # after the first one from left to right: as many passes as three other orders
TEST_ORDERS: tuple[Order, ...] = ("left_to_right", "confident", "gibbs")
TEST_PROMPTS = 12  # of each language
_PIECES_A_WORD = 8  # at most; who writes longer words is stopped
_LEAST_WORDS = 8  # of a sentence that is cut into halves


@dataclass(frozen=True, eq=False)
class Team:
    """Who writes, and who judges.

    Attributes:
        causal, span, masked: the writers.
        judges: by what they do.
    """

    causal: CausalReader
    span: SpanReader
    masked: MaskedReader
    judges: Mapping[Judge, CausalReader | MaskedReader]

    def own(self, reader: Reader) -> Judge | None:
        """The judge that is this writer."""
        return next((name for name, one in self.judges.items() if one is reader), None)


@dataclass(frozen=True)
class Wishes:
    """What is to be written.

    Attributes:
        words: at most; of a masked model so many masks.
        sampling: how tokens are drawn.
        orders: in which a masked model fills its masks.
    """

    words: int
    sampling: Sampling
    orders: tuple[Order, ...] = ORDERS

    def __post_init__(self) -> None:
        """Nothing if it can be done.

        Raises:
            TextError: says what cannot.
        """
        if not 1 <= self.words <= MOST_WORDS:
            raise TextError(say("writing.words", words=self.words, most=MOST_WORDS))
        for order in self.orders:
            if order not in ORDERS:
                raise TextError(say("filling.order", order=order, allowed=", ".join(ORDERS)))


def write(
    prompt: str,
    models: Sources | None = None,
    *,
    reference: str | None = None,
    words: int = MOST_WORDS,
    temperature: float = 0.8,
    top_p: float = 0.9,
    seed: int = 0,
    orders: Sequence[Order] = ORDERS,
) -> Writings:
    """Have models of three kinds go on with a text, and judge what they write.

    The causal model reads what stands before and writes one word after the other. The span model writes what it takes
    to stand in the gap, and nothing tells it how long that is. The masked model must be told: it gets `words` masks, a
    piece each, and fills them one by one in each order, with the same temperature and `top_p`. Then two judges say how
    many bits each piece costs them: the causal model, and the masked one by its pseudo-log-likelihood. A judge is not
    to be believed about its own writing (`Writing.own`), and a low temperature makes everything cheap: probable is not
    the same as good, hence the measures of repetition beside it.

    Args:
        prompt: the beginning of a text; or a text with one blank (`____`), and then the causal model sees what stands
            before it.
        models: other models than the bundled twins: "causal", "span", "masked"; and "causal_judge", "masked_judge",
            which are otherwise the writers themselves.
        reference: what a human wrote there, to be judged as well.
        words: so many at most, up to `MOST_WORDS`; Chinese characters and marks count as words.
        temperature: 0 takes the best token, see `Sampling`.
        top_p: what is drawn from, see `Sampling`.
        seed: of what is drawn.
        orders: in which the masked model fills its masks; none leaves it out.

    Raises:
        TextError: if there is more than one gap, nothing to go on from, a text too long, or a number out of range.
        ModelError: if there is no such model, or it is of another kind.
    """
    wishes = Wishes(words, Sampling(temperature, top_p, seed), tuple(orders))
    *_, last = write_in_steps(gap_of(prompt), team_for(models), wishes, reference)
    return last


def writing_test(
    prompts: Sequence[str] | None = None,
    references: Sequence[str] | None = None,
    models: Sources | None = None,
    *,
    words: int | None = None,
    temperature: float = 0.8,
    top_p: float = 0.9,
    seed: int = 0,
    orders: Sequence[Order] = TEST_ORDERS,
) -> WritingTest:
    """The same over a set of prompts, with human continuations beside it.

    Args:
        prompts: beginnings of texts; by default the first halves of sentences of both languages.
        references: what humans wrote behind each; by default the second halves. None are needed for own prompts.
        models: as for `write`.
        words: for each prompt; by default as many as its reference has, so that all write about as much.
        temperature: as for `write`.
        top_p: as for `write`.
        seed: of the first prompt; the next ones have the next seeds.
        orders: as for `write`.

    Raises:
        TextError: if there are not two prompts, or not as many references; else as for `write`.
        ModelError: as for `write`.
    """
    if prompts is None:
        pairs = [pair for language in ("en", "zh") for pair in halves(language)]
        prompts, references = [one for one, _ in pairs], [other for _, other in pairs]
    known = list(references) if references is not None else [None] * len(prompts)
    if isinstance(prompts, str) or len(prompts) < 2 or len(known) != len(prompts):
        raise TextError(say("writing.prompts", prompts=len(prompts), references=len(known)))
    team, done = team_for(models), []
    for number in tqdm(range(len(prompts)), delay=1, desc=say("writing.progress"), leave=False):
        most = words or min(MOST_WORDS, len(split(known[number] or "")) or MOST_WORDS)
        wishes = Wishes(most, Sampling(temperature, top_p, seed + number), tuple(orders))
        *_, last = _unjudged(gap_of(prompts[number]), team, wishes, known[number])
        done.append(last)
    return WritingTest(_judged(done, team), seed)


def halves(language: str, count: int = TEST_PROMPTS) -> list[tuple[str, str]]:
    """Sentences cut in the middle: beginning and rest, evenly from `examples.sentences`, the short ones left out."""
    cut = []
    for sentence in sentences(language):
        places = words_of(sentence)
        if len(places) >= _LEAST_WORDS:
            middle = places[len(places) // 2 - 1][1]
            cut.append((sentence[:middle], sentence[middle:]))
    chosen = np.linspace(0, len(cut) - 1, num=min(count, len(cut))).round().astype(int)
    return [cut[number] for number in chosen]


def gap_of(prompt: str) -> Gap:
    """The gap of a text, which is at its end if there is no blank in it.

    Raises:
        TextError: if there is more than one, or it splits a word.
    """
    prompt = clean_text(prompt)
    return Gap(prompt, "") if write_blanks(prompt, "") == prompt else Gap.of(prompt)


def team_for(models: Sources | None = None) -> Team:
    """Who writes and who judges.

    Raises:
        ModelError: if there is no such model or role, or a model of another kind in it.
    """
    given = dict(models or {})
    if unknown := [name for name in given if name not in ROLES]:
        raise ModelError(say("writing.role", name=unknown[0], known=", ".join(ROLES)))
    causal = cast("CausalReader", as_reader(given.get("causal"), "causal"))
    masked = cast("MaskedReader", as_reader(given.get("masked"), "masked"))
    span = cast("SpanReader", as_reader(given.get("span"), "span"))
    judges: dict[Judge, CausalReader | MaskedReader] = {"causal": causal, "masked": masked}
    for kind in JUDGES:
        named = given.get(f"{kind}_judge")
        # A writer that is named again is the judge itself, not another copy: of its own writing it knows too much.
        if named is not None and _meant(named, kind) != _meant(given.get(kind), kind):
            judges[kind] = cast("CausalReader | MaskedReader", as_reader(named, kind))
    return Team(causal, span, masked, judges)


def _meant(source: Source, kind: Judge) -> object:
    """Where a model lies, or what was loaded: the same for sources that mean the same model."""
    if source is None or isinstance(source, str | Path):
        place = find(models_dir() / kind if source is None else source)
        return place.resolve() if isinstance(place, Path) else place
    if isinstance(source, MaskedReader):
        return source.model
    return source.network if isinstance(source, CausalReader | Network) else source


# --- step by step -----------------------------------------------------------------------------------------------------


def write_in_steps(gap: Gap, team: Team, wishes: Wishes, reference: str | None = None) -> Iterator[Writings]:
    """`write` as it grows, a pass at a time; each writer is judged as soon as it has finished."""
    judged: dict[Writer, Writing] = {}
    for writings in _unjudged(gap, team, wishes, reference):
        for one in writings.written:
            if one.finished and one.writer not in judged:
                yield _with(writings, judged)
                judged[one.writer] = _judged([Writings(gap, (one,))], team)[0].written[0]
        yield _with(writings, judged)


def _with(writings: Writings, judged: Mapping[Writer, Writing]) -> Writings:
    return Writings(writings.gap, tuple(judged.get(one.writer, one) for one in writings.written))


def _unjudged(gap: Gap, team: Team, wishes: Wishes, reference: str | None) -> Iterator[Writings]:
    """One writer after the other, all of them there from the start."""
    writers: dict[Writer, Iterator[Writing]] = {
        "causal": _causal(gap, team, wishes),
        "span": _span(gap, team, wishes),
        **{order: _masked(gap, team, wishes, order) for order in wishes.orders},
    }
    so_far = {name: Writing(name, "", gap) for name in writers}
    if reference is not None:
        so_far["human"] = Writing("human", "", gap, _behind(gap, clean_text(reference)), finished=True)
    for name, writer in writers.items():
        for one in writer:
            so_far[name] = one
            yield Writings(gap, tuple(so_far.values()))


def _behind(gap: Gap, text: str) -> str:
    """A text as it stands behind the left side: with a space before it, unless it brings one or needs none."""
    before, first = gap.left[-1:], text[:1]
    needs = before.strip() and first.strip() and (before.isalnum() and first.isalnum()) and not is_cjk(before + first)
    return " " + text if needs else text


def _judged(runs: Sequence[Writings], team: Team) -> tuple[Writings, ...]:
    """All writings judged, in passes that they share."""
    flat = [one for run in runs for one in run.written]
    found = {name: judge(reader, flat) for name, reader in team.judges.items()}
    done = iter(
        replace(one, judged={name: verdict for name in found if (verdict := found[name][number]) is not None})
        for number, one in enumerate(flat)
    )
    return tuple(Writings(run.gap, tuple(next(done) for _ in run.written)) for run in runs)


def _causal(gap: Gap, team: Team, wishes: Wishes) -> Iterator[Writing]:
    drawn = wishes.sampling
    tokens = continue_from(
        team.causal,
        gap.left,
        tokens=_PIECES_A_WORD * wishes.words,
        temperature=drawn.temperature,
        top_p=drawn.top_p,
        seed=drawn.seed,
        least=1,
    )
    start = Writing("causal", team.causal.name, gap, own=team.own(team.causal))
    yield from _streamed(start, team.causal, tokens, wishes)


def _span(gap: Gap, team: Team, wishes: Wishes) -> Iterator[Writing]:
    drawn = wishes.sampling
    tokens = fill_gap(
        team.span,
        gap,
        tokens=_PIECES_A_WORD * wishes.words,
        temperature=drawn.temperature,
        top_p=drawn.top_p,
        seed=drawn.seed,
        least=1,
    )
    start = Writing("span", team.span.name, gap, own=team.own(team.span))
    yield from _streamed(start, team.span, tokens, wishes)


def _streamed(start: Writing, reader: Reader, tokens: Iterator[Written], wishes: Wishes) -> Iterator[Writing]:
    """What is written, whole words at a time; a word too many is taken back before anybody sees it."""
    transcript = _transcript(reader, start.gap)
    ids: list[int] = []
    log2_probs: list[float] = []
    ended = False
    for one in tokens:
        too_many = len(words_of(transcript.text([*ids, one.id]))) > wishes.words
        if (too_many and ids) or one.ends:
            ended = one.ends
            break
        ids.append(one.id)
        log2_probs.append(one.log2_prob)
        transcript.add(one.id)
        yield replace(start, text=transcript.told)
    transcript.finish()
    labels = tuple(reader.vocabulary.labels[i] for i in ids)
    yield replace(
        start, text=transcript.told, tokens=labels, log2_probs=np.array(log2_probs), ended=ended, finished=True
    )


def _masked(gap: Gap, team: Team, wishes: Wishes, order: Order) -> Iterator[Writing]:
    """Masks behind the text, filled one after the other; nothing to be read before all are."""
    reader, drawn = team.masked, wishes.sampling
    start = Writing(order, reader.name, gap, own=team.own(reader))
    sentence, masking = _with_masks(reader, gap, wishes.words)
    parts = fill_in_steps(
        reader.model,
        sentence,
        masking,
        order,
        temperature=drawn.temperature,
        top_p=drawn.top_p,
        seed=drawn.seed,
        rounds=GIBBS_ROUNDS,
    )
    for steps in parts:
        if steps is None:
            yield start
            continue
        last = dict(zip(steps.places.tolist(), steps.log2_probs.tolist(), strict=True))
        yield replace(
            start,
            text=_transcript(reader, gap).text(steps.fill),
            tokens=steps.words,
            log2_probs=np.array([last[place] for place in steps.positions]),
            finished=True,
        )


def _with_masks(reader: MaskedReader, gap: Gap, count: int) -> tuple[Sentence, Masking]:
    """The text with so many masks in its gap; names of special tokens in it are text, as they are to all writers."""
    behind = Gap(gap.left.rstrip(), gap.right)
    ids = reader.rows(behind, (0,) * count, len(gap.right_words))[0].ids
    vocabulary = reader.vocabulary
    blank = ids == vocabulary.mask_id
    special = np.isin(ids, list(vocabulary.special_ids)) & ~blank
    labels, pieces = (tuple(names[i] for i in ids) for names in (vocabulary.labels, vocabulary.pieces))
    nothing = np.zeros(len(ids), dtype=np.bool_)
    sentence = Sentence(behind.text, ids, pieces, labels, np.arange(len(ids)), special, blank, spaced=nothing)
    return sentence, mask_positions(sentence, vocabulary)


def _transcript(reader: Reader, gap: Gap) -> Transcript:
    return Transcript(reader.speller, reader.encoded(gap.left.rstrip(), special=False).ids)
