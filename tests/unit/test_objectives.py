"""The three objectives: what each may see, what it learns from, whether it learns, and whether others can load it."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file

import mlm_viz
from mlm_viz import cli, loading
from mlm_viz.errors import ModelError
from mlm_viz.loading import kind_of, load_network
from mlm_viz.training import Callback, FilmRecorder, Settings, TrainingError, evaluate, loop, train
from mlm_viz.training.metrics import read_metrics
from mlm_viz.training.objectives import OBJECTIVES, Batch, CutSpans, NextTokens, Pieces, Tensors, batch
from mlm_viz.training.objectives.spans import _even_out, choose_spans
from mlm_viz.training.optimizer import _between_layers, make_optimizer
from mlm_viz.training.schedule import Phase
from mlm_viz.training.vocabulary import END, PAD, SPECIAL, START, UNKNOWN
from tests import tiny
from tests.story import story_lines

ALL = ("masked", "causal", "span")
CPU = torch.device("cpu")
PHASE = Phase(limit=64, mask_rate=0.15)
PIECES = Pieces(100, np.arange(100) >= 80, 32)
SMALL = Settings(layers=2, width=32, heads=2, limit=64, short=8)
TINY = {"layers": 2, "width": 32, "heads": 2, "vocab": 200, "limit": 32, "short": 16, "batch_tokens": 256}
TINY |= {"rate": 0.02, "device": "cpu", "precision": "fp32", "dtype": "fp32"}
AUTO = {"masked": hf.AutoModelForMaskedLM, "causal": hf.AutoModelForCausalLM, "span": hf.AutoModelForSeq2SeqLM}
ROOT = Path(__file__).resolve().parents[2]


pytestmark = pytest.mark.usefixtures("one_thread")


def network_of(objective: str, settings: Settings = SMALL, vocabulary: int = 132) -> Any:
    torch.manual_seed(0)
    return OBJECTIVES[objective](settings).new_model(settings, vocabulary).eval()


def size_of(objective: str, settings: Settings, vocabulary: int) -> int:
    """How many weights a network has; none of them is made."""
    with torch.device("meta"):
        return sum(weight.numel() for weight in network_of(objective, settings, vocabulary).parameters())


def rows_of(lengths: list[int], seed: int = 0, unknown: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rows = np.random.default_rng(seed).integers(len(SPECIAL), PIECES.size, size=(len(lengths), max(lengths)))
    rows[:, 0] = START
    if unknown:
        rows[:, 3] = UNKNOWN
    for row, length in zip(rows, lengths, strict=True):
        row[length - 1], row[length:] = END, PAD
    return rows, np.array(lengths)


def batch_of(objective: str, lengths: list[int], seed: int = 0, **kind: Any) -> Batch:
    rows, sizes = rows_of(lengths, seed, **kind)
    return OBJECTIVES[objective](SMALL).make_batch(rows, sizes, PIECES, PHASE, np.random.default_rng(seed))


# --- what may be seen ---------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["modernbert", "bert"])
def test_what_comes_later_changes_the_masked_model_only(family: str) -> None:
    settings = Settings(layers=2, width=32, heads=2, limit=64, short=8, family=family)
    ids = torch.tensor(rows_of([20, 20])[0])
    later = ids.clone()
    later[:, 9:-1] = torch.tensor(rows_of([20, 20], seed=1)[0])[:, 9:-1]
    moved = {}
    for objective in ("masked", "causal"):
        network = network_of(objective, settings)
        for weight in network.parameters():
            if weight.ndim > 1:
                torch.nn.init.normal_(weight, std=0.2)  # fresh weights would hardly let anything through
        with torch.no_grad():
            one, two = (network(input_ids=given).logits.log_softmax(-1) for given in (ids, later))
        moved[objective] = (one - two)[:, :9].abs().amax().item()
    assert moved["causal"] < 1e-5
    assert moved["masked"] > 0.1


@pytest.mark.parametrize("family", ["modernbert", "bert"])
def test_the_causal_model_has_the_weights_of_the_masked_one(family: str) -> None:
    settings = Settings(layers=2, width=32, heads=2, limit=64, short=8, family=family)
    masked, causal = (network_of(objective, settings, 100) for objective in ("masked", "causal"))
    assert sum(w.numel() for w in masked.parameters()) == sum(w.numel() for w in causal.parameters())


def test_the_three_models_of_the_default_size_are_equally_large() -> None:
    settings = Settings(layers=4, width=256, heads=4)
    counts = {}
    for objective in ALL:
        sentinels = OBJECTIVES[objective](settings).sentinels
        counts[objective] = size_of(objective, settings, 16_000 + sentinels)
    assert max(counts.values()) / min(counts.values()) < 1.15
    assert counts["causal"] == counts["masked"]
    assert counts["span"] == pytest.approx(counts["masked"], rel=0.02)


@pytest.mark.parametrize(("layers", "width", "heads"), [(2, 128, 2), (3, 192, 3), (6, 384, 6), (5, 256, 4)])
def test_the_layers_of_the_span_model_hold_as_many_weights(layers: int, width: int, heads: int) -> None:
    settings = Settings(layers=layers, width=width, heads=heads)
    sizes = [size_of(objective, settings, 10) for objective in ALL]
    assert max(sizes) / min(sizes) < 1.1


# --- the loss -----------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["modernbert", "bert"])
def test_the_causal_loss_is_that_of_transformers(family: str) -> None:
    network = network_of("causal", Settings(layers=2, width=32, heads=2, limit=64, short=8, family=family))
    made = batch_of("causal", [30, 30, 28, 20, 9], unknown=True)
    labels = torch.tensor(made.ids)
    labels[(labels == PAD) | (labels == UNKNOWN)] = -100
    allowed = torch.tensor(made.ids != PAD).long()
    expected = network(input_ids=torch.tensor(made.ids), attention_mask=allowed, labels=labels).loss
    found = NextTokens().loss(network, Tensors.of(made, CPU))
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    found.backward()
    assert all(weight.grad is not None for weight in network.parameters())


def test_the_span_loss_is_that_of_transformers() -> None:
    network = network_of("span")
    made = batch_of("span", [30, 30, 28, 20, 9], unknown=True)
    assert made.written is not None
    labels = np.full(made.written.shape, -100)
    labels.ravel()[made.slots] = made.targets
    allowed = torch.tensor(made.ids != PAD).long()
    expected = network(
        input_ids=torch.tensor(made.ids),
        attention_mask=allowed,
        decoder_input_ids=torch.tensor(made.written),
        labels=torch.tensor(labels),
    ).loss
    found = CutSpans().loss(network, Tensors.of(made, CPU))
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    found.backward()
    assert all(weight.grad is not None for weight in network.parameters())
    # Without an unknown token transformers' own way from labels to what is written is the same.
    made = batch_of("span", [30, 28, 20])
    labels = np.full(made.written.shape, -100)
    labels.ravel()[made.slots] = made.targets
    shifted = network._shift_right(torch.tensor(labels)).numpy()
    assert (shifted == made.written)[labels != -100].all()


@pytest.mark.parametrize("objective", ALL)
def test_a_loss_in_parts_is_the_same_and_so_are_its_gradients(objective: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = batch_of(objective, [60] * 30)
    assert len(made.slots) > 128
    losses, gradients = [], []
    for most in (2**28, 132 * 64):
        monkeypatch.setattr(batch, "_LOGITS", most)
        network = network_of(objective)
        loss = OBJECTIVES[objective](SMALL).loss(network, Tensors.of(made, CPU))
        loss.backward()
        losses.append(loss.item())
        gradients.append(torch.cat([weight.grad.ravel() for weight in network.parameters()]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert torch.allclose(*gradients, atol=1e-7)


def test_fresh_guesses_are_those_of_a_fresh_t5_on_smaller_weights() -> None:
    torch.manual_seed(0)
    config = network_of("span").config
    network = hf.T5ForConditionalGeneration(config).eval()
    made = batch_of("span", [30, 28])
    given = {"input_ids": torch.tensor(made.ids), "decoder_input_ids": torch.tensor(made.written)}
    with torch.no_grad():
        before = network(**given).logits
        assert network.shared.weight.std().item() == pytest.approx(1.0, rel=0.1)
        _even_out(network)
        assert torch.allclose(network(**given).logits, before, atol=1e-3)
    assert network.shared.weight.std().item() == pytest.approx(32**-0.5, rel=0.1)


# --- spans --------------------------------------------------------------------------------------


def rebuilt(ids: np.ndarray, answer: np.ndarray) -> list[int]:
    """The text that an input and an answer stand for, by a plain loop."""
    spans: dict[int, list[int]] = {}
    for token in answer:
        if token == END:
            break
        if token >= PIECES.size:
            spans[last := int(token)] = []
        else:
            spans[last].append(int(token))
    assert list(spans) == list(range(PIECES.size, PIECES.size + len(spans)))  # in order, none left out
    assert all(spans.values())
    text: list[int] = []
    for token in ids[ids != PAD]:
        text += spans.pop(int(token)) if token >= PIECES.size else [int(token)]
    assert not spans
    return text


def test_inputs_and_answers_make_the_text_again() -> None:
    rng = np.random.default_rng(3)
    for seed in range(60):
        lengths = rng.integers(3, 60, size=12).tolist()
        rows, sizes = rows_of(lengths, seed)
        objective = CutSpans(rate=float(rng.choice([0.05, 0.15, 0.5, 0.9])), length=float(rng.choice([1, 3, 8])))
        made = objective.make_batch(rows, sizes, PIECES, PHASE, rng)
        answer = np.full(made.written.shape, PAD)
        answer.ravel()[made.slots] = made.targets
        for row, length, ids, written, wanted in zip(rows, lengths, made.ids, made.written, answer, strict=True):
            assert rebuilt(ids, wanted) == row[:length].tolist()
            assert written[0] == START
            assert written[1:][wanted[1:] != PAD].tolist() == wanted[:-1][wanted[1:] != PAD].tolist()
        read = (made.ids != PAD).sum(axis=1)
        assert made.allowed is None or (made.allowed.sum(axis=1) == read).all()
        assert made.tokens == sum(lengths)
        assert made.text == sum(lengths) - 2 * len(lengths)
        assert made.learned == (made.targets >= len(SPECIAL)).sum() - (made.targets >= PIECES.size).sum()


@pytest.mark.parametrize(("rate", "length"), [(0.15, 3.0), (0.3, 3.0), (0.15, 1.5)])
def test_the_share_cut_out_and_the_mean_span_are_as_asked(rate: float, length: float) -> None:
    sizes = np.random.default_rng(1).integers(40, 63, size=4000)
    row, _, size = choose_spans(sizes, rate, length, 32, np.random.default_rng(2))
    assert size.sum() / sizes.sum() == pytest.approx(rate, rel=0.02)
    assert size.mean() == pytest.approx(length, rel=0.03)
    assert (np.bincount(row, minlength=len(sizes)) >= 1).all()


def test_every_token_is_cut_out_about_equally_often() -> None:
    sizes = np.full(20_000, 12)
    row, start, size = choose_spans(sizes, 0.25, 1.5, 32, np.random.default_rng(2))
    cut = np.zeros((len(sizes), 12), dtype=int)
    for r, s, n in zip(row, start, size, strict=True):
        cut[r, s : s + n] += 1
    assert cut.max() == 1
    # Two spans keep a token between them, so the ends are hit a little more often; the first and last alike.
    assert cut.mean(axis=0) == pytest.approx(np.full(12, 0.25), rel=0.25)
    assert cut.mean(axis=0) == pytest.approx(cut.mean(axis=0)[::-1], rel=0.06)


def test_spans_never_touch_and_never_outnumber_the_sentinels() -> None:
    sizes = np.random.default_rng(1).integers(1, 50, size=2000)
    for rate, length, most in ((0.9, 1.0, 4), (0.5, 1.0, 32), (0.15, 3.0, 1)):
        row, start, size = choose_spans(sizes, rate, length, most, np.random.default_rng(3))
        same = row[1:] == row[:-1]
        assert (start[1:] > start[:-1] + size[:-1])[same].all()
        assert (start + size <= sizes[row]).all()
        assert np.bincount(row).max() <= most
        assert len(np.unique(row)) == len(sizes)


def test_a_row_of_one_token_is_cut_out_whole() -> None:
    made = batch_of("span", [3])
    assert made.ids.tolist() == [[START, PIECES.size, END, PAD]]
    assert made.written[0, :2].tolist() == [START, PIECES.size]
    assert made.targets[[0, -1]].tolist() == [PIECES.size, END]


def test_there_are_sentinels_enough_for_the_longest_input() -> None:
    assert CutSpans.from_settings(Settings()).sentinels == 32
    assert CutSpans.from_settings(Settings(limit=2048)).sentinels == 128
    assert CutSpans.from_settings(Settings(span_length=1)).sentinels == 64


# --- what is learned from -----------------------------------------------------------------------


def test_shares_of_the_text_that_are_targets() -> None:
    shares = {}
    for objective in ALL:
        made = batch_of(objective, [50] * 60)
        assert (made.tokens, made.text) == (3000, 2880)
        shares[objective] = made.learned / made.text
    assert shares["causal"] == 1
    assert shares["masked"] == pytest.approx(0.15, abs=0.03)
    assert shares["span"] == pytest.approx(0.15, abs=0.01)


def test_the_next_token_is_the_target_everywhere() -> None:
    made = batch_of("causal", [9, 6], unknown=True)
    row, place = np.divmod(made.slots, made.ids.shape[1])
    assert made.ids[row, place + 1].tolist() == made.targets.tolist()
    assert len(made.targets) == 8 + 5 - 2  # an unknown token in each row
    assert made.targets.tolist().count(END) == 2
    assert UNKNOWN not in made.targets
    assert PAD not in made.targets


# --- optimizers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("objective", ALL)
def test_muon_turns_the_matrices_of_both_halves_and_no_table(objective: str) -> None:
    network = network_of(objective)
    names = {id(weight): name for name, weight in network.named_parameters()}
    turned = [names[id(weight)] for weight in _between_layers(network)]
    # Of the masked model queries, keys and values are one matrix, and so are the two of a gate.
    attention, gated = {"masked": (2, 2), "causal": (4, 2), "span": (4, 3)}[objective]
    expected = 2 * (attention + gated) + (attention if objective == "span" else 0)
    assert len(turned) == len(set(turned)) == expected
    assert not any("embed" in name or "shared" in name or "bias" in name for name in turned)
    every = [w for group in make_optimizer(network, SMALL, CPU).param_groups for w in group["params"]]
    assert sorted(map(id, every)) == sorted(map(id, network.parameters()))


# --- whole trainings ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "story.txt"
    path.write_text("\n".join(story_lines()), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(text: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "_LOG_SECONDS", 0.0)  # a line of metrics for every step, on any machine
        patch.setattr(loop, "_LOG_SHARE", 0.0)
        for objective in ALL:
            done = train(text, root / objective, objective=objective, steps=60, seed=1, progress=False, **TINY)
            assert done.finished
    return {objective: root / objective for objective in ALL}


@pytest.mark.parametrize("objective", ALL)
def test_the_held_out_loss_falls_and_the_metrics_tell_the_share(objective: str, trained: dict[str, Path]) -> None:
    lines = read_metrics(trained[objective] / "metrics.jsonl")
    held = [line["held_out_bits"]["story"] for line in lines if "held_out_bits" in line]
    vocabulary = json.loads((trained[objective] / "config.json").read_text())["vocab_size"]
    assert held[0] == pytest.approx(np.log2(vocabulary), abs=1.5)
    assert held[-1] < held[0] - 1
    losses = [line for line in lines if "loss_bits" in line]
    shares = np.array([line["targets_per_token"] for line in losses])
    assert len(shares) == 60
    # The masked share falls from 0.3 to 0.15; in one batch of some 200 tokens it may be a third more or less.
    low, mean, high = {"masked": (0.1, 0.23, 0.45), "causal": (1, 1, 1), "span": (0.1, 0.15, 0.22)}[objective]
    assert low <= shares.min() <= shares.max() <= high
    assert shares.mean() == pytest.approx(mean, abs=0.02)
    assert ("mask_rate" in losses[-1]) == (objective == "masked")
    card = json.loads((trained[objective] / "training.json").read_text())
    assert card["objective"] == card["settings"]["objective"] == objective
    assert card["held_out_bits"] == {"story": held[-1]}
    assert card["targets_per_token"] == pytest.approx(shares.mean(), abs=0.005)


def test_all_three_read_the_same_text_and_spell_it_alike(trained: dict[str, Path]) -> None:
    cards = {name: json.loads((folder / "training.json").read_text()) for name, folder in trained.items()}
    assert len({card["tokens"] for card in cards.values()}) == 1
    tokenizers = {name: hf.AutoTokenizer.from_pretrained(folder) for name, folder in trained.items()}
    masked, causal, span = (tokenizers[name].get_vocab() for name in ALL)
    assert masked == causal == {piece: index for piece, index in span.items() if index < len(masked)}
    assert [tokenizers["span"].convert_tokens_to_ids(f"<extra_id_{n}>") for n in (0, 31)] == [
        len(masked),
        len(masked) + 31,
    ]
    line = "the cat sat on <extra_id_0> 今天"
    ids = tokenizers["span"](line)["input_ids"]
    assert ids.count(len(masked)) == 1
    assert ids[0] == START
    assert ids[-1] == END


@pytest.mark.parametrize("objective", ALL)
def test_transformers_loads_each_by_its_auto_classes(objective: str, trained: dict[str, Path]) -> None:
    network, report = AUTO[objective].from_pretrained(trained[objective], output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert network.dtype == torch.float32
    assert type(network).__name__ == json.loads((trained[objective] / "training.json").read_text())["network"]
    loaded = load_network(trained[objective])
    assert loaded.kind == kind_of(trained[objective]) == objective
    assert loaded.limit == hf.AutoTokenizer.from_pretrained(trained[objective]).model_max_length
    assert not loaded.network.training
    for name, weight in network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], weight)


def test_what_is_saved_guesses_as_what_was_trained(text: Path, tmp_path: Path) -> None:
    class Keep(Callback):
        def end(self, run) -> None:
            self.network = run.network.eval()

    for objective in ("causal", "span"):
        keep = Keep()
        train(text, tmp_path / objective, objective=objective, steps=3, progress=False, callbacks=[keep], **TINY)
        loaded = load_network(tmp_path / objective).network.eval()
        size = keep.network.config.vocab_size
        made = batch_of(objective, [20, 18])
        given = {"input_ids": torch.tensor(made.ids % size)}
        if objective == "span":
            given["decoder_input_ids"] = torch.tensor(made.written % size)
        with torch.no_grad():
            assert torch.allclose(loaded(**given).logits, keep.network(**given).logits, atol=1e-5)


def test_the_causal_model_writes_and_the_span_model_fills(trained: dict[str, Path]) -> None:
    causal, span = load_network(trained["causal"]), load_network(trained["span"])
    begun = causal.tokenizer("the cat", return_tensors="pt")["input_ids"][:, :-1]
    written = causal.network.generate(begun, max_new_tokens=12, do_sample=False)
    assert "on the" in causal.tokenizer.decode(written[0])
    asked = span.tokenizer("the cat <extra_id_0> the mat 12.", return_tensors="pt")
    answer = span.network.generate(**asked, max_new_tokens=12, do_sample=False)[0].tolist()
    first = span.tokenizer.convert_tokens_to_ids("<extra_id_0>")
    assert answer[:2] == [START, first]
    assert answer[-1] == END or len(answer) == 13


# --- killing and going on -----------------------------------------------------------------------

KILLED = """
import os, signal, sys
import torch
torch.set_num_threads(1)
from mlm_viz.training import Callback, train

