"""Tiny models of every family and kind: random weights, few pieces, saved as any checkpoint is saved."""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers, processors, trainers

WORDS = (
    "the capital of france is paris a good nice day very dog cat runs play walk new york city london weather today "
    "we went to big red un in not park happy"
).split()
HAN = "今天气很好我们决定去公园野餐书店买要早学习自然语言"
MARKS = ".,!?，。！-"
ENDINGS = ("ing", "ed", "s", "ly", "able")
SIZES = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48}
LONGEST = 40
SMILES_PATTERN = r"\[[^\[\]]+\]|Br|Cl|.|\n"


@dataclass(frozen=True)
class Tiny:
    """One tiny model.

    Attributes:
        tokenizer: makes its tokenizer, given a directory for vocabulary files.
        network: makes its network with a head for masked tokens, given the tokenizer.
        text: a sentence with one blank in the middle; `{}` is where the mask token goes.
        mixer: path of the module that mixes the heads of `{layer}`, where every layer has its own.
    """

    tokenizer: Callable[[Path], Any]
    network: Callable[[Any], Any]
    text: str = "the capital of {} is paris, a good day."
    mixer: str = "{prefix}.encoder.layer.{layer}.attention.output.dense"


# --- tokenizers -------------------------------------------------------------------------------------------------------


def _wordpieces() -> list[str]:
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *HAN, *MARKS]
    pieces += [*string.ascii_lowercase[1:], *(f"##{c}" for c in string.ascii_lowercase), *(f"##{e}" for e in ENDINGS)]
    return list(dict.fromkeys(pieces))


def wordpiece(_folder: Path) -> Any:
    """BERT's: lower-cased, Chinese characters apart, no digits, so that "2024" cannot be spelled."""
    return hf.BertTokenizer(vocab={piece: index for index, piece in enumerate(_wordpieces())})


def _greedy(mask: str) -> AddedToken:
    """A mask token that takes the space before it along, as those of RoBERTa, XLM-R and ModernBERT do."""
    return AddedToken(mask, lstrip=True, special=True)


def _unigram(specials: list[str]) -> list[tuple[str, float]]:
    scored = dict.fromkeys(specials, 0.0)
    scored |= {f"▁{word}": -3.0 for word in WORDS} | {"▁今天": -4.0, "天气": -4.0, "▁": -4.5}
    scored |= dict.fromkeys(HAN, -5.0) | dict.fromkeys(MARKS, -5.0) | dict.fromkeys(ENDINGS, -4.0)
    scored |= {c: -9.0 for c in string.ascii_letters if c not in scored}
    return list(scored.items())


def xlm_roberta(_folder: Path) -> Any:
    return hf.XLMRobertaTokenizer(
        vocab=_unigram(["<s>", "<pad>", "</s>", "<unk>", "<mask>"]), mask_token=_greedy("<mask>")
    )


