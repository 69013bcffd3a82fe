"""What can be loaded, and one clear sentence for everything that cannot."""

from __future__ import annotations

import json
import os
import pickle
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file

import mlm_viz
from mlm_viz.errors import ModelError, TextError
from mlm_viz.loading import kind_of, load_network
from mlm_viz.paths import models_dir
from tests import tiny

DirOf = Callable[[str], Path]
WEIGHTS = "model.safetensors"


@pytest.fixture
def broken(tiny_dir: DirOf, tmp_path: Path) -> Callable[..., Path]:
    """A copy of a tiny checkpoint, to be damaged."""

    def copy(name: str = "bert", without: str = "") -> Path:
        folder = tmp_path / "broken"
        shutil.copytree(tiny_dir(name), folder)
        if without:
            for path in folder.glob(without):
                path.unlink()
        return folder

    return copy


def refusal_of(source: Any) -> str:
    """The message that loading `source` gives: one line, no traceback in it."""
    with pytest.raises(ModelError) as caught:
        mlm_viz.load(source)
    message = str(caught.value)
    assert "\n" not in message
    assert "Traceback" not in message
    assert len(message) < 1500
    return message


def edit(path: Path, **changes: Any) -> None:
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, **changes}), encoding="utf-8")


# --- what loads -------------------------------------------------------------------------------------------------------


def test_the_bundled_model_is_the_default_and_loaded_once() -> None:
    model = mlm_viz.load()
    assert mlm_viz.load() is model
    assert mlm_viz.load(model) is model
    assert model.refusal is None
    assert "default" in mlm_viz.available()
    assert model.name == "default"
    assert mlm_viz.load("default").network.config.to_dict() == model.network.config.to_dict()


