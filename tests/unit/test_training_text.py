"""Training texts: reading, what is held out, the vocabulary, and the ids on disk, each against a plain second way."""

from __future__ import annotations

import codecs
import gzip
import json
import lzma
import tracemalloc
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from mlm_viz.training.corpus import Surveyed, is_held_out, joined, line_hash, records, survey
from mlm_viz.training.encoding import Cutter, _batches, encode
from mlm_viz.training.errors import TrainingError
from mlm_viz.training.recipe import Text, as_texts, read_recipe
from mlm_viz.training.shuffling import draw
from mlm_viz.training.vocabulary import SPECIAL, choose_pieces, count_words, read_tokenizer, save_tokenizer

LINES = [
    "The cat sat on the mat.",
    "今天天气很好。",
    "A dog runs, and the cat sleeps!",
    "我喜欢吃苹果。",
    "Café déjà vu",
]
MANY = [f"{line} number {number} of the story" for number in range(60) for line in LINES]


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["a.txt", "a.txt.xz", "a.txt.gz", "a.jsonl", "a.jsonl.gz", "a.text"])
def test_every_form_reads_the_same(name: str, tmp_path: Path) -> None:
    lines = ["", *LINES, "   "]
    if ".jsonl" in name:
        lines = ["", *(json.dumps({"text": line, "id": 1}) for line in LINES)]
    data = ("\ufeff" + "\r\n".join(lines)).encode()
    packed = lzma.compress(data) if name.endswith("xz") else gzip.compress(data) if name.endswith("gz") else data
    (tmp_path / name).write_bytes(packed)
    assert [line for (line,) in records(Text(tmp_path / name))] == LINES


def test_pairs_become_one_input_in_both_orders(tmp_path: Path) -> None:
    path = write(tmp_path / "p.tsv", [f"I have {n} cats.\t我有{n}只猫。\tmore" for n in range(40)])
    lines = [joined(record) for record in records(Text(path))]
    assert {line.startswith("I have") for line in lines} == {True, False}
    assert all("cats. 我有" in line or "猫。 I have" in line for line in lines)


def test_a_line_without_end_is_read_in_parts(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("好a" * 150_000, encoding="utf-8")
    parts = [line for (line,) in records(Text(tmp_path / "long.txt"))]
    assert len(parts) == 3
    assert "".join(parts) == "好a" * 150_000


def test_a_long_text_of_a_json_line_is_cut_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "long.jsonl", [json.dumps({"text": "好a" * 120_000}), json.dumps({"text": "short"})])
    *parts, last = [line for (line,) in records(Text(path))]
    assert [len(part) for part in parts] == [100_000, 100_000, 40_000]
    assert "".join(parts) == "好a" * 120_000
    assert last == "short"
    monkeypatch.setattr("mlm_viz.training.corpus.LONGEST_JSON", 100_000)
    with pytest.raises(TrainingError, match="line 1, has more than 100,000 characters"):
        survey([Text(path)])


