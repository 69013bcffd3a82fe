"""Influence against a loop of plain forward passes, and against a model of which it is known what matters to it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mlm_viz
from mlm_viz.analysis import prediction
from mlm_viz.analysis.contexts import _divergences, hiding
from mlm_viz.analysis.influence import influence_in_parts
from mlm_viz.analysis.watching import watch
from mlm_viz.errors import MlmVizError, ModelError, TextError, WordError
from mlm_viz.figures.influence import influence_bars, influence_shades, influence_text, shown_spans
from mlm_viz.influences import WAYS, Influence
from mlm_viz.masking import Masking
from mlm_viz.measures import js_divergence
from mlm_viz.model import Model
from tests.planted import planted_sentences, train_planted
from tests.tiny import TINY

ModelOf = Callable[[str], Model]
# A convolution over neighbouring tokens is no attention: no attention mask stops it.
ATTENTION_ONLY = [name for name in sorted(TINY) if name != "deberta-v2-conv"]


def additive_mask(model: Model, tokens: int, unseen: Iterable[int]) -> Any:
    """What transformers adds to the scores; of ModernBERT's two kinds of layers one sees its neighbours only."""
    lowest = torch.finfo(torch.float32).min
    mask = torch.zeros(1, 1, tokens, tokens)
    mask[..., list(unseen)] = lowest
    mask[:, :, list(unseen), :] = 0.0
    if model.network.config.model_type != "modernbert":
        return mask
    narrow, reach = mask.clone(), model.network.config.local_attention // 2
    for query in range(tokens):
        narrow[:, :, query, : max(0, query - reach)] = lowest
        narrow[:, :, query, query + reach + 1 :] = lowest
    return {"full_attention": mask, "sliding_attention": narrow}


@torch.inference_mode()
def plain_log2(model: Model, ids: Iterable[int], position: int, unseen: tuple[int, ...] = ()) -> np.ndarray:
    """(vocab,) log2 of the probabilities from one pass of the whole network over one row.

    To hide tokens it hands transformers an additive mask in which only their own queries see them.
    """
    row = torch.tensor([list(ids)])
    more = {"attention_mask": additive_mask(model, row.shape[1], unseen)} if unseen else {}
    logits = model.network(input_ids=row, **more).logits[0, position].double()
    return torch.log_softmax(logits, dim=-1).numpy() / math.log(2)


def taken_away(model: Model, ids: list[int], slot: int, span: tuple[int, ...], way: str) -> np.ndarray:
    """The distribution without the span, in the plainest way there is."""
    if way == "masked":
        return plain_log2(model, [model.vocabulary.mask_id if p in span else i for p, i in enumerate(ids)], slot)
    if way == "deleted":
        kept = [p for p in range(len(ids)) if p not in span]
        return plain_log2(model, [ids[p] for p in kept], kept.index(slot))
    return plain_log2(model, ids, slot, span)