def test_a_directory_is_named_as_path_or_string(tiny_dir: DirOf, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_dir("bert")
    assert mlm_viz.load(folder).name == mlm_viz.load(str(folder)).name == "bert"
    monkeypatch.chdir(folder)
    assert mlm_viz.load(".").network.config.hidden_size == 32
    monkeypatch.chdir(folder.parent)
    assert mlm_viz.load("bert").network.config.hidden_size == 32


def test_weights_are_32_bit_on_the_cpu_and_quiet(broken: Any, capfd: pytest.CaptureFixture[str]) -> None:
    folder = broken()
    half = {name: tensor.half() for name, tensor in load_file(folder / WEIGHTS).items()}
    save_file(half, folder / WEIGHTS, metadata={"format": "pt"})
    model = mlm_viz.load(folder)
    assert {(weight.dtype, weight.device.type) for weight in model.network.parameters()} == {(torch.float32, "cpu")}
    assert mlm_viz.predict("the ____", model).probability("cat") > 0
    assert capfd.readouterr() == ("", "")


def test_a_vocabulary_padded_by_the_model(tmp_path: Path) -> None:
    """Some models have room for more tokens than their tokenizer knows."""
    tokenizer = tiny.wordpiece(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    config = hf.BertConfig(**tiny.SIZES, vocab_size=len(tokenizer) + 7)
    tiny.stir(hf.BertForMaskedLM(config)).save_pretrained(tmp_path)
    vocabulary = mlm_viz.load(tmp_path).vocabulary
    assert len(vocabulary) == len(tokenizer) + 7
    assert vocabulary.labels[-1] == f"⟨{len(tokenizer) + 6}⟩"
    assert len(tokenizer) not in vocabulary.ordinary_ids


def test_what_was_downloaded_is_named_if_it_can_be_loaded(
    tiny_dir: DirOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {"a/masked": tiny_dir("bert"), "a/causal": tiny_dir("gpt2"), "a/span": tiny_dir("t5"), "a/none": tmp_path}
    found = [
        SimpleNamespace(repo_id=name, repo_type="model", revisions=[SimpleNamespace(snapshot_path=folder)])
        for name, folder in folders.items()
    ]
    monkeypatch.setattr("huggingface_hub.scan_cache_dir", lambda: SimpleNamespace(repos=found))
    assert [name for name in mlm_viz.available() if "/" in name] == ["a/masked"]


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        (hf.RobertaConfig(architectures=["RobertaForCausalLM"]), "masked"),
        (hf.RobertaConfig(architectures=["RobertaForCausalLM"], is_decoder=True), "causal"),
        (hf.BertConfig(architectures=["BertLMHeadModel"]), "masked"),
        (hf.XLMConfig(architectures=["XLMWithLMHeadModel"]), "masked"),
        (hf.GPT2Config(), "causal"),
        (hf.BartConfig(architectures=["BartForCausalLM"]), "span"),
    ],
)
def test_the_kind_is_how_a_model_looks_and_not_its_class(config: Any, kind: str, tmp_path: Path) -> None:
    config.save_pretrained(tmp_path)
    assert kind_of(tmp_path) == kind


@pytest.mark.parametrize(("family", "room"), [("Roberta", 38), ("Camembert", 38), ("Data2VecText", 38), ("Bert", 40)])
def test_a_left_to_right_model_reads_as_much_as_it_has_positions_for(family: str, room: int, tmp_path: Path) -> None:
    tokenizer = tiny.roberta(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    made = {"Bert": "BertLMHeadModel"}.get(family, f"{family}ForCausalLM")
    settings = {"max_position_embeddings": 40, "pad_token_id": 1, "vocab_size": len(tokenizer), "is_decoder": True}
    network = getattr(hf, made)(getattr(hf, f"{family}Config")(**tiny.SIZES, **settings))
    network.save_pretrained(tmp_path)
    loaded = load_network(tmp_path)
    assert (loaded.kind, loaded.limit) == ("causal", room)
    loaded.network(torch.full((1, room), 9))
    with pytest.raises((IndexError, RuntimeError)):
        loaded.network(torch.full((1, room + 1), 9))


# --- what is not there ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bert-base-uncased", "no-such-model", "somebody/no-such-model"])
def test_an_unknown_name_without_the_network(name: str) -> None:
    message = refusal_of(name)
    assert repr(name) in message
    assert "default" in message


@pytest.mark.parametrize(
    "source",
    [
        "/no/such/place",
        "./nowhere",
        "~/nowhere-at-all",
        "~nobody/x",
        Path("nowhere"),
        "a/b/c",
        "",
        " ",
        "\0",
        "a" * 300,
    ],
)
def test_a_place_that_is_not_there(source: Any) -> None:
    assert "default" in refusal_of(source)


def test_an_empty_directory(tmp_path: Path) -> None:
    folder = tmp_path / "hollow"
    folder.mkdir()
    assert refusal_of(folder).startswith("hollow ")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"model_type": 7}', '{"model_type": "no-such-kind"}'])
def test_a_config_that_cannot_be_read(content: str, broken: Any) -> None:
    folder = broken()
    (folder / "config.json").write_text(content, encoding="utf-8")
    assert "broken" in refusal_of(folder)


# --- not a masked language model --------------------------------------------------------------------------------------


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    """A sentence encoder: BERT without the head for masked tokens."""
    tokenizer = tiny.wordpiece(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    tiny.stir(hf.BertModel(hf.BertConfig(**tiny.SIZES, vocab_size=len(tokenizer)))).save_pretrained(tmp_path)
    return tmp_path


def test_a_sentence_encoder_predicts_nothing_but_attends(encoder: Path) -> None:
    model = mlm_viz.load(encoder)
    assert model.refusal is not None
    for tensor in ("bias", "transform.dense.weight", "transform.LayerNorm.bias"):
        assert f"cls.predictions.{tensor}" in model.refusal
    assert "bert." not in model.refusal
    before = model.calls
    for ask in (mlm_viz.predict, mlm_viz.sweep, mlm_viz.joint_fills):
        with pytest.raises(ModelError) as caught:
            ask("the ____ is good", model)
        assert str(caught.value) == model.refusal
    with pytest.raises(ModelError, match="no head for masked tokens"):
        mlm_viz.predict(["the ____"], model)
    assert model.calls == before
    attention = mlm_viz.attend("the cat is good", model)
    body = hf.AutoModel.from_pretrained(encoder, attn_implementation="eager").eval()
    ids = torch.tensor(model.encode("the cat is good").ids[None])
    with torch.inference_mode():
        theirs = torch.stack(body(input_ids=ids, output_attentions=True).attentions, dim=1)[0].numpy()
    np.testing.assert_allclose(attention.weights, theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("config", "network"),
    [
        (hf.GPT2Config(n_embd=32, n_layer=2, n_head=2, vocab_size=125), hf.GPT2LMHeadModel),
        (hf.BertConfig(**tiny.SIZES, vocab_size=125, is_decoder=True), hf.BertLMHeadModel),
        (hf.RobertaConfig(**tiny.SIZES, vocab_size=125, is_decoder=True), hf.RobertaForCausalLM),
    ],
)
def test_a_causal_model(config: Any, network: Any, tmp_path: Path) -> None:
    network(config).save_pretrained(tmp_path)
    tiny.wordpiece(tmp_path).save_pretrained(tmp_path)
    message = refusal_of(tmp_path)
    assert "left-to-right" in message
    assert config.model_type in message


@pytest.mark.parametrize("kind", ["t5", "bart", "mobilebert", "vit"])
def test_a_family_that_is_not_supported(kind: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}), encoding="utf-8")
    message = refusal_of(tmp_path)
    assert repr(kind) in message
    assert "modernbert" in message