def test_what_is_no_letter_in_a_json_line_is_replaced(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", ['{"text": "half \\ud800 a\\u0000pair \\ud83d\\ude00"}'])
    assert list(records(Text(path))) == [("half \ufffd a pair \U0001f600",)]
    assert count_words(survey([Text(path)]), 0.0)["pair"] == 1


PICTURE = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000010")  # how every PNG begins
BAD = [
    ("empty.txt", b"", "is empty"),
    ("blank.txt", b"\n  \n", "is empty"),
    ("binary.txt", b"\x7fELF\0\0\x01", "not a text file"),
    ("picture.txt", PICTURE, "not a text file"),
    ("picture.txt.gz", gzip.compress(PICTURE), "not a text file"),
    ("blank.jsonl", b'{"text": ""}\n{"text": " \\u0000"}\n', "is empty"),
    ("wider.txt", codecs.BOM_UTF32_BE + "words".encode("utf-32-be"), "not UTF-8"),
    ("latin.txt", "naïve café".encode("latin-1"), "not UTF-8"),
    ("gbk.txt", ("line\n" * 3 + "今天天气").encode("gbk"), "not UTF-8"),
    ("wide.txt", "words".encode("utf-16"), "not UTF-8"),
    ("cut.txt.xz", lzma.compress(b"words\n" * 999)[:-20], "damaged"),
    ("no.txt.gz", b"words\n", "damaged"),
    ("cut.txt.gz", gzip.compress(bytes(range(65, 90)) * 999)[:-9], "damaged"),
    ("one.tsv", b"only one side\n", "line 1, is no pair"),
    ("no.jsonl", b'{"text": "a"}\n{"other": 1}\n', "line 2, must be a JSON object"),
    ("no.jsonl", b"not json\n", "line 1, must be"),
]


@pytest.mark.parametrize(("name", "data", "says"), BAD, ids=[name for name, _, _ in BAD])
def test_a_bad_file_is_named_in_one_sentence(name: str, data: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(TrainingError, match=says) as caught:
        survey([Text(tmp_path / name)])
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.txt", tmp_path):
        with pytest.raises(TrainingError, match="cannot be read"):
            list(records(Text(path)))


def test_held_out_lines_are_a_fixed_share_and_the_same_in_every_text() -> None:
    lines = [f"sentence number {n}" for n in range(20_000)]
    held = [line for line in lines if is_held_out((line,), 0.05)]
    assert abs(len(held) / len(lines) - 0.05) < 4 * np.sqrt(0.05 * 0.95 / len(lines))
    assert all(is_held_out((f" {line.upper()} ",), 0.05) for line in held)
    assert all(is_held_out((line, "anything"), 0.05) and is_held_out(("anything", line), 0.05) for line in held)
    # A larger share holds out what a smaller one does, and more.
    assert all(is_held_out((line,), 0.1) for line in held)
    assert 0 <= line_hash("") < 1


def test_recipes_and_repeats(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", LINES)
    write(tmp_path / "b=2.txt", LINES)
    toml = tmp_path / "r.toml"
    toml.write_text('[[text]]\npath = "a.txt"\nrepeat = 4\n[settings]\nlayers = 2\n', encoding="utf-8")
    texts, settings = read_recipe(toml)
    assert (texts[0].path, texts[0].repeat, texts[0].name, settings) == (tmp_path / "a.txt", 4, "a", {"layers": 2})
    same = tmp_path / "r.json"
    same.write_text(json.dumps({"text": [{"path": "a.txt", "repeat": 4}], "settings": {"layers": 2}}))
    assert read_recipe(same) == (texts, settings)
    listed = as_texts([f"{tmp_path / 'a.txt'}=2.5", tmp_path / "b=2.txt", tmp_path / "a.txt"])
    assert [(t.name, t.repeat) for t in listed] == [("a", 2.5), ("b=2", 1.0), ("a (2)", 1.0)]


@pytest.mark.parametrize("written", ["[[text]]\nrepeat = 1", "nonsense", "[[text]]\npath = 'a'\ncolour = 1", "x = 1"])
def test_a_bad_recipe_is_named(written: str, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(written)
    with pytest.raises(TrainingError, match=r"r\.toml"):
        read_recipe(tmp_path / "r.toml")


def test_no_text_and_no_repeat() -> None:
    with pytest.raises(TrainingError, match="no text"):
        as_texts([])
    with pytest.raises(TrainingError, match="more than 0"):
        as_texts("a.txt=0")


# --- vocabulary ---------------------------------------------------------------------------------


def vocabulary_of(path: Path, size: int) -> list[str]:
    return choose_pieces(count_words(survey([Text(path)]), 0.0), size)


def test_the_vocabulary_has_common_words_whole_and_chinese_by_character(tmp_path: Path) -> None:
    pieces = vocabulary_of(write(tmp_path / "a.txt", MANY), 300)
    assert tuple(pieces[: len(SPECIAL)]) == SPECIAL
    assert len(pieces) == len(set(pieces)) <= 300
    assert {"the", "cat", "story", "cafe", "deja", "天", "苹", "。", "!", "##t"} <= set(pieces)
    assert not [piece for piece in pieces if len(piece) > 1 and "天" in piece]
    assert pieces == vocabulary_of(tmp_path / "a.txt", 300)


def test_a_vocabulary_too_small_for_all_keeps_the_commonest(tmp_path: Path) -> None:
    lines = ["".join(chr(0x4E00 + n) for n in range(k)) for k in range(1, 400)]
    pieces = vocabulary_of(write(tmp_path / "a.txt", lines), 150)
    assert len(pieces) <= 150
    assert "\u4e00" in pieces
    assert "\u4f8e" not in pieces


def test_the_saved_tokenizer_is_read_by_transformers_alike(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    pieces = vocabulary_of(write(tmp_path / "a.txt", MANY), 300)
    save_tokenizer(pieces, tmp_path / "t", 77)
    theirs, ours = AutoTokenizer.from_pretrained(tmp_path / "t"), read_tokenizer(tmp_path / "t")
    assert (len(theirs), theirs.model_max_length, theirs.mask_token_id) == (len(pieces), 77, 4)
    for line in LINES:
        assert ours.encode(line, add_special_tokens=False).ids == theirs(line)["input_ids"][1:-1]
    assert theirs.tokenize("The CAT 天气 [MASK]") == ["the", "cat", "天", "气", "[MASK]"]
    # What only looks like a special token in a text is text.
    assert 4 not in ours.encode("a [MASK] here").ids


def test_repeats_weigh_the_words(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", ["apple tree"] * 10)
    write(tmp_path / "b.txt", ["banana split"] * 10)
    counts = count_words(survey([Text(tmp_path / "a.txt"), Text(tmp_path / "b.txt", 3.0)]), 0.0)
    assert (counts["apple"], counts["banana"]) == (10, 30)
    thin = count_words(survey([Text(tmp_path / "a.txt"), Text(tmp_path / "b.txt", 3.0)]), 0.0, sample=200)
    assert (thin["apple"], thin["banana"]) == (4, 13)  # of 460 characters 200


# --- ids on disk --------------------------------------------------------------------------------


def encoded(tmp_path: Path, lines: list[str], short: int, held_out: float = 0.0):
    surveyed = survey([Text(write(tmp_path / "a.txt", lines))])
    save_tokenizer(choose_pieces(count_words(surveyed, 0.0), 300), tmp_path / "t", 64)
    tokenizer = read_tokenizer(tmp_path / "t")
    folder = tmp_path / f"ids{short}"
    return tokenizer, encode(surveyed, tokenizer, folder, short=short, held_out=held_out, progress=False)


def test_ids_come_back_as_they_were_written(tmp_path: Path) -> None:
    lines = [*MANY, " ".join(MANY[:7])]
    tokenizer, (text,) = encoded(tmp_path, lines, short=12)
    begin, ends = text.gather(np.arange(text.pieces), 10**6)
    everything = text.read(np.arange(text.tokens))
    expected = [tokenizer.encode(line, add_special_tokens=False).ids for line in lines]
    assert everything.tolist() == list(chain.from_iterable(expected))
    assert text.longest == max(map(len, expected))
    # With no limit an input reaches from a piece to the end of its line.
    line_ends = np.cumsum([len(ids) for ids in expected])
    assert set(ends.tolist()) == set(line_ends.tolist())
    assert begin[0] == 0


def test_long_lines_are_read_a_few_at_a_time() -> None:
    lines = [("a" * 100_000,)] * 25 + [("b", "c")] * 2500
    batches = list(_batches(lines))
    assert list(chain.from_iterable(batches)) == lines
    assert [len(batch) for batch in batches] == [10, 10, 2000, 505]


@pytest.mark.parametrize("longest", [10, 15, 33])
def test_inputs_are_as_long_as_whole_pieces_allow(longest: int, tmp_path: Path) -> None:
    _, (text,) = encoded(tmp_path, [" ".join(MANY[n : n + 9]) for n in range(40)], short=12)
    starts = np.fromfile(f"{text.stem}.starts", dtype=np.uint64).astype(int)
    joins = np.fromfile(f"{text.stem}.joins", dtype=bool)
    begin, ends = text.gather(np.arange(text.pieces), longest)
    for piece in range(text.pieces):
        last = piece + 1
        while joins[last] and starts[last + 1] - starts[piece] <= longest:
            last += 1
        assert (begin[piece], ends[piece]) == (starts[piece], min(starts[last], starts[piece] + longest))


def test_long_lines_are_cut_behind_sentences_else_before_words(tmp_path: Path) -> None:
    tokenizer, _ = encoded(tmp_path, MANY, short=12)
    cutter = Cutter(tokenizer, 10)
    for line in (". ".join(LINES * 5), "number of the story " * 20, "sleepscatdog" * 8):
        encoding = tokenizer.encode(line, add_special_tokens=False)
        starts = [*cutter.cut(np.array(encoding.ids)), len(encoding.ids)]
        sizes = np.diff(starts)
        assert sizes.max() <= 10
        assert sizes[:-1].min() >= 5
        for start in starts[1:-1]:
            window = encoding.tokens[start - 5 : start]
            assert not encoding.tokens[start].startswith("##") or all(t.startswith("##") for t in window)
    assert cutter.cut(np.array([], dtype=np.int64)).tolist() == []


def test_held_out_lines_are_not_on_disk_but_some_are_watched(tmp_path: Path) -> None:
    tokenizer, (text,) = encoded(tmp_path, MANY, short=32, held_out=0.2)
    written = text.read(np.arange(text.tokens)).tolist()
    kept = [line for line in MANY if not is_held_out((line,), 0.2)]
    expected = (tokenizer.encode(line, add_special_tokens=False).ids for line in kept)
    assert written == list(chain.from_iterable(expected))
    assert set(text.watched) <= set(MANY) - set(kept)
    assert len(text.watched) == min(64, len(MANY) - len(kept))


def test_everything_held_out_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="held out"):
        encoded(tmp_path, ["one line only"], short=8, held_out=1.0)


def test_memory_does_not_grow_with_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlm_viz.training.encoding._LINES_AT_ONCE", 200)

    def peak(copies: int) -> int:
        folder = tmp_path / str(copies)
        folder.mkdir()
        path = folder / "a.txt.gz"
        with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as file:
            for number in range(copies):
                file.write("\n".join(f"{number} {line}" for line in MANY) + "\n")
        tracemalloc.start()
        surveyed = survey([Text(path)])
        counts = count_words(surveyed, 0.01, sample=20_000)
        save_tokenizer(choose_pieces(counts, 300), folder / "t", 64)
        (text,) = encode(
            surveyed, read_tokenizer(folder / "t"), folder / "ids", short=32, held_out=0.01, progress=False
        )
        for start in range(0, text.pieces, 1000):
            begin, ends = text.gather(draw(start, 1000, text.pieces, 5), 30)
            text.read(np.concatenate([np.arange(b, e) for b, e in zip(begin, ends, strict=True)]))
        memory = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return memory

    peak(2)  # what is imported or cached on first use
    small, large = peak(4), peak(16)
    assert large < small * 1.1


def test_surveyed_counts(tmp_path: Path) -> None:
    text = Text(write(tmp_path / "a.txt", LINES))
    assert survey([text]) == [Surveyed(text, len(LINES), sum(map(len, LINES)))]