class DieAt(Callback):
    def step(self, run):
        if run.step == 8: os.kill(os.getpid(), signal.SIGKILL)

train(sys.argv[1], sys.argv[2], steps=12, checkpoint_steps=5, progress=False, callbacks=[DieAt()], **eval(sys.argv[3]))
"""


def test_killed_a_span_training_reaches_the_same_weights(text: Path, tmp_path: Path) -> None:
    settings = TINY | {"objective": "span", "dropout": 0.1}
    whole = train(text, tmp_path / "whole", steps=12, checkpoint_steps=5, progress=False, **settings)
    told = subprocess.run(
        [sys.executable, "-c", KILLED, str(text), str(tmp_path / "killed"), repr(settings)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == -signal.SIGKILL, told.stderr
    done = train([], tmp_path / "killed", resume=True, progress=False)
    assert (done.steps, done.tokens) == (whole.steps, whole.tokens)
    assert (tmp_path / "killed" / "model.safetensors").read_bytes() == (
        tmp_path / "whole" / "model.safetensors"
    ).read_bytes()
    shares = [
        json.loads((tmp_path / n / "training.json").read_text())["targets_per_token"] for n in ("whole", "killed")
    ]
    assert shares[0] == shares[1]


# --- what is said -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"family": "bert"}, "network of T5"),
        ({"layers": 1}, "layers is 1; it must be a number from 2"),
        ({"span_rate": 0.0}, "span_rate is 0.0"),
        ({"span_length": 0.5}, "span_length is 0.5"),
    ],
)
def test_settings_of_spans_that_cannot_be(settings: dict, says: str, text: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=says):
        train(text, tmp_path / "m", objective="span", progress=False, **settings)
    assert not (tmp_path / "m").exists()


def test_films_and_guesses_are_for_masked_models(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scenes.txt").write_text("the cat {sat} on the mat.\n")
    asked = ["train", str(text), "--out", str(tmp_path / "m"), "--objective", "causal", "--steps", "1", "--quiet"]
    assert cli.main([*asked, "--film", str(tmp_path / "scenes.txt")]) == 2
    assert "masked models; with the objective 'causal'" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()
    assert FilmRecorder.masked_only

    class Ask(Callback):
        def begin(self, run) -> None:
            run.as_model()

    with pytest.raises(TrainingError, match="for masked models"):
        train(text, tmp_path / "m", objective="span", steps=1, progress=False, callbacks=[Ask()], **TINY)


def test_the_command_trains_with_an_objective(text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--layers", "2", "--width", "32", "--vocab", "200", "--steps", "1", "--span-rate", "0.3", "--quiet"]
    assert cli.main(["train", str(text), "--out", str(tmp_path / "m"), "--objective", "span", *flags]) == 0
    assert kind_of(tmp_path / "m") == "span"
    assert "1 steps" in capsys.readouterr().out


@pytest.mark.parametrize(("objective", "says"), [("causal", "left-to-right"), ("span", "encoder-decoder")])
def test_only_masked_models_fill_in_masks(
    objective: str, says: str, trained: dict[str, Path], text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ModelError, match=says):
        mlm_viz.load(trained[objective])
    with pytest.raises(TrainingError, match=f"is a {objective} model: evaluate masks"):
        evaluate(trained[objective], text, progress=False)
    assert cli.main(["evaluate", str(trained[objective]), str(text), "--quiet"]) == 2
    assert "for masked models" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("config", "network", "kind"),
    [
        (hf.GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=48), hf.GPT2LMHeadModel, "causal"),
        (hf.LlamaConfig(**tiny.SIZES, max_position_embeddings=48), hf.LlamaForCausalLM, "causal"),
        (hf.T5Config(d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4), hf.T5ForConditionalGeneration, "span"),
        (hf.BertConfig(**tiny.SIZES, max_position_embeddings=48), hf.BertForMaskedLM, "masked"),
    ],
)
def test_models_of_other_making_are_told_apart_and_loaded(config: Any, network: Any, kind: str, tmp_path: Path) -> None:
    tokenizer = tiny.wordpiece(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    config.vocab_size = len(tokenizer)
    whole = network(config)
    whole.save_pretrained(tmp_path)
    loaded = load_network(tmp_path)
    assert (loaded.kind, kind_of(tmp_path), loaded.name) == (kind, kind, tmp_path.name)
    assert loaded.limit == (None if kind == "span" else 48)
    assert torch.equal(loaded.network.get_input_embeddings().weight, whole.get_input_embeddings().weight)
    weights = load_file(tmp_path / "model.safetensors")
    save_file(dict(list(weights.items())[1:]), tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=tmp_path.name):
        load_network(tmp_path)


def test_bundled_models_of_other_kinds_are_named_apart(
    trained: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for objective, folder in trained.items():
        (tmp_path / "models").mkdir(exist_ok=True)
        (tmp_path / "models" / objective).symlink_to(folder)
    monkeypatch.setenv("MLM_VIZ_DATA", str(tmp_path))
    assert [name for name in loading.available() if name in ALL] == ["masked"]
    assert [kind_of(objective) for objective in ALL] == list(ALL)
    assert cli.main(["models"]) == 0
    assert "span: t5, 1+1 layers x 32, 2 heads" in capsys.readouterr().out


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_what_starts_smaller_in_t5_takes_smaller_steps(optimizer: str) -> None:
    """Else attention saturates, and what the layers add drowns the embeddings."""
    settings = dataclasses.replace(SMALL, width=64, optimizer=optimizer, weight_decay=0.0, rate=0.01)
    network = network_of("span", settings)
    steps = make_optimizer(network, settings, CPU)
    for group in steps.param_groups:
        group["lr"] = settings.rate * group.get("scale", 1.0)  # as the loop does
    first = network.encoder.block[0].layer
    weights = {name: getattr(first[0].SelfAttention, name).weight for name in "qkvo"}
    weights |= {"wo": first[1].DenseReluDense.wo.weight}
    before = {name: weight.detach().clone() for name, weight in weights.items()}
    torch.manual_seed(3)
    for weight in network.parameters():
        weight.grad = torch.randn_like(weight)
    steps.step()
    moved = {name: float((weight.detach() - before[name]).pow(2).mean().sqrt()) for name, weight in weights.items()}
    head = settings.width // settings.heads
    assert moved["v"] == pytest.approx(moved["k"], rel=0.1)
    assert moved["q"] / moved["k"] == pytest.approx(head**-0.5, rel=0.1)
    assert moved["o"] / moved["k"] == pytest.approx(settings.width**-0.5, rel=0.1)
    assert moved["wo"] / moved["k"] == pytest.approx(settings.width**-0.5, rel=0.4), "it is no square"
    started = {name: float(weight.std()) for name, weight in before.items()}
    assert started["q"] / started["k"] == pytest.approx(head**-0.5, rel=0.2), "as they start"
    assert started["o"] / started["k"] == pytest.approx(settings.width**-0.5, rel=0.2)
    held = [id(weight) for group in steps.param_groups for weight in group["params"]]
    assert sorted(held) == sorted(id(weight) for weight in network.parameters()), "each weight once"