# --- damaged files ----------------------------------------------------------------------------------------------------


def test_truncated_weights(broken: Any) -> None:
    folder = broken()
    whole = (folder / WEIGHTS).read_bytes()
    for size in (len(whole) // 2, 100, 0):
        (folder / WEIGHTS).write_bytes(whole[:size])
        assert "cut off" in refusal_of(folder)


def test_random_bytes_for_weights(broken: Any) -> None:
    folder = broken()
    (folder / WEIGHTS).write_bytes(np.random.default_rng(0).bytes(50_000))
    assert "damaged" in refusal_of(folder)


def test_no_weights(broken: Any) -> None:
    assert "weights of broken" in refusal_of(broken(without=WEIGHTS))


def test_weights_without_a_layer(broken: Any) -> None:
    folder = broken()
    kept = {name: tensor for name, tensor in load_file(folder / WEIGHTS).items() if ".layer.1." not in name}
    save_file(kept, folder / WEIGHTS, metadata={"format": "pt"})
    message = refusal_of(folder)
    assert "incomplete" in message
    assert "bert.encoder.layer.1.attention" in message


def test_weights_of_another_size(broken: Any) -> None:
    folder = broken()
    edit(folder / "config.json", intermediate_size=64)
    message = refusal_of(folder)
    assert "differ in size" in message
    assert "bert.encoder.layer.0.intermediate.dense.weight" in message


def test_no_tokenizer(broken: Any) -> None:
    assert "tokenizer of broken" in refusal_of(broken(without="token*"))


def test_a_damaged_tokenizer(broken: Any) -> None:
    folder = broken()
    (folder / "tokenizer.json").write_text("{", encoding="utf-8")
    assert "tokenizer of broken" in refusal_of(folder)


def test_a_tokenizer_larger_than_the_model(broken: Any, tiny_dir: DirOf) -> None:
    folder = broken("roberta")
    for path in tiny_dir("bert").glob("[cm]o*"):  # the config and weights of a smaller vocabulary
        shutil.copy(path, folder)
    message = refusal_of(folder)
    assert "420" in message
    assert "125" in message


def test_a_tokenizer_without_a_mask_token(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {piece: index for index, piece in enumerate(["[UNK]", "[PAD]", *tiny.WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    wrapped = hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]")
    wrapped.save_pretrained(tmp_path)
    config = hf.BertConfig(**tiny.SIZES, vocab_size=len(vocabulary), pad_token_id=1)
    tiny.stir(hf.BertForMaskedLM(config)).save_pretrained(tmp_path)
    model = mlm_viz.load(tmp_path)
    assert model.refusal is not None
    assert "no mask token" in model.refusal
    for ask in (mlm_viz.predict, mlm_viz.sweep, mlm_viz.joint_fills):
        with pytest.raises(ModelError, match="no mask token"):
            ask("the ____ is good", model)
    with pytest.raises(TextError, match="no mask token"):
        mlm_viz.attend("the cat", model, masked=["cat"])
    assert mlm_viz.attend("the cat is good", model).weights.shape == (3, 4, 4, 4)


# --- code in a checkpoint ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bert", "unheard-of"])
def test_code_in_a_checkpoint_is_not_run(kind: str, broken: Any, tmp_path: Path) -> None:
    """A known kind is loaded with transformers' own code, another is refused."""
    folder, sentinel = broken(), tmp_path / "ran"
    for module in ("configuration_evil", "modeling_evil", "tokenization_evil"):
        (folder / f"{module}.py").write_text(f"open({str(sentinel)!r}, 'w').close()\nclass Evil: pass\n")
    auto_map = {
        "AutoConfig": "configuration_evil.Evil",
        "AutoModel": "modeling_evil.Evil",
        "AutoModelForMaskedLM": "modeling_evil.Evil",
    }
    edit(folder / "config.json", model_type=kind, auto_map=auto_map)
    edit(
        folder / "tokenizer_config.json",
        auto_map={"AutoTokenizer": ["tokenization_evil.Evil", "tokenization_evil.Evil"]},
    )
    if kind == "bert":
        assert mlm_viz.predict("the ____", mlm_viz.load(folder)).probability("cat") > 0
    else:
        message = refusal_of(folder)
        assert "never run" in message
        assert "trust_remote_code" not in message  # no advice to run it after all
    assert not sentinel.exists()
    runpy.run_path(str(folder / "modeling_evil.py"))  # the file is as bad as it is meant to be
    assert sentinel.exists()


class Evil:
    """Creates a file when unpickled."""

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.sentinel),))


@pytest.mark.parametrize("form", ["torch", "pickle"])
def test_a_pickle_is_not_run(form: str, broken: Any, tmp_path: Path) -> None:
    folder, sentinel = broken(without=WEIGHTS), tmp_path / "ran"
    content = {"bert.embeddings.word_embeddings.weight": Evil(sentinel)}
    if form == "torch":
        torch.save(content, folder / "pytorch_model.bin")
    else:
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps(content, protocol=2))
    message = refusal_of(folder)
    assert not sentinel.exists()
    assert "never run" in message
    assert "weights_only" not in message  # no advice to run it after all
    with suppress(Exception):  # the file is as bad as it is meant to be
        torch.load(folder / "pytorch_model.bin", weights_only=False)
    assert sentinel.exists()