def albert(_folder: Path) -> Any:
    return hf.AlbertTokenizer(vocab=_unigram(["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]))


def deberta(_folder: Path) -> Any:
    return hf.DebertaV2Tokenizer(vocab=_unigram(["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]))


def _byte_level(specials: list[str]) -> Tokenizer:
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=specials,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    trained.train_from_iterator([" ".join(WORDS), " ".join(WORDS[::-1]), "paris good the a", HAN], trainer)
    return trained


def roberta(_folder: Path) -> Any:
    trained = _byte_level(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    return hf.RobertaTokenizer(vocab=trained.get_vocab(), merges=_merges(trained), mask_token=_greedy("<mask>"))


def modernbert(_folder: Path) -> Any:
    trained = _byte_level(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    return _wrapped(trained, mask_token=_greedy("[MASK]"))


def gpt2(_folder: Path) -> Any:
    """Bytes; what ends a text also begins it, and no encoding has it by itself."""
    trained = _byte_level(["<|endoftext|>"])
    return hf.GPT2Tokenizer(vocab=trained.get_vocab(), merges=_merges(trained))


def llama(_folder: Path) -> Any:
    """Sentence pieces by merges that go across words and Chinese characters, bytes for the rest; no end token."""
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.pre_tokenizer = pre_tokenizers.Metaspace(split=False)
    trainer = trainers.BpeTrainer(
        vocab_size=260,
        special_tokens=["<unk>", "<s>", "</s>"],
        initial_alphabet=sorted({*string.printable[:94], *HAN, *MARKS, *"▁’"}),
        show_progress=False,
    )
    trained.train_from_iterator(["the capital of france is paris. ", "今天天气很好，我们去公园。", *WORDS] * 2, trainer)
    vocabulary = trained.get_vocab()
    vocabulary |= {f"<0x{byte:02X}>": len(vocabulary) + byte for byte in range(256)}
    return hf.LlamaTokenizer(vocab=vocabulary, merges=_merges(trained), add_bos_token=True)


def t5(_folder: Path) -> Any:
    sentinels = [(f"<extra_id_{number}>", 0.0) for number in reversed(range(4))]
    return hf.T5Tokenizer(vocab=[*_unigram(["<pad>", "</s>", "<unk>"]), *sentinels], extra_ids=len(sentinels))


def smiles(_folder: Path) -> Any:
    """Atoms and bonds: no spaces, no words, and `c` is not `C`."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"CcNnOoFS()=#123", "Cl", "Br", "[nH]", "[C@@H]"]
    tokenizer = Tokenizer(models.WordLevel({p: i for i, p in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(SMILES_PATTERN), behavior="isolated")
    return _wrapped(tokenizer)


def esm(folder: Path) -> Any:
    pieces = ["<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWCXBUZO", ".", "-", "<null_1>", "<mask>"]
    (folder / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    return hf.EsmTokenizer(str(folder / "vocab.txt"))


def _merges(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


def _wrapped(tokenizer: Tokenizer, **changes: Any) -> Any:
    ends = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")} | changes
    return hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


# --- networks ---------------------------------------------------------------------------------------------------------


def _network(config_class: str, model_class: str, **settings: Any) -> Callable[[Any], Any]:
    def build(tokenizer: Any) -> Any:
        ids = {"pad_token_id": tokenizer.pad_token_id, "vocab_size": len(tokenizer)}
        known = {"max_position_embeddings": LONGEST, **SIZES, **ids, **settings}
        return stir(getattr(hf, model_class)(getattr(hf, config_class)(**known)))

    return build


def stir(network: Any) -> Any:
    """Weights large enough that every part matters: fresh ones leave biases at zero and all words about as likely."""
    torch.manual_seed(7)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight) * 0.15)
    return network.eval()


_ALBERT = {"embedding_size": 16, "num_hidden_layers": 4}
_RELATIVE = {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "type_vocab_size": 0, "position_buckets": 8}
_CHINESE = "今天天气很{}，我们去公园。"

TINY: dict[str, Tiny] = {
    "bert": Tiny(wordpiece, _network("BertConfig", "BertForMaskedLM")),
    "roberta": Tiny(roberta, _network("RobertaConfig", "RobertaForMaskedLM")),
    "xlm-roberta": Tiny(xlm_roberta, _network("XLMRobertaConfig", "XLMRobertaForMaskedLM"), text=_CHINESE),
    "camembert": Tiny(xlm_roberta, _network("CamembertConfig", "CamembertForMaskedLM")),
    "distilbert": Tiny(
        wordpiece,
        _network("DistilBertConfig", "DistilBertForMaskedLM", dim=32, hidden_dim=48, n_layers=3, n_heads=4),
        mixer="{prefix}.transformer.layer.{layer}.attention.out_lin",
    ),
    "albert": Tiny(albert, _network("AlbertConfig", "AlbertForMaskedLM", **_ALBERT)),
    "albert-groups": Tiny(
        albert,
        _network("AlbertConfig", "AlbertForMaskedLM", **_ALBERT, num_hidden_groups=2, inner_group_num=2),
    ),
    "electra": Tiny(wordpiece, _network("ElectraConfig", "ElectraForMaskedLM", embedding_size=16)),
    "deberta-v2": Tiny(deberta, _network("DebertaV2Config", "DebertaV2ForMaskedLM", legacy=False, **_RELATIVE)),
    "deberta-v2-legacy": Tiny(deberta, _network("DebertaV2Config", "DebertaV2ForMaskedLM", legacy=True, **_RELATIVE)),
    "deberta-v2-conv": Tiny(
        deberta, _network("DebertaV2Config", "DebertaV2ForMaskedLM", conv_kernel_size=3, conv_act="gelu", **_RELATIVE)
    ),
    "modernbert": Tiny(
        modernbert,
        _network(
            "ModernBertConfig",
            "ModernBertForMaskedLM",
            local_attention=4,
            layer_types=["full_attention", "sliding_attention", "sliding_attention"],
            **{f"{name}_token_id": index for name, index in (("cls", 2), ("sep", 3), ("bos", 2), ("eos", 3))},
        ),
        mixer="{prefix}.layers.{layer}.attn.Wo",
    ),
    "esm": Tiny(
        esm,
        _network(
            "EsmConfig",
            "EsmForMaskedLM",
            mask_token_id=32,
            token_dropout=True,
            position_embedding_type="rotary",
            emb_layer_norm_before=False,
        ),
        text="MKTAYIAKQ{}QISFVKSHFSRQ",
    ),
    "smiles": Tiny(smiles, _network("BertConfig", "BertForMaskedLM"), text="CC(=O)Oc1cc{}cc1C(=O)N"),
}


# --- models of other kinds --------------------------------------------------------------------------------------------


def _twin(objective: str) -> Tiny:
    """As the trainer makes it for an objective: the same words and sizes for all three."""
    from mlm_viz.training import Settings
    from mlm_viz.training.objectives import OBJECTIVES
    from mlm_viz.training.vocabulary import save_tokenizer

    settings = Settings(layers=2, width=32, heads=4, limit=LONG, short=8, objective=objective)
    made = OBJECTIVES[objective](settings)

    def tokenizer(folder: Path) -> Any:
        save_tokenizer(_wordpieces(), folder, LONG, sentinels=made.sentinels)
        return hf.AutoTokenizer.from_pretrained(folder)

    return Tiny(tokenizer, lambda ready: stir(made.new_model(settings, len(ready))))


LONG = 64
_LONG = {"max_position_embeddings": LONG, "num_hidden_layers": 2}
_HALVES = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "max_position_embeddings": None}
_ENDS = {"bos_token_id": 2, "eos_token_id": 3}

CAUSAL: dict[str, Tiny] = {
    "gpt2": Tiny(gpt2, _network("GPT2Config", "GPT2LMHeadModel", **_LONG, bos_token_id=0, eos_token_id=0)),
    "llama": Tiny(llama, _network("LlamaConfig", "LlamaForCausalLM", **_LONG, num_key_value_heads=2)),
    "modernbert-decoder": Tiny(
        wordpiece,
        _network(
            "ModernBertDecoderConfig",
            "ModernBertDecoderForCausalLM",
            **_LONG,
            **_ENDS,
            cls_token_id=2,
            sep_token_id=3,
            layer_types=["full_attention", "sliding_attention"],
            local_attention=8,
        ),
    ),
    "bert-decoder": Tiny(wordpiece, _network("BertConfig", "BertLMHeadModel", **_LONG, **_ENDS, is_decoder=True)),
    "causal": _twin("causal"),
}
SPAN: dict[str, Tiny] = {
    "t5": Tiny(t5, _network("T5Config", "T5ForConditionalGeneration", **_HALVES, decoder_start_token_id=0)),
    "span": _twin("span"),
}
OTHERS: dict[str, Tiny] = {
    "masked": _twin("masked"),
    # An encoder-decoder without sentinels.
    "bart": Tiny(
        xlm_roberta,
        _network("BartConfig", "BartForConditionalGeneration", d_model=32, encoder_layers=1, decoder_layers=1),
    ),
}


def build(name: str, folder: Path) -> Path:
    """Save the tiny model called `name` in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tiny = (TINY | CAUSAL | SPAN | OTHERS)[name]
    tokenizer = tiny.tokenizer(folder)
    tokenizer.save_pretrained(folder)
    tiny.network(tokenizer).save_pretrained(folder)
    return folder