def js_by_definition(p_logs: np.ndarray, q_logs: np.ndarray) -> float:
    p, q = 2.0**p_logs, 2.0**q_logs
    middle = (p + q) / 2
    return float((p * np.log2(p / middle) + q * np.log2(q / middle)).sum() / 2)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model to which one word of each sentence matters."""
    torch.set_num_threads(1)
    return mlm_viz.load(train_planted(tmp_path_factory.mktemp("planted")))


# --- ground truth -----------------------------------------------------------------------------------------------------


def test_the_planted_cue_comes_first_in_every_way(planted: Model) -> None:
    texts = planted_sentences(60, seed=1)
    first = {(way, measure): 0 for way in WAYS for measure in ("gain", "divergence")}
    right = 0
    for text, cue, answer in texts:
        found = mlm_viz.influence(text, planted, masked=[answer], progress=False)
        right += found.target.ids == (found.target.guess,)
        positions = [span[0] for span in found.spans]
        for row, way in enumerate(WAYS):
            first[way, "gain"] += positions[int(found.gains[row].argmax())] == cue
            first[way, "divergence"] += positions[int(found.divergences[row].argmax())] == cue
    assert right >= 0.95 * len(texts), "the model has not learned the grammar"
    assert min(first.values()) >= 0.95 * len(texts), first


def test_noise_next_to_the_cue_does_not_matter(planted: Model) -> None:
    text, cue, answer = planted_sentences(1, seed=2)[0]
    found = mlm_viz.influence(text, planted, masked=[answer])
    for way in WAYS:
        sizes = np.abs(found.by_token(way))
        assert sizes[cue] > 1.5
        assert np.nanmax(np.delete(sizes, cue)) < sizes[cue] / 4


@pytest.mark.parametrize("name", ATTENTION_ONLY)
def test_blocking_is_complete_in_all_layers(name: str, tiny_model: ModelOf) -> None:
    model = tiny_model(name)
    sentence = model.encode(TINY[name].text.format("____"))
    slot = sentence.blanks[0]
    for blocked in ([slot + 1], [slot - 1, slot + 2]):
        visible = np.ones((1, len(sentence)), dtype=bool)
        visible[0, blocked] = False
        changed = sentence.ids.copy()
        changed[blocked] = [i for i in model.vocabulary.ordinary_ids if i not in sentence.ids][-len(blocked) :]
        slots = np.array([[0, slot]])
        seen, other = (
            model.forward(ids[None], slots=slots, hidden=True, allowed=hiding(visible))
            for ids in (sentence.ids, changed)
        )
        assert np.abs(seen.log2_probs - other.log2_probs).max() < 1e-5
        assert np.abs(seen.hidden[0, :, slot] - other.hidden[0, :, slot]).max() < 1e-5
        open_to_all = [model.forward(ids[None], slots=slots).log2_probs for ids in (sentence.ids, changed)]
        assert np.abs(open_to_all[0] - open_to_all[1]).max() > 1e-3  # it does matter where it is not blocked


def test_a_convolution_is_said_to_go_past_blocking(tiny_model: ModelOf) -> None:
    text = TINY["deberta-v2-conv"].text.format("____")
    leaky = mlm_viz.influence(text, tiny_model("deberta-v2-conv"))
    assert not leaky.complete
    assert mlm_viz.influence(text, tiny_model("deberta-v2")).complete
    assert "convolution" in influence_text(leaky)


# --- the same numbers another way ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bert", "the cats play in ____ today!"),
        ("roberta", "the capital of ____ is paris"),
        ("xlm-roberta", "今天天气很____，我们去公园。"),
        ("distilbert", "the ____ runs , un good ."),
        ("albert", "a very good ____ in new york"),
        ("electra", "____ cats play"),
        ("modernbert", "we went to the ____ in london today"),
        ("smiles", "CC(=O)Oc1____cc1"),
    ],
)
@pytest.mark.parametrize("spans", [None, "words"])
def test_influence_is_a_loop_over_the_spans(name: str, text: str, spans: str | None, tiny_model: ModelOf) -> None:
    model = tiny_model(name)
    found = mlm_viz.influence(text, model, spans=spans)
    sentence, slot = found.target.sentence, found.target.position
    ids = sentence.ids.tolist()
    before = plain_log2(model, ids, slot)
    assert found.target.ids == (before.argmax(),)
    assert found.target.log2_prob == pytest.approx(before.max(), abs=1e-4)
    own = [p for p in range(len(ids)) if not sentence.special[p] and p != slot]
    assert sorted(p for span in found.spans for p in span) == own
    for row, way in enumerate(WAYS):
        for column, span in enumerate(found.spans):
            after = taken_away(model, ids, slot, span, way)
            assert found.log2_probs[row, column] == pytest.approx(after[found.target.ids[0]], abs=2e-4)
            assert found.divergences[row, column] == pytest.approx(js_by_definition(before, after), abs=1e-5)
            assert after[found.guesses[row, column]] == pytest.approx(after.max(), abs=1e-4)


def test_words_are_whole_and_the_slot_cuts_its_own(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    words = mlm_viz.influence("the cats play ____ un good", model, spans="words")
    assert words.spans == ((1,), (2, 3), (4,), (6,), (7,))
    assert words.labels == ("the", "cats", "play", "un", "good")
    cut = mlm_viz.influence("the playings good", model, masked=[3], spans="words")  # play ##ing ##s
    assert cut.spans == ((1,), (2,), (4,), (5,))


def test_spans_by_place_and_by_word(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    text = "the cats in new york ____ today"
    found = mlm_viz.influence(text, model, spans=[("new", "york"), (5, 6), ["cats", 8]])
    assert found.spans == ((5, 6), (5, 6), (2, 3, 8))
    assert found.labels == ("new york", "new york", "cats … today")
    np.testing.assert_allclose(found.gains[:, 0], found.gains[:, 1], atol=1e-5)
    ids = found.target.sentence.ids.tolist()
    for row, way in enumerate(WAYS):
        after = taken_away(model, ids, found.target.position, (2, 3, 8), way)
        assert found.log2_probs[row, 2] == pytest.approx(after[found.target.ids[0]], abs=2e-4)
    np.testing.assert_array_equal(found.by_token("masked")[[5, 6]], found.gains[0, 0])
    assert np.isnan(found.by_token("masked")[[0, 1, 7]]).all()


def test_chinese_characters_one_by_one_and_together(tiny_model: ModelOf) -> None:
    found = mlm_viz.influence("今天天气很____，我们去公园。", tiny_model("bert"), spans=[(1, 2), (3, 4), ("公", "园")])
    assert found.labels == ("今天", "天气", "公园")
    assert np.isfinite(found.gains).all()


@pytest.mark.parametrize("word", ["cats", "playings"])
def test_a_target_of_several_pieces_is_scored_by_the_chain_rule(word: str, tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    text = "the big ____ runs today"
    found = mlm_viz.influence(text, model, target=word)
    pieces = model.spell(word, spaced=True)
    assert found.target.ids == pieces
    assert found.target.log2_prob == pytest.approx(mlm_viz.predict(text, model).score(word).log2_prob, abs=1e-4)
    masked = mlm_viz.predict("the [MASK] ____ runs today", model).score(word, slot=1).log2_prob
    deleted = mlm_viz.predict("the ____ runs today", model).score(word).log2_prob
    place = found.labels.index("big")
    np.testing.assert_allclose(found.log2_probs[:2, place], [masked, deleted], atol=1e-4)
    ids, slot = found.target.sentence.ids.tolist(), found.target.position
    blocked = 0.0
    for index, piece in enumerate(pieces):
        written = [*pieces[:index], *[model.vocabulary.mask_id] * (len(pieces) - index)]
        row = [*ids[:slot], *written, *ids[slot + 1 :]]
        blocked += plain_log2(model, row, slot + index, (2,))[piece]
    assert found.log2_probs[2, place] == pytest.approx(blocked, abs=1e-4)


def test_the_target_is_the_original_or_the_best_guess_or_the_word_asked_for(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    original = mlm_viz.influence("the cat runs", model, masked=["cat"]).target
    assert (original.kind, original.word, original.ids) == ("original", "cat", (model.vocabulary.ids["cat"],))
    guess = mlm_viz.influence("the ____ runs", model).target
    best = mlm_viz.predict("the ____ runs", model)[0].best(1)
    assert (guess.kind, guess.ids, (guess.guess,)) == ("guess", tuple(best), tuple(best))
    asked = mlm_viz.influence("the ____ runs", model, target="Dog").target
    assert (asked.kind, asked.word, asked.ids) == ("word", "Dog", (model.vocabulary.ids["dog"],))
    assert asked.probability == pytest.approx(mlm_viz.predict("the ____ runs", model).probability("dog"), rel=1e-4)


def test_a_mask_is_not_changed_by_masking_it_and_replaced_tokens_are_what_is_read(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    dog = model.vocabulary.ids["dog"]
    mask = model.vocabulary.mask_id
    masking = Masking((2, 3, 5), ("masked", "replaced", "masked"), (mask, dog, mask))
    found = mlm_viz.influence("the cat runs in london", model, masked=masking, slot=0)
    assert found.labels == ("the", "dog", "in", "[MASK]")
    assert found.gains[0, 3] == pytest.approx(0, abs=1e-5)
    assert found.divergences[0, 3] == pytest.approx(0, abs=1e-5)
    assert abs(found.gains[1, 3]) > 1e-3
    replaced = mlm_viz.influence("the cat runs in london", model, masked=masking, slot=1)
    assert replaced.target.word == "runs"
    after = taken_away(model, masking.apply(found.target.sentence.ids).tolist(), 3, (1,), "deleted")
    assert replaced.log2_probs[1, 0] == pytest.approx(after[model.vocabulary.ids["runs"]], abs=2e-4)


def test_silenced_heads_stay_silent(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    quiet = [(0, 1), (2, 3)]
    *_, found = influence_in_parts(watch("the ____ runs today", model, silenced=quiet), ways=["masked"])
    ids = model.encode("the ____ [MASK] today").ids
    seen = model.forward(ids[None], slots=np.array([[0, 2]]), silenced=quiet).log2_probs[0]
    assert found.log2_probs[0, 1] == pytest.approx(seen[found.target.ids[0]], abs=1e-4)
    with pytest.raises(ModelError, match="no head"):
        watch("the ____ runs", model, silenced=[(9, 0)])


def test_divergence_is_the_one_that_is_measured_elsewhere() -> None:
    rng = np.random.default_rng(0)
    for scale in (0.1, 5.0, 60.0):
        logits = rng.normal(size=(2, 300)) * scale
        rows = (logits - np.logaddexp2.reduce(logits, axis=1, keepdims=True)).astype(np.float32)
        expected = js_divergence(rows[:1], rows)
        np.testing.assert_allclose(_divergences(rows[0], rows), expected, atol=1e-9)
    with np.errstate(divide="ignore"):
        certain = np.log2(np.array([[1, 0], [0, 1]], dtype=np.float32))
    assert _divergences(certain[0], certain) == [0, pytest.approx(1)]


# --- piece by piece -----------------------------------------------------------------------------------------------------


def test_batches_do_not_change_the_numbers(tiny_model: ModelOf, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("bert")
    text = "the cats play in ____ today , a good day !"
    before = model.calls
    whole = mlm_viz.influence(text, model)
    assert model.calls - before == 3  # masked, deleted and blocked
    monkeypatch.setattr(prediction, "TOKENS_A_BATCH", 40)
    parts = list(influence_in_parts(watch(text, model)))
    assert len(parts) > 6
    known = [int(np.isfinite(part.gains).sum()) for part in parts]
    assert known == sorted(known)
    assert known[-1] == whole.gains.size
    np.testing.assert_allclose(parts[-1].log2_probs, whole.log2_probs, atol=1e-4)
    assert parts[0].target.log2_prob == pytest.approx(whole.target.log2_prob, abs=1e-4)
    for part in (parts[0], parts[-1]):  # what is drawn while more is to come
        influence_bars(part)
        influence_text(part)
        influence_shades(part, "blocked")
        part.to_frame()


def test_only_the_ways_asked_for(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    before = model.calls
    found = mlm_viz.influence("the cat ____ today", model, ways=["deleted"])
    assert found.ways == ("deleted",)
    assert found.gains.shape == (1, 3)
    assert model.calls - before == 2  # the whole text is of another length
    with pytest.raises(MlmVizError, match="masked.*deleted"):
        found.row("masked")
    with pytest.raises(MlmVizError, match="at least one of masked, deleted, blocked"):
        mlm_viz.influence("the cat ____", model, ways=["shuffled"])


def test_table(tiny_model: ModelOf) -> None:
    found = mlm_viz.influence("the cat ____ today", tiny_model("bert"))
    table = found.to_frame()
    assert table.columns.tolist() == ["way", "span", "positions", "gain", "probability", "divergence", "guess"]
    assert table["way"].tolist() == [way for way in WAYS for _ in range(3)]
    assert table["span"].tolist()[:3] == ["the", "cat", "today"]
    gains = found.target.log2_prob - np.log2(table["probability"])
    np.testing.assert_allclose(table["gain"], gains, atol=1e-9)


# --- what cannot be done ------------------------------------------------------------------------------------------------


def test_refusals_are_one_clear_sentence(tiny_model: ModelOf) -> None:
    model = tiny_model("bert")
    with pytest.raises(TextError, match="nothing around the slot"):
        mlm_viz.influence("____", model)
    with pytest.raises(TextError, match="no slot"):
        mlm_viz.influence("the cat", model)
    with pytest.raises(WordError, match="2 slots: say which one"):
        mlm_viz.influence("the ____ ____", model)
    with pytest.raises(WordError, match="2 slots"):
        mlm_viz.influence("the ____ ____", model, slot=2)
    with pytest.raises(WordError, match="cannot spell"):
        mlm_viz.influence("the ____ runs", model, target="2024")
    for spans in ([], [()], [(1, 2)], ["the", (2,)]):
        with pytest.raises(TextError, match="position 2"):
            mlm_viz.influence("the ____ runs", model, spans=spans)
    with pytest.raises(TextError, match="cannot be masked"):
        mlm_viz.influence("the ____ runs", model, spans=[(0,)])
    with pytest.raises(WordError, match="does not stand"):
        mlm_viz.influence("the ____ runs", model, spans=["cat"])
    with pytest.raises(TextError, match="'words'"):
        mlm_viz.influence("the ____ runs", model, spans="sentences")
    full = " ".join(["the"] * (model.limit - 3)) + " ____"
    with pytest.raises(TextError, match=f"at most {model.limit}"):
        mlm_viz.influence(full, model, target="cats")


def test_two_tokens_are_enough(tiny_model: ModelOf) -> None:
    found = mlm_viz.influence("____ runs", tiny_model("bert"))
    assert found.spans == ((2,),)
    assert np.isfinite(found.gains).all()


# --- pictures -----------------------------------------------------------------------------------------------------------


def known(gains: Iterable[Iterable[float]], words: str = "the cat sat on the mat") -> Influence:
    """Numbers by hand around a slot at the end."""
    import mlm_viz.influences as records
    from mlm_viz.tokens import Sentence, Vocabulary

    labels = ("[CLS]", *words.split(), "[MASK]", "[SEP]")
    count = len(labels)
    special = np.array([label in {"[CLS]", "[SEP]"} for label in labels])
    no = np.zeros(count, dtype=bool)
    numbers = np.where(special, -1, np.arange(count) - 1)
    sentence = Sentence(" ".join(labels), np.arange(count), labels, labels, numbers, special, no, no)
    vocabulary = Vocabulary(("yes", "no"), ("yes", "no"), None, None, frozenset())
    target = records.Target(sentence, labels, count - 2, "yes", "guess", (0,), -1.0, 0, -1.0, vocabulary, "tiny")
    table = np.array(list(gains), dtype=float)
    spans = tuple((p,) for p in range(1, 1 + table.shape[1]))
    zeros = np.zeros(table.shape, dtype=int)
    return Influence(target, spans, WAYS[: len(table)], -1.0 - table, np.full(table.shape, 0.25), zeros, complete=True)


GAINS = [[0.1, 3.0, -0.5, 0.0, 0.2, 1.0], [0.0, 2.0, 0.9, -1.5, 0.1, 0.8], [0.05, 2.5, -0.25, 0.004, 0.0, 0.8]]


def test_bars_are_signed_and_the_ways_stand_side_by_side() -> None:
    figure = influence_bars(known(GAINS), k=6)
    assert len(figure.data) == 12
    for row, way in enumerate(WAYS):
        up, down, values, _ = figure.data[4 * row : 4 * row + 4]
        shown = dict(zip(up.y, up.x, strict=True)) | dict(zip(down.y, down.x, strict=True))
        np.testing.assert_allclose([shown[place] for place in range(6)], GAINS[row])
        assert all(x >= 0 for x in up.x)
        assert all(x < 0 for x in down.x)
        assert up.marker.pattern.shape != down.marker.pattern.shape  # not by colour alone
        assert values.text[1].strip() == f"+{GAINS[row][1]:.1f}"
        axis = figure.layout[f"xaxis{row + 1}" if row else "xaxis"]
        assert axis.range[0] == -axis.range[1] == figure.layout.xaxis.range[0]
        assert any(f"<b>{way}</b>" == note.text for note in figure.layout.annotations)
    domains = [figure.layout[name].domain for name in ("xaxis", "xaxis2", "xaxis3")]
    assert domains[0][1] < domains[1][0] < domains[1][1] < domains[2][0]
    assert sum(trace.showlegend for trace in figure.data) == 2
    foot = figure.layout.annotations[-1].text.replace("<br>", " ")
    assert "disagree because" in foot
    assert foot.count(".") == 1  # one sentence


def test_the_strongest_spans_are_shown_in_reading_order() -> None:
    found = known(GAINS)
    assert shown_spans(found, 3) == [1, 3, 5]
    figure = influence_bars(found, k=3)
    assert list(figure.layout.yaxis.ticktext) == ["cat", "on", "mat"]
    assert influence_bars(known([[0.0]], "the"), k=3).layout.height == figure.layout.height
    with pytest.raises(ValueError, match="at least 1"):
        influence_bars(found, k=0)


def test_text_form_says_what_the_bars_show() -> None:
    lines = influence_text(known(GAINS), 2).splitlines()
    assert lines[1] == "cat (token 3): masked +3.0, deleted +2.0, blocked +2.5"
    assert lines[2] == "on (token 5): masked ±0.00, deleted −1.5, blocked ±0.00"
    assert "disagree" in lines[-1]


def test_shades_have_size_sign_and_a_unit() -> None:
    shades = influence_shades(known(GAINS), "masked")
    np.testing.assert_allclose(shades.amounts, [0, 0.1 / 3, 1, 0.5 / 3, 0, 0.2 / 3, 1 / 3, 0, 0])
    assert shades.signs == (0, 1, 1, -1, 0, 1, 1, 0, 0)
    assert shades.labels == ("", "+0.10", "+3.0", "−0.50", "±0.00", "+0.20", "+1.0", "", "")
    assert "masked" in shades.title
    assert "3.0 bits" in shades.title
    faint = influence_shades(known([[0.01, -0.02, 0.0, 0.0, 0.0, 0.0]]), "masked")
    assert max(faint.amounts) == pytest.approx(0.02)  # what is next to nothing is not drawn as if it mattered


def test_words_that_look_like_markup_stay_words() -> None:
    found = known(GAINS, '<b>x</b> <img/src=x> a b "c" $d$')
    target = replace(found.target, word="<script>")
    for dark in (False, True):
        text = str(influence_bars(replace(found, target=target), dark=dark).to_plotly_json())
        assert re.search(r"<(img|script|b>x)", text) is None


def test_the_folder_of_a_trained_model_is_as_any_other(planted: Model) -> None:
    assert Path(planted.name).name == planted.name
    assert planted.family.name == "BERT"