def test_an_honest_pickle_is_read_as_tensors(broken: Any, tiny_dir: DirOf) -> None:
    folder = broken()
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()
    ours, theirs = (mlm_viz.predict("the ____ runs", mlm_viz.load(f)) for f in (folder, tiny_dir("bert")))
    np.testing.assert_array_equal(ours.log2_probs, theirs.log2_probs)


def test_bundled_files_hold_no_code() -> None:
    assert not [path for path in models_dir().rglob("*") if path.suffix in {".py", ".bin", ".pt", ".pkl"}]


def test_loading_needs_no_network(tiny_dir: DirOf) -> None:
    """Not even without being told that there is none: no name is looked up, no socket is opened."""
    script = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise SystemExit('a socket was opened')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "import mlm_viz\n"
        "print(mlm_viz.predict('the ____', mlm_viz.load(sys.argv[1])).rank('cat'))\n"
        "print(mlm_viz.predict('很____').rank('好'))\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "HF_HUB_OFFLINE"}
    done = subprocess.run(
        [sys.executable, "-c", script, str(tiny_dir("bert"))],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 2


# --- older checkpoints ------------------------------------------------------------------------------------------------


def test_vocabulary_files_of_older_checkpoints(broken: Any, tiny_dir: DirOf) -> None:
    """`vocab.txt`, or `vocab.json` and `merges.txt`, in place of `tokenizer.json`."""
    for name in ("bert", "roberta"):
        folder = broken(name)
        saved = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
        for path in folder.glob("token*"):
            path.unlink()
        if name == "bert":
            (folder / "vocab.txt").write_text("\n".join(saved["vocab"]) + "\n", encoding="utf-8")
        else:
            (folder / "vocab.json").write_text(json.dumps(saved["vocab"]), encoding="utf-8")
            (folder / "merges.txt").write_text("\n".join(" ".join(pair) for pair in saved["merges"]), encoding="utf-8")
        model, whole = mlm_viz.load(folder), mlm_viz.load(tiny_dir(name))
        assert model.vocabulary.pieces == whole.vocabulary.pieces
        text = "the cats play in paris"
        assert model.encode(text).ids.tolist() == whole.encode(text).ids.tolist()
        shutil.rmtree(folder)


def test_a_new_head_under_an_old_config(broken: Any, tiny_dir: DirOf) -> None:
    """DeBERTa-v3's checkpoints: the head of `legacy=False`, and a config that does not mention it."""
    folder = broken("deberta-v2")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    del config["legacy"]
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    model, plain = mlm_viz.load(folder), mlm_viz.load(tiny_dir("deberta-v2"))
    assert model.refusal is None
    text = "the [MASK] runs"
    np.testing.assert_allclose(
        mlm_viz.predict(text, model).log2_probs, mlm_viz.predict(text, plain).log2_probs, atol=1e-5
    )
