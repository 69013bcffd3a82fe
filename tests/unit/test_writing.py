"""Writing: against `generate`, brute force and plain passes; never half a character, never a special token."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import mlm_viz
from mlm_viz.analysis import writing as analysis
from mlm_viz.analysis.writing import GIBBS_ROUNDS, Team, Wishes, gap_of, halves, team_for, write_in_steps
from mlm_viz.errors import MlmVizError, ModelError, TextError
from mlm_viz.figures.writing import writing_dots, writing_text
from mlm_viz.gaps import Gap, words_of
from mlm_viz.readers import as_reader, loading
from mlm_viz.readers.causal import CausalReader
from mlm_viz.readers.judging import judge
from mlm_viz.readers.masked import MaskedReader
from mlm_viz.readers.span import SENTINEL, SpanReader
from mlm_viz.readers.transcript import Transcript, tidy
from mlm_viz.readers.writing import Written, continue_from, end_ids, fill_gap
from mlm_viz.sampling import Sampling, draw, nucleus
from mlm_viz.steps import ORDERS
from mlm_viz.writing import Judged, Writing, Writings, WritingTest, longest_repetition, split
from tests import tiny

CAUSAL = ("gpt2", "llama", "modernbert-decoder", "bert-decoder", "causal")
ENGLISH, CHINESE = "the weather today is", "今天天气很"
DirOf = Callable[[str], Path]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def causal(tiny_dir: DirOf) -> Callable[[str], CausalReader]:
    readers: dict[str, Any] = {}
    return lambda name: readers.setdefault(name, as_reader(tiny_dir(name), "causal"))


@pytest.fixture(scope="module")
def span(tiny_dir: DirOf) -> Callable[[str], SpanReader]:
    readers: dict[str, Any] = {}
    return lambda name: readers.setdefault(name, as_reader(tiny_dir(name), "span"))


@pytest.fixture(scope="module")
def team(tiny_dir: DirOf) -> Team:
    return team_for({kind: as_reader(tiny_dir(kind), kind) for kind in ("causal", "span", "masked")})


def models(team: Team) -> dict[str, Any]:
    return {"causal": team.causal, "span": team.span, "masked": team.masked}


def barred(reader: Any) -> list[int]:
    return sorted(reader.vocabulary.special_ids - end_ids(reader, reader.network))


# --- drawing --------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 40), min_size=1, max_size=7), st.floats(0.01, 1.0))
def test_the_nucleus_is_the_smallest_set_with_enough_probability(counts: list[int], top_p: float) -> None:
    probs = np.array(counts) / sum(counts)
    kept = nucleus(probs, top_p)
    sets = [s for size in range(1, len(probs) + 1) for s in itertools.combinations(range(len(probs)), size)]
    if top_p < 1 and all(abs(math.fsum(probs[list(s)]) - top_p) > 1e-9 for s in sets):  # no tie with rounding
        enough = [s for s in sets if math.fsum(probs[list(s)]) >= top_p]
        fewest = min(len(s) for s in enough)
        assert kept.sum() == fewest
        assert probs[kept].sum() == pytest.approx(max(math.fsum(probs[list(s)]) for s in enough if len(s) == fewest))


def test_a_nucleus_that_is_met_exactly_takes_no_more() -> None:
    assert nucleus(np.array([0.125, 0.5, 0.25, 0.125]), 0.75).tolist() == [False, True, True, False]
    assert nucleus(np.array([0.125, 0.5, 0.25, 0.125]), 0.75 + 1e-9).tolist() == [True, True, True, False]
    assert nucleus(np.array([0.5, 0.5]), 1.0).all()


def test_only_the_nucleus_is_drawn_in_proportion() -> None:
    probs, rng = np.array([0.4, 0.3, 0.2, 0.1]), np.random.default_rng(0)
    drawn = np.bincount([draw(np.log2(probs), 1.0, 0.65, rng) for _ in range(4000)], minlength=4) / 4000
    np.testing.assert_allclose(drawn, [4 / 7, 3 / 7, 0, 0], atol=0.03)


def test_the_temperature_has_its_limits() -> None:
    logs, rng = np.log2([0.4, 0.35, 0.25]), np.random.default_rng(0)
    assert {draw(logs, 0.0, 1.0, rng) for _ in range(50)} == {draw(logs, 1e-6, 1.0, rng) for _ in range(50)} == {0}
    flat = np.bincount([draw(logs, 1e6, 1.0, rng) for _ in range(6000)], minlength=3) / 6000
    np.testing.assert_allclose(flat, 1 / 3, atol=0.03)
    never = np.where([True, False, True], -np.inf, logs)
    assert {draw(never, heat, 1.0, rng) for heat in (0.0, 1.0, 1e6)} == {1}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"temperature": -0.1}, "temperature is -0.1"),
        ({"temperature": math.nan}, "temperature is nan"),
        ({"temperature": math.inf}, "temperature is inf"),
        ({"top_p": 0.0}, "top_p is 0.0"),
        ({"top_p": 1.01}, "top_p is 1.01"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_numbers_out_of_range_are_named(wrong: dict[str, Any], said: str, team: Team) -> None:
    for act in (
        lambda: Sampling(**wrong),
        lambda: continue_from(team.causal, ENGLISH, tokens=3, **wrong),
        lambda: fill_gap(team.span, Gap(ENGLISH, ""), tokens=3, **wrong),
        lambda: mlm_viz.write(ENGLISH, models(team), **wrong),
    ):
        with pytest.raises(TextError, match=said):
            act()


def test_steps_of_a_masked_model_draw_from_the_nucleus_too(team: Team) -> None:
    text = "the [MASK] [MASK] [MASK] day"
    best = mlm_viz.fill_steps(text, team.masked.model)
    narrow = mlm_viz.fill_steps(text, team.masked.model, temperature=1.0, top_p=1e-9, seed=5)
    assert narrow.fill.tolist() == best.fill.tolist()
    with pytest.raises(TextError, match="top_p is 2"):
        mlm_viz.fill_steps(text, team.masked.model, top_p=2)


# --- one token after the other ------------------------------------------------------------------------


@pytest.mark.parametrize("name", CAUSAL)
@pytest.mark.parametrize("prompt", [ENGLISH, CHINESE])
def test_with_and_without_the_cache_the_same_is_written(causal: Any, name: str, prompt: str) -> None:
    reader = causal(name)
    for how in ({"temperature": 0.0}, {"temperature": 1.2, "top_p": 0.9, "seed": 3}):
        kept, anew = (list(continue_from(reader, prompt, tokens=12, **how, cached=flag)) for flag in (True, False))
        assert [one.id for one in kept] == [one.id for one in anew]
        np.testing.assert_allclose([one.log2_prob for one in kept], [one.log2_prob for one in anew], atol=1e-4)


@pytest.mark.parametrize("name", CAUSAL)
def test_the_best_tokens_are_those_that_generate_gives(causal: Any, name: str) -> None:
    reader = causal(name)
    for prompt in (ENGLISH, CHINESE):
        ids = torch.from_numpy(reader.prompt(prompt)[None])
        ends = sorted(end_ids(reader, reader.network))
        found = reader.network.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=10,
            suppress_tokens=barred(reader),
            eos_token_id=ends,
            pad_token_id=ends[0],
        )
        written = [one.id for one in continue_from(reader, prompt, tokens=10, temperature=0.0)]
        assert written == found[0, ids.shape[1] :].tolist()


@pytest.mark.parametrize("name", ["span", "t5"])
def test_a_gap_is_filled_as_generate_fills_it(span: Any, name: str) -> None:
    reader = span(name)
    for gap in (Gap("the ", " day is nice"), Gap("今天", "很好"), Gap("the weather", "")):
        ids = torch.from_numpy(reader.source(gap, len(gap.right_words))[0][None])
        ends = sorted(end_ids(reader, reader.network))
        found = reader.network.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            decoder_input_ids=torch.from_numpy(reader.begin[None]),
            do_sample=False,
            max_new_tokens=10,
            suppress_tokens=barred(reader),
            eos_token_id=ends,
            pad_token_id=ends[0],
        )
        kept, anew = (list(fill_gap(reader, gap, tokens=10, temperature=0.0, cached=flag)) for flag in (True, False))
        assert [one.id for one in kept] == [one.id for one in anew] == found[0, 2:].tolist()
        np.testing.assert_allclose([one.log2_prob for one in kept], [one.log2_prob for one in anew], atol=1e-4)


def test_log_probabilities_are_those_of_a_plain_pass_whatever_the_temperature(causal: Any) -> None:
    reader = causal("causal")
    written = list(continue_from(reader, ENGLISH, tokens=8, temperature=1.7, top_p=0.8, seed=1))
    ids = reader.prompt(ENGLISH).tolist()
    with torch.inference_mode():
        for one in written:
            logits = reader.network(input_ids=torch.tensor([ids])).logits[0, -1].double()
            assert one.log2_prob == pytest.approx(float(torch.log_softmax(logits, -1)[one.id]) / math.log(2), abs=1e-4)
            ids.append(one.id)


def test_each_pass_with_the_cache_reads_one_token(causal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = causal("causal")
    seen, forward = [], reader.network.forward

    def counting(*args: Any, **kwargs: Any) -> Any:
        seen.append(kwargs["input_ids"].shape[1])
        return forward(*args, **kwargs)

    monkeypatch.setattr(reader.network, "forward", counting)
    written = list(continue_from(reader, ENGLISH, tokens=5, temperature=0.0, least=5))
    assert seen == [len(reader.prompt(ENGLISH)), 1, 1, 1, 1]
    assert len(written) == 5


@pytest.mark.parametrize("name", [*CAUSAL, "span", "t5"])
def test_neither_special_nor_unknown_tokens_are_written(causal: Any, span: Any, name: str) -> None:
    reader = causal(name) if name in CAUSAL else span(name)
    ends = end_ids(reader, reader.network)
    for seed in range(6):
        how = {"tokens": 20, "temperature": 50.0, "seed": seed, "least": 3}  # all about as likely
        tokens = fill_gap(reader, Gap("the ", " day"), **how) if reader.kind == "span" else None
        written = list(tokens or continue_from(reader, ENGLISH, **how))
        assert not {one.id for one in written} & (reader.vocabulary.special_ids - ends)
        assert [one.ends for one in written] == [one.id in ends for one in written]
        assert not any(one.ends for one in written[:-1])
        assert len(written) > 3


class Planted:
    """Has a reader's network want the tokens of a list, one pass after the other."""

    def __init__(self, reader: Any, wanted: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = list(wanted)
        forward = reader.network.forward

        def planting(*args: Any, **kwargs: Any) -> Any:
            output = forward(*args, **kwargs)
            output.logits[..., -1, self.left.pop(0)] = 1e4
            return output

        monkeypatch.setattr(reader.network, "forward", planting)


@pytest.mark.parametrize("kind", ["causal", "span"])
def test_an_end_token_ends_it(team: Team, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reader: Any = getattr(team, kind)
    ids = reader.vocabulary.ids
    for last in ["[SEP]"] if kind == "causal" else ["[SEP]", "<extra_id_1>", SENTINEL]:
        Planted(reader, [ids["good"], ids["day"], ids[last], ids["day"]], monkeypatch)
        tokens = (
            continue_from(reader, ENGLISH, tokens=9)
            if kind == "causal"
            else fill_gap(reader, Gap("a ", " walk"), tokens=9)
        )
        written = list(tokens)
        assert [(one.id, one.ends) for one in written] == [(ids["good"], False), (ids["day"], False), (ids[last], True)]
        monkeypatch.undo()


def test_a_writer_may_be_kept_from_ending_at_once(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    end = team.causal.vocabulary.ids["[SEP]"]
    Planted(team.causal, [end, end, end], monkeypatch)
    assert [one.ends for one in continue_from(team.causal, ENGLISH, tokens=9, least=2)] == [False, False, True]


def test_a_seed_is_a_text_and_another_is_another(team: Team) -> None:
    def text(seed: int) -> list[int]:
        return [one.id for one in continue_from(team.causal, ENGLISH, tokens=10, temperature=2.0, seed=seed)]

    assert text(1) == text(1)
    assert len({tuple(text(seed)) for seed in range(5)}) > 1


def test_writing_ends_where_the_room_does(causal: Any, span: Any) -> None:
    for reader, begin in ((causal("causal"), "the " * 50), (causal("gpt2"), "the " * 50)):
        room = reader.limit - len(reader.prompt(begin))
        assert 0 < room < 20
        assert len(list(continue_from(reader, begin, tokens=100, temperature=0.0, least=99))) == room
    reader = span("span")
    assert len(list(fill_gap(reader, Gap("the ", ""), tokens=999, least=998))) == reader.limit - 2


def test_too_long_nothing_to_go_on_from_and_no_tokens_are_one_sentence_each(causal: Any, span: Any) -> None:
    with pytest.raises(TextError, match="reads at most 64"):
        continue_from(causal("causal"), "the " * 63, tokens=3)
    with pytest.raises(TextError, match="reads at most 64"):
        fill_gap(span("span"), Gap("the " * 64, ""), tokens=3)
    with pytest.raises(TextError, match="tokens is 0"):
        continue_from(causal("causal"), ENGLISH, tokens=0)
    bare = causal("gpt2")
    begun = list(continue_from(bare, "", tokens=3, least=3))  # it was trained with an end token between texts
    assert len(begun) == 3


class Endless:
    """A tokenizer that knows neither a start nor an end."""

    bos_token_id = eos_token_id = cls_token_id = None

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.tokenizer(*args, **kwargs)


def test_an_empty_prompt_without_a_start_token_is_refused(causal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = causal("gpt2")
    monkeypatch.setattr(reader.speller, "tokenizer", Endless(reader.speller.tokenizer))
    with pytest.raises(TextError, match="goes on from what stands before"):
        continue_from(reader, "", tokens=3)


# --- tokens as text -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ("it ' s a well - known park ( here ) .", "it's a well-known park (here)."),
        ("今 天 天 气 很 好 ， 2024 年 去 公 园 。", "今天天气很好，2024年去公园。"),
        ("我 用 python 写 ， ok ？", "我用 python 写，ok？"),
        ("at 5 : 30 or 3 . 5 km", "at 5:30 or 3.5 km"),
        ("the dogs ' park", "the dogs ' park"),
    ],
)
def test_spaces_that_a_tokenizer_adds_are_taken_out_again(raw: str, read: str) -> None:
    assert tidy(raw) == read


TEXTS = (
    "the capital of france is paris, a good nice day.",
    "今天天气很好，我们去公园野餐。",
    "unhappy runs-walking day",
)
EMOJI = "good 😀 day 👩‍👩‍👧 好 🇫🇷 naïve!"


@pytest.mark.parametrize("name", [*CAUSAL, "t5", "span", "masked"])
def test_the_stream_joined_is_the_text_decoded_at_once(tiny_dir: DirOf, name: str) -> None:
    kind: Any = "causal" if name in CAUSAL else "masked" if name == "masked" else "span"
    reader = as_reader(tiny_dir(name), kind)
    for text in (*TEXTS, *([EMOJI] if name == "gpt2" else [])):
        cut = reader.encoded(text, special=False)
        for split_at in range(len(cut.ids)):
            if cut.places[split_at][0] in {start for start, _ in words_of(text)} | {0}:
                whole = Transcript(reader.speller, cut.ids[:split_at]).text(cut.ids[split_at:])
                transcript = Transcript(reader.speller, cut.ids[:split_at])
                parts = [transcript.add(i) for i in cut.ids[split_at:]] + [transcript.finish()]
                assert "".join(parts) == whole == transcript.told
                assert not any("\ufffd" in part for part in parts)
        if reader.vocabulary.unknown_id not in cut.ids:
            joined = Transcript(reader.speller, np.array([], dtype=np.int64)).text(cut.ids)
            assert joined.strip() == text


def test_words_and_characters_come_whole(tiny_dir: DirOf) -> None:
    reader = as_reader(tiny_dir("gpt2"), "causal")
    cut = reader.encoded(EMOJI, special=False)
    assert len(cut.ids) > len(EMOJI)  # emoji are several tokens each
    transcript = Transcript(reader.speller, cut.ids[:0])
    ends = {0, *(end for _, end in words_of(EMOJI))}
    for token in cut.ids:
        transcript.add(token)
        assert EMOJI.startswith(transcript.told)
        assert len(transcript.told) in ends
    whole = "unhappy day"
    pieces = as_reader(tiny_dir("causal"), "causal").encoded(whole, special=False).ids
    told = Transcript(as_reader(tiny_dir("causal"), "causal").speller, pieces[:0])
    assert {told.add(i) for i in pieces} == {"", "unhappy"}
    assert told.finish() == " day"


@given(st.lists(st.integers(5, 70), min_size=1, max_size=14))
def test_whatever_is_written_what_was_read_stays(tiny_dir: DirOf, ids: list[int]) -> None:
    reader = _reader(tiny_dir)
    for before in (ENGLISH, CHINESE):
        front = reader.encoded(before, special=False).ids
        transcript = Transcript(reader.speller, front)
        for token in ids:
            transcript.add(token)
        transcript.finish()
        assert transcript.told == Transcript(reader.speller, front).text(ids)


def _reader(tiny_dir: DirOf, kept: dict[str, Any] = {}) -> Any:  # noqa: B006 (kept on purpose)
    return kept.setdefault("causal", as_reader(tiny_dir("causal"), "causal"))


# --- all writers ------------------------------------------------------------------------------------------


def test_all_write_and_are_judged_in_both_languages_and_in_gaps(team: Team) -> None:
    for prompt in (ENGLISH, CHINESE, "the ____ is nice.", "今天____，我们去公园。"):
        found = mlm_viz.write(prompt, models(team), words=5, reference="good day", seed=2)
        assert [one.writer for one in found.written] == ["causal", "span", *ORDERS, "human"]
        gap = gap_of(prompt)
        for one in found.written:
            assert one.finished
            assert len(one.words) <= 5
            assert one.whole.startswith(gap.left)
            assert one.whole.endswith(gap.right)
            if one.writer != "human":
                assert len(one.tokens) == len(one.log2_probs)
                assert (one.log2_probs <= 0).all()
        frame = found.to_frame()
        assert frame["causal_bits"].notna().sum() == frame["masked_bits"].notna().sum() == (frame["words"] > 0).sum()
        assert found["causal"].own == "causal"
        assert found["gibbs"].own == "masked"
        assert found["span"].own is found["human"].own is None


def test_a_masked_model_writes_as_fill_steps_fills(team: Team) -> None:
    found = mlm_viz.write(ENGLISH, models(team), words=4, temperature=0.9, top_p=0.8, seed=3)
    for order in ORDERS:
        steps = mlm_viz.fill_steps(
            ENGLISH + " [MASK]" * 4,
            team.masked.model,
            order=order,
            temperature=0.9,
            top_p=0.8,
            seed=3,
            rounds=GIBBS_ROUNDS,
        )
        assert found[order].tokens == steps.words


def test_names_of_special_tokens_are_text_to_the_masked_writer_too(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    prompt, asked = "the cat [SEP] a ____ day [PAD] today", []
    real = analysis.fill_in_steps
    monkeypatch.setattr(analysis, "fill_in_steps", lambda *a, **k: asked.append(a) or real(*a, **k))
    mlm_viz.write(prompt, models(team), words=3, orders=("left_to_right",))
    ((_, sentence, masking, _),) = asked
    ids = team.masked.vocabulary.ids
    assert [sentence.ids.tolist().count(ids[name]) for name in ("[SEP]", "[PAD]", "[CLS]")] == [1, 0, 1]
    first = masking.positions[0]
    assert masking.positions == (first, first + 1, first + 2)
    gap = gap_of(prompt)
    row = team.masked.rows(gap, (), len(gap.right_words))[0]
    assert np.delete(sentence.ids, masking.positions).tolist() == np.delete(row.ids, row.slots).tolist()


def test_words_are_never_more_than_asked_for_and_end_whole(tiny_dir: DirOf, team: Team) -> None:
    for name in ("gpt2", "causal", "llama"):
        reader = as_reader(tiny_dir(name), "causal")
        for seed in range(4):
            for words in (1, 3, 6):
                given_ = {**models(team), "causal": reader}
                one = mlm_viz.write(ENGLISH, given_, words=words, temperature=1.5, seed=seed, orders=())["causal"]
                assert 1 <= len(one.words) <= words or (len(one.tokens) == 1 and not one.words)
                full = list(continue_from(reader, ENGLISH, tokens=60, temperature=1.5, top_p=0.9, seed=seed, least=1))
                assert one.tokens == tuple(reader.vocabulary.labels[t.id] for t in full[: len(one.tokens)])


def test_who_ends_a_text_has_it_said(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = team.causal.vocabulary.ids
    Planted(team.causal, [ids["good"], ids["##s"], ids["[SEP]"], *[ids["day"]] * 9], monkeypatch)
    *_, last = analysis._unjudged(gap_of(ENGLISH), team, Wishes(9, Sampling(0.0), ()), None)
    assert last["causal"].text == " goods"
    assert last["causal"].ended
    assert len(last["causal"].tokens) == 2


def test_it_is_written_step_by_step(team: Team) -> None:
    wishes = Wishes(4, Sampling(1.0, 1.0, 1), ("left_to_right", "gibbs"))
    calls = team.masked.model.calls
    texts: dict[str, list[str]] = {}
    judged = []
    for writings in write_in_steps(gap_of(ENGLISH), team, wishes, reference="a good day"):
        for one in writings.written:
            texts.setdefault(one.writer, []).append(one.text)
            judged += [one.writer] if one.judged and one.writer not in judged else []
            assert not one.judged or one.finished
    assert judged == ["human", "causal", "span", "left_to_right", "gibbs"]
    for grown in texts.values():
        assert all(late.startswith(early) for early, late in itertools.pairwise(grown))
    assert team.masked.model.calls > calls


@pytest.mark.parametrize(
    ("prompt", "how", "said"),
    [
        ("a ____ and a ____", {}, "There are 2 gaps"),
        ("un____ing", {}, "splits a word"),
        (ENGLISH, {"words": 0}, "words is 0; it must be from 1 to 12"),
        (ENGLISH, {"words": 13}, "words is 13"),
        (ENGLISH, {"orders": ("backwards",)}, "order is 'backwards'"),
        ("the " * 70, {}, "reads at most 64"),
    ],
)
def test_what_cannot_be_written_is_one_sentence(team: Team, prompt: str, how: dict[str, Any], said: str) -> None:
    with pytest.raises(TextError, match=said):
        mlm_viz.write(prompt, models(team), **how)


def test_roles_and_kinds_are_checked(team: Team) -> None:
    with pytest.raises(ModelError, match="There is no role 'author'"):
        mlm_viz.write(ENGLISH, {"author": team.causal})
    with pytest.raises(ModelError, match="a left-to-right model is needed here"):
        mlm_viz.write(ENGLISH, {"causal": team.span, "span": team.span, "masked": team.masked})


def test_a_writer_named_again_is_its_own_judge(
    team: Team, tiny_dir: DirOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    causal, masked = tiny_dir("causal"), team.masked.model
    again = team_for({**models(team), "causal": causal, "causal_judge": str(causal), "masked_judge": masked})
    assert again.own(again.causal) == "causal"
    assert again.own(again.masked) == "masked"
    other = team_for({**models(team), "causal_judge": causal, "masked_judge": masked.with_silenced([(0, 0)])})
    assert other.own(other.causal) is other.own(other.masked) is None
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "causal").symlink_to(causal)
    monkeypatch.setenv("MLM_VIZ_DATA", str(tmp_path))
    loading._bundled.cache_clear()
    try:
        bundled = team_for({**models(team), "causal": None, "causal_judge": "causal"})
    finally:
        loading._bundled.cache_clear()
    assert bundled.own(bundled.causal) == "causal"


# --- judges ---------------------------------------------------------------------------------------------


def written(text: str, left: str = ENGLISH, right: str = "") -> Writing:
    return Writing("human", "", Gap(left, right), text, finished=True)


@torch.inference_mode()
def log2_prob(network: Any, ids: list[int], place: int, token: int) -> float:
    logits = network(input_ids=torch.tensor([ids])).logits[0, place].double()
    return float(torch.log_softmax(logits, -1)[token]) / math.log(2)


CASES = [
    written(" a good, unhappy day."),
    written("好，我们去公园。", CHINESE),
    written("s runs to", "the dog"),  # it may end a word that had begun
    written("walking", "we went ", " today."),
]


@pytest.mark.parametrize("name", ["causal", "gpt2", "llama"])
def test_the_causal_judge_is_a_loop_over_tokens(causal: Any, name: str) -> None:
    reader = causal(name)
    for one, found in zip(CASES, judge(reader, CASES), strict=True):
        until = one.whole[: len(one.whole) - len(one.gap.right)].rstrip()
        ids = reader.prompt(until).tolist()
        stops = reader.encoded(until, special=False).places[:, 1].tolist()
        bits = tokens = 0
        for place in range(1, len(ids)):
            number = place - (len(ids) - len(stops))
            if number >= 0 and stops[number] > len(one.gap.left.rstrip()):
                bits -= log2_prob(reader.network, ids[:place], place - 1, ids[place])
                tokens += 1
        assert found is not None
        assert (found.tokens, found.characters) == (tokens, len("".join(one.text.split())))
        assert found.bits == pytest.approx(bits, abs=1e-3)
        assert found.per_token == pytest.approx(bits / tokens)
        assert found.per_character == pytest.approx(bits / found.characters)


def test_the_masked_judge_masks_each_token_with_the_rest_of_its_word(team: Team) -> None:
    reader = team.masked
    for one, found in zip(CASES, judge(reader, CASES), strict=True):
        encoding = reader.speller.tokenizer(one.whole, return_offsets_mapping=True)
        ids, places, words = encoding["input_ids"], encoding["offset_mapping"], encoding.word_ids()
        begin, end = len(one.gap.left.rstrip()), len(one.whole) - len(one.gap.right)
        bits = 0.0
        for place, (start, stop) in enumerate(places):
            if words[place] is not None and stop > begin and start < end:
                row = [
                    reader.vocabulary.mask_id if words[i] == words[place] and i >= place else token
                    for i, token in enumerate(ids)
                ]
                bits -= log2_prob(reader.model.network, row, place, ids[place])
        assert found is not None
        assert found.bits == pytest.approx(bits, abs=1e-3)


def test_the_masked_judge_agrees_with_the_pseudo_log_likelihood(team: Team) -> None:
    one = written("the weather is nice, unhappy dog.", left="")
    whole = mlm_viz.pseudo_log_likelihood(one.whole, team.masked.model, within_word="left_to_right", progress=False)
    (found,) = judge(team.masked, [one])
    assert found is not None
    assert found.bits == pytest.approx(-whole.log2_probs.sum(), abs=1e-3)


def test_what_cannot_be_read_is_left_out(team: Team) -> None:
    for reader in (team.causal, team.masked):
        found = judge(reader, [written(""), written(" day" * 99), written(" day")])
        assert found[:2] == [None, None]
        assert found[2] is not None
        assert judge(reader, [written("")]) == [None]


def test_judges_may_be_others_than_the_writers(team: Team, tiny_dir: DirOf) -> None:
    found = mlm_viz.write(ENGLISH, {**models(team), "causal_judge": str(tiny_dir("gpt2"))}, words=3, orders=())
    assert found["causal"].own is None
    (alone,) = judge(as_reader(tiny_dir("gpt2"), "causal"), [found["causal"]])
    assert alone is not None
    assert found["causal"].judged["causal"].bits == pytest.approx(alone.bits, abs=1e-3)


@given(st.lists(st.sampled_from("abc"), max_size=5), st.lists(st.sampled_from("abc"), max_size=8))
def test_the_longest_repetition_is_that_of_a_brute_force(before: list[str], after: list[str]) -> None:
    words, first = [*before, *after], len(before)
    longest = 0
    for begin in range(first, len(words)):
        for end in range(begin + 1, len(words) + 1):
            if any(words[at : at + end - begin] == words[begin:end] for at in range(begin)):
                longest = max(longest, end - begin)
    assert longest_repetition(before, after) == longest


def test_distinct_pairs_are_counted() -> None:
    assert written("the cat. The cat. the cat").distinct == pytest.approx(3 / 7)  # the cat, cat ., . the
    assert math.isnan(written("cat").distinct)
    assert written("好好学习").distinct == 1
    assert split("Don't 学习!") == ("don't", "学", "习", "!")


# --- the test over prompts -----------------------------------------------------------------------------


def planted_test(writer_bits: np.ndarray, human_bits: np.ndarray) -> WritingTest:
    runs = []
    for mine, theirs in zip(writer_bits, human_bits, strict=True):
        gap = Gap("so", "")
        judged = [{"causal": Judged(float(bits), 2, 1)} for bits in (mine, theirs)]
        pair = (
            Writing("causal", "m", gap, " a b", finished=True, own="causal", judged=judged[0]),
            Writing("human", "", gap, " a b", finished=True, judged=judged[1]),
        )
        runs.append(Writings(gap, pair))
    return WritingTest(tuple(runs))


def test_intervals_hold_what_is_known() -> None:
    rng = np.random.default_rng(0)
    shift = rng.normal(5, 2, size=40)
    test = planted_test(shift + rng.normal(1, 0.1, size=40), shift)
    found = test.estimate("causal", "causal")
    values = test.values("causal", "causal")
    low, high = stats.t.interval(0.95, 39, values.mean(), stats.sem(values))
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == (pytest.approx(low, abs=0.12), pytest.approx(high, abs=0.12))
    more = test.difference("causal")  # on the same prompts: far surer than the two apart
    assert more.low < 1.0 < more.high
    assert more.high - more.low < 0.1 < found.high - found.low
    assert math.isnan(test.estimate("causal", "masked").value)


def test_halves_are_sentences_cut_between_words() -> None:
    for language in ("en", "zh"):
        pairs = halves(language)
        assert len(pairs) == len(set(pairs)) == 12
        known = mlm_viz.examples.sentences(language)
        for prompt, reference in pairs:
            assert prompt + reference in known
            assert abs(len(split(prompt)) - len(split(reference))) <= 1
            assert split(prompt + reference) == split(prompt) + split(reference)


def test_the_test_is_what_write_finds_prompt_by_prompt(team: Team) -> None:
    prompts, references = (
        [ENGLISH, "we went to", CHINESE, "我们去"],
        [" nice, a good day.", " the park.", "好，去公园", "公园。"],
    )
    test = mlm_viz.writing_test(prompts, references, models(team), seed=4)
    assert test.writers == ("causal", "span", "left_to_right", "confident", "gibbs", "human")
    assert test.languages == ("en", "zh")
    for number, run in enumerate(test.runs):
        alone = mlm_viz.write(
            prompts[number],
            models(team),
            reference=references[number],
            words=len(split(references[number])),
            seed=4 + number,
            orders=analysis.TEST_ORDERS,
        )
        for one, other in zip(run.written, alone.written, strict=True):
            assert one.text == other.text
            for name, verdict in one.judged.items():
                assert verdict.bits == pytest.approx(other.judged[name].bits, abs=1e-3)
    frame = test.to_frame()
    row = frame[(frame.language == "en") & (frame.writer == "span") & (frame.measure == "causal")].iloc[0]
    assert row.value == pytest.approx(np.mean([run["span"].judged["causal"].per_character for run in test.runs[:2]]))
    assert not row.own
    for wrong in ([ENGLISH], "two"):
        with pytest.raises(TextError, match="two prompts"):
            mlm_viz.writing_test(wrong, models=models(team))
    with pytest.raises(TextError, match="3 references"):
        mlm_viz.writing_test(prompts, references[:3], models(team))


def test_without_references_nothing_human_is_judged(team: Team) -> None:
    test = mlm_viz.writing_test([ENGLISH, CHINESE], models=models(team), words=2, orders=())
    assert test.writers == ("causal", "span")
    with pytest.raises(MlmVizError, match="nothing here by 'human'; there is something by: causal, span"):
        test.difference("causal")
    assert math.isnan(test.estimate("causal", "masked", "en").low)  # one prompt tells nothing of others


# --- the figure ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small_test(team: Team) -> WritingTest:
    prompts, references = [ENGLISH, "we went to", CHINESE, "我们去"], [" nice.", " the park.", "好，去", "公园。"]
    return mlm_viz.writing_test(prompts, references, models(team))


@pytest.mark.parametrize("dark", [False, True])
def test_dots_stand_where_the_numbers_are(small_test: WritingTest, dark: bool) -> None:
    figure = writing_dots(small_test, dark=dark)
    assert len(figure.data) == 2
    writers = small_test.writers
    for trace, name in zip(figure.data, ("causal", "masked"), strict=True):
        assert len(trace.x) == 2 * len(writers)
        for number, (value, high) in enumerate(zip(trace.x, trace.error_x.array, strict=True)):
            writer = writers[number % len(writers)]
            found = small_test.estimate(writer, name, ("en", "zh")[number // len(writers)])
            assert value == pytest.approx(found.value)
            assert value + high == pytest.approx(found.high)
            own = small_test.runs[0][writer].own == name
            assert trace.marker.symbol[number].endswith("-open") == own
    assert max(max(trace.x) for trace in figure.data) < figure.layout.xaxis.range[1]


def test_the_figure_as_text_has_all_numbers(small_test: WritingTest) -> None:
    said = writing_text(small_test)
    assert len(said.splitlines()) == 2 * len(small_test.writers)
    for writer in small_test.writers:
        for language in small_test.languages:
            assert f"{small_test.estimate(writer, 'masked', language).value:.2f}" in said


def test_a_test_with_one_prompt_of_a_language_can_be_drawn(team: Team) -> None:
    test = mlm_viz.writing_test([ENGLISH, CHINESE], models=models(team), words=2, orders=())
    assert all(width == 0 for trace in writing_dots(test).data for width in trace.error_x.array)


def test_readers_may_be_of_any_masked_family(tiny_dir: DirOf, team: Team) -> None:
    for name in ("modernbert", "xlm-roberta"):
        reader = as_reader(tiny_dir(name), "masked")
        assert isinstance(reader, MaskedReader)
        found = mlm_viz.write(CHINESE, {**models(team), "masked": reader}, words=3)
        assert all(np.isfinite(one.value("causal")) or not one.words for one in found.written)


def test_written_is_a_plain_record() -> None:
    assert Written(1, -2.0, ends=False)._fields == ("id", "log2_prob", "ends")
    assert tiny.LONG == 64  # the limit that the messages above name
