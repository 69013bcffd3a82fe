"""Every string a person reads in the widgets and errors, in one place.

A second language is a second dictionary with the same keys; nothing else in the package holds prose.
"""

from __future__ import annotations

from typing import Any

_ENGLISH: dict[str, str] = {
    # --- errors -----------------------------------------------------------------------------
    "error.language": "there are no strings in {code!r}; there are: {known}",
    "error.empty": "There is no text to read: type a sentence.",
    "error.no_slot": "There is no slot: write [MASK] or ____ where a word is to be guessed, or mask a token.",
    "error.no_slot_in": "Text number {number} has no slot: write [MASK] or ____ where a word is to be guessed.",
    "error.not_text": "A text is a string, not {given!r}.",
    "error.not_a_place": "{given!r} is neither a position nor a word; give whole numbers or words of the text.",
    "error.too_long": "The text has {tokens} tokens, but this model reads at most {limit}: shorten it.",
    "error.unreadable": "The tokenizer of {model} cannot read this text: {why}",
    "error.position": (
        "Position {position} cannot be masked: give one of an ordinary token, from 0 to {last}, no special one."
    ),
    "error.no_such_word": "{word!r} does not stand in the text as a word or a token.",
    "error.policy": "policy is {policy!r}; it must be one of {allowed}",
    "error.rate": "rate is {rate}; it must be greater than 0 and at most 1",
    "error.split": "split is {split}; it must be three probabilities (masked, replaced, kept) that sum to 1",
    "error.no_mask_token": "This model's tokenizer has no mask token, so nothing can be masked.",
    "error.spelling": "The vocabulary of {model} cannot spell {word!r}, so the model gives it no probability.",
    "error.no_scorer": (
        "{word!r} is not a token of the vocabulary, and this prediction has no model at hand to score it as a word."
    ),
    "error.not_a_slot": "Position {position} is not a slot; the slots are at {slots}.",
    "error.which_slot": "There are {count} slots: say which one, slot=0 to slot={last}.",
    "error.no_layers": "No layer was asked for: name at least one.",
    "error.nothing_to_sweep": "There is no token to mask whose original is known.",
    "error.too_many_slots": "{count} slots are too many to be filled together; the limit is {most}.",
    "error.beam": "beam is {beam} and count is {count}; both must be at least 1.",
    "error.no_such_layer": "Layers {layers} were asked for; {model} has layers 0 to {last}: name at least one of them.",
    "error.head": "A head is given as a pair (layer, head), both from zero, not as {given!r}.",
    "error.seed": "seed is {seed!r}; it must be a whole number from 0 to {most}",
    "error.no_such_head": "There is no head ({layer}, {head}) in {model}.",
    "error.vocabulary": (
        "Tokenizer and model do not fit together: the tokenizer knows {tokenizer} tokens, the model {model}."
    ),
    "error.no_directory": "There is no model directory {source!r}. Without the network these can be loaded: {known}.",
    "error.unknown_model": (
        "The model {name!r} is not on this machine and could not be fetched. "
        "Without the network these can be loaded: {known}."
    ),
    "error.config": "{name} is not a model that can be read: {why}",
    "error.causal": (
        "{name} is a left-to-right model ({kind}): it predicts the next token and has no use for a mask. "
        "Load a masked language model, such as BERT."
    ),
    "error.family": "{name} is of the family {kind!r}, which is not supported; supported are: {known}.",
    "error.tokenizer": "The tokenizer of {name} cannot be read: {why}",
    "error.no_vocabulary": "The tokenizer of {name} knows no words: the files of its vocabulary are missing.",
    "error.weights": "The weights of {name} cannot be read, the file may be damaged or cut off: {why}",
    "error.mismatched": "Weights and config of {name} do not fit together; these tensors differ in size: {tensors}.",
    "error.custom_code": "{name} can only be run by the Python code in its checkpoint; such code is never run here.",
    "error.weights_with_code": (
        "The weights of {name} cannot be read: the file is damaged, or holds more than tensors. "
        "Code in a checkpoint is never run; ask for the weights as safetensors."
    ),
    "error.missing_body": "The weights of {name} are incomplete: these tensors are missing: {tensors}.",
    "error.missing_head": (
        "{name} has no head for masked tokens, so it cannot predict; these tensors are missing: {tensors}. "
        "Its attention can be read all the same."
    ),
    "error.tokenizer_without_mask": (
        "The tokenizer of {name} has no mask token, so nothing can be masked or predicted. "
        "The model's attention can be read all the same."
    ),
    "sweep.progress": "surprisal",
    # --- sentences to count over, curves ------------------------------------------------------
    "sentences.language": "there are no sentences in {language!r}; there are: {known}",
    "curve.progress": "accuracy by rate",
    "curve.error.nothing": "There is nothing to count: give at least one text and one rate.",
    "curve.error.top": "top is {top}; it must be at least 1",
    # --- the film of a training ---------------------------------------------------------------
    "film.scene": (
        "A sentence of a film has one word to guess in braces, like: The sun rises in the {{east}}. Not so: {line}"
    ),
    "film.unreadable": "{path} cannot be read: {why}",
    "film.damaged": "The film is damaged; this does not fit: {why}",
    # --- paths and commands -------------------------------------------------------------------
    "paths.no_data": "there is no data directory {folder}; set {variable} to the one that holds models/",
    "cli.about": "See what a masked language model predicts, and what it attends to.",
    "cli.lab.about": "Open JupyterLab on the notebooks.",
    "cli.lab.folder": "the folder to open; the project's notebooks, or else the current folder",
    "cli.lab.port": "port to listen on; default: {variable}, or else 8888; the next free one if it is taken",
    "cli.lab.ip": "address to listen on; 0.0.0.0 makes a container's published port reachable from outside",
    "cli.lab.no_browser": "only print the address",
    "cli.lab.bad_port": "{text!r} is not a port; give a number from 1 to 65535",
    "cli.lab.no_folder": "there is no folder {folder}; give one that exists, or none for the notebooks",
    "cli.lab.opening": "Opening {folder} in the browser. Ctrl-C twice stops it. If no page appears, use this address:",
    "cli.lab.address": "Serving {folder}. Open the address below in a browser; Ctrl-C twice stops it.",
    "cli.models.about": "List the bundled models.",
    "cli.models.paths": "print the directories, to be handed to mlm_viz.load",
    "cli.models.none": "there is no model in {folder}",
    "cli.models.line": "{name}: {family}, {layers} layers x {width}, {heads} heads, {megabytes:.1f} MB",
    # --- training -----------------------------------------------------------------------------
    "cli.train.about": "Train a masked language model on your own text, or go on with a training.",
    "cli.evaluate.about": "Measure a model on text: accuracy, bits, calibration.",
    "train.help.texts": "text files (.txt, .tsv pairs, .jsonl; also .xz, .gz); FILE=4 counts a file four times",
    "train.help.out": "folder for the model; a new or empty one unless --resume",
    "train.help.recipe": "a TOML or JSON file with texts (path, repeat, name) and settings; flags go before it",
    "train.help.resume": "go on with the training in --out, with its texts and settings",
    "train.help.quiet": "show no progress bar",
    "train.help.film": "sentences, a line each, with the word to guess in braces: writes film.json beside the model",
    "train.help.layers": "layers of the network; default: by the size of the text",
    "train.help.width": "width of the network; default: by the size of the text",
    "train.help.heads": "attention heads in a layer; default: by the size of the text",
    "train.help.vocab": "pieces in the vocabulary; default: by the size of the text, at most 14,000",
    "train.help.steps": "budget: so many steps",
    "train.help.minutes": "budget: so many minutes of training, reading the text not counted; default: 10",
    "train.help.batch_tokens": "tokens in a batch; default: by device and size of the text",
    "train.help.limit": "longest input in tokens, and the limit of the model; default: 256",
    "train.help.short": "longest input in tokens at the start; default: 64",
    "train.help.long_from": "fraction of the budget from which inputs go up to the limit; default: 0.8",
    "train.help.seed": "of everything random; default: 0",
    "train.help.checkpoint_steps": "write a checkpoint every so many steps",
    "train.help.checkpoint_minutes": "write a checkpoint every so many minutes; default: 5",
    "train.help.family": "kind of network: modernbert (default) or bert",
    "train.help.optimizer": "muon (default: fewer, slower steps) or adamw",
    "train.help.rate": "highest learning rate; default: 0.002",
    "train.help.warmup": "fraction of the budget over which the learning rate rises; default: 0.05",
    "train.help.decay": "how the learning rate falls: linear (default), cosine, or wsd (in the last quarter only)",
    "train.help.weight_decay": "weight decay of the matrices; default: 0.01",
    "train.help.dropout": "dropout; default: 0",
    "train.help.mask_from": "share of the tokens masked at the start; default: 0.3",
    "train.help.mask_to": "share of the tokens masked at the end; default: 0.15",
    "train.help.replaced": "of the tokens to guess, share replaced by a random one; default: 0.1",
    "train.help.kept": "of the tokens to guess, share left standing; default: 0.1",
    "train.help.held_out": "fraction of the lines never trained on; default: about 200 lines, 0.005 to 0.05",
    "train.help.objective": "what is trained: masked",
    "train.help.device": "auto (default), cpu, cuda or mps",
    "train.help.precision": "auto (default: bf16 where the processor has it), bf16 or fp32",
    "train.help.dtype": "of the weights that are saved: fp16 (default) or fp32",
    "train.help.whole_words": "mask all pieces of a word or none",
    "train.help.keep": "leave the working folder (ids, checkpoints) standing at the end",
    "train.encoding": "reading",
    "train.bar": "training",
    "train.bar.now": "step {step:,} · {speed:,} tokens/s · {bits:.2f} bits",
    "train.finished": "{folder}: trained for {steps:,} steps, {tokens:,} tokens, {minutes:.1f} minutes.",
    "train.stopped": (
        "{folder}: stopped after {steps:,} steps, {tokens:,} tokens, {minutes:.1f} minutes; --resume goes on."
    ),
    "train.error.no_text": "There is no text to train on: name at least one file.",
    "train.error.empty": "{path} is empty: there is no line with text in it.",
    "train.error.binary": "{path} is not a text file: it has bytes that no text has.",
    "train.error.encoding": "{path} is not UTF-8 (near line {line}); save it as UTF-8, for example with iconv.",
    "train.error.packing": "{path} is damaged or not packed as its name says: {why}",
    "train.error.read": "{path} cannot be read: {why}",
    "train.error.pair": "{path}, line {line}, is no pair: write two texts with a tab between them.",
    "train.error.jsonl": '{path}, line {line}, must be a JSON object with a string "text".',
    "train.error.repeat": "{path} is to be repeated {repeat} times; it must be more than 0.",
    "train.error.recipe": "The recipe {path} cannot be read or has something that does not belong there: {why}",
    "train.error.no_words": "There is no word to build a vocabulary from: the texts have no letters or signs.",
    "train.error.nothing_left": "All lines of the texts are held out: give more text or a smaller held_out.",
    "train.error.small": (
        "The texts have {tokens} tokens, fewer than a batch of {batch}: give more text or a smaller batch_tokens."
    ),
    "train.error.no_room": "There is no room on the disk for {path}; what was complete before is still there.",
    "train.error.write": "{path} cannot be written: {why}",
    "train.error.choice": "{name} is {value!r}; it must be one of: {allowed}",
    "train.error.range": "{name} is {value!r}; it must be a number from {least} to {most}",
    "train.error.heads": "A width of {width} cannot be shared among {heads} heads: choose a multiple of the heads.",
    "train.error.unknown_setting": "There is no setting {names}; there are: {known}",
    "train.error.other_setting": (
        "The training was begun with {name} {was!r} and cannot go on with {now!r}: leave it out, or train anew."
    ),
    "train.error.unfinished": "In {folder} there is an unfinished training: resume it, or choose another folder.",
    "train.error.not_empty": "{folder} is not an empty folder: choose another one for the model.",
    "train.error.nothing_to_resume": "In {folder} there is no training to resume.",
    "train.error.device": "There is no {device} on this machine that torch can use; choose another device, or auto.",
    "train.error.checkpoint": "{path} is damaged or no checkpoint: remove it to go on from the one before.",
    "train.error.shape": "{path} is of a model of another shape: {name} is {was} there and {now} here.",
    "train.error.not_finite": "The loss is no number any more after step {step}; try a rate lower than {rate}.",
    "evaluate.help.model": "a folder, or the name of a model; `default` is the bundled one",
    "evaluate.help.texts": "text files as for `mlm-viz train`",
    "evaluate.help.all": "look at every line, not only at those held out of training",
    "evaluate.help.lines": "look at so many lines of each text at most",
    "evaluate.help.rate": "share of the tokens to mask; default: 0.15",
    "evaluate.help.seed": "of the choice of tokens; default: 0",
    "evaluate.help.json": "print JSON",
    "evaluate.all": "all",
    "evaluate.lines": " lines",
    "evaluate.title": "{model}, {rate:.0%} masked, seed {seed}{share}",
    "evaluate.held_out": ", held-out lines ({share:.2%})",
    "evaluate.column.source": "source",
    "evaluate.column.lines": "lines",
    "evaluate.column.masked": "masked",
    "evaluate.column.accuracy": "accuracy",
    "evaluate.column.top5": "top 5",
    "evaluate.column.bits_token": "bits/token",
    "evaluate.column.bits_character": "bits/character",
    "evaluate.column.calibration": "calibration error",
    "evaluate.bin.range": "confidence",
    "evaluate.bin.count": "guesses",
    "evaluate.bin.confidence": "mean",
    "evaluate.bin.accuracy": "right",
    "evaluate.error.no_lines": "{path} has no held-out line to look at; --all looks at every line.",
    # --- bertviz: the frames under the attention panel, and what stands in their place -------
    "bertviz.head.title": "bertviz head view of layer {layer}",
    "bertviz.head.caption": (
        "bertviz head view, layer {layer}. Left: the token that looks; right: where it looks. Hover over a token; "
        "click a square to switch its head off or on, double-click to see it alone."
    ),
    "bertviz.head.square": "Head {head}",
    "bertviz.model.title": "bertviz model view of layer {layer}",
    "bertviz.model.caption": "bertviz model view, layer {layer}. Each picture is a head; click one to open it.",
    "bertviz.too_large": (
        "bertviz's {view} view is not drawn: for {tokens} tokens and {heads} heads it would be a page of {size} MB "
        "with {lines} lines, which freezes a browser (limits: {max_size} MB, {max_lines} lines). "
        "Shorten the text: {most} tokens fit with {heads} heads, {single} with one."
    ),
    "bertviz.missing": (
        "bertviz's views cannot be drawn: {path} of the package {package} is not installed. "
        "Install it with: pip install {package}"
    ),
    "bertviz.error.view": "view is {view!r}; it must be 'head' or 'model'",
    "bertviz.error.shape": (
        "weights have shape {shape}, labels number {size}; weights must be (layers, heads, {size}, {size}), not empty"
    ),
    "bertviz.error.layer": "layer is {layer}; it must be from 0 to {last}",
    "bertviz.error.heads": "heads are {heads}; choose at least one, each from 0 to {last}",
    # --- token strip ------------------------------------------------------------------------
    "strip.label": "Tokens: Space masks, Shift+Space masks the whole word, arrows move, Enter shows a slot",
    "strip.tabs": "Slots",
    "strip.badge": "Show this slot",
    "strip.hint.none": "Click a token to mask it; Shift+click takes the whole word.",
    "strip.hint.one": "Click more tokens for more slots; click a masked token again to unmask it.",
    "strip.legend.masked": "masked",
    "strip.legend.replaced": "replaced by another token",
    "strip.legend.kept": "chosen, but kept as it is",
    "strip.low": "low",
    "strip.high": "high",
    "strip.name": "{label}, token {number} of {count}",
    "strip.name.special": "special, cannot be masked",
    "strip.name.blank": "blank",
    "strip.name.masked": "masked",
    "strip.name.replaced": "replaced by {replacement}",
    "strip.name.kept": "chosen but kept",
    "strip.name.slot": "slot {slot}",
    "strip.name.shown": "slot {slot}, shown",
    "strip.name.shade": "{title} {value}",
    "strip.said.masked": "masked {label}",
    "strip.said.unmasked": "unmasked {label}",
    "strip.said.special": "{label} is a special token and cannot be masked",
    "strip.tab.blank": "{slot} · {mask}",
    "strip.tab.masked": "{slot} · {mask} {label}",
    "strip.tab.replaced": "{slot} · {label} ⇄ {replacement}",
    "strip.tab.kept": "{slot} · {label} = {label}",
    # --- grid of heads ----------------------------------------------------------------------
    "heads.label": "Attention heads: a row for each layer, a column for each head",
    "heads.layer": "Layer",
    "heads.head": "Head",
    "heads.corner": "Head",
    "heads.caption": "Layer {layer} · Head {head}",
    "heads.name": "Layer {layer}, head {head}",
    "heads.name.selected": "Layer {layer}, head {head}, selected",
    "heads.empty": "No attention to show",
    # --- figures ----------------------------------------------------------------------------
    "figure.error.k": "k is {k}; it must be at least 1",
    "figure.error.before": (
        "before has a vocabulary of {before} tokens, the slot one of {size}: compare predictions of the same model"
    ),
    "figure.error.curves": "{count} curves were given; from 1 to {most} can be told apart",
    "figure.error.traces": "the figure on the page is made of {old}, the new one of {new}; show it in a new widget",
    "figure.probability": "probability",
    "figure.bars.guess": "guess",
    "figure.bars.original": "✓ original",
    "figure.bars.extra": "+ asked for",
    "figure.bars.before": "before",
    "figure.bars.pieces": "pieces: {pieces}",
    "figure.bars.probability": "probability {value}",
    "figure.bars.rank": "rank {rank:,}",
    "figure.bars.surprisal": "surprisal {bits:.2f} bits",
    "figure.bars.was": "before {value}",
    "figure.bars.change": "changed by {points} percentage points, {bits} bits",
    "figure.bars.entropy": "entropy {bits:.2f} bits",
    "figure.bars.line": "{rank}. {word}: {value}, surprisal {bits:.2f} bits",
    "figure.bars.line.original": "{line}, the original",
    "figure.attention": "attention",
    "figure.attention.query": "query",
    "figure.attention.key": "key",
    "figure.attention.left": "left",
    "figure.attention.right": "right",
    "figure.attention.self": "itself",
    "figure.attention.special": "special tokens",
    "figure.attention.share": "{kind} {value}",
    "figure.attention.head": "Layer {layer} · Head {head}",
    "figure.attention.head_only": "Head {head}",
    "figure.attention.bits": "{bits:.1f} bits",
    "figure.attention.entropy": "entropy",
    "figure.attention.entropy_value": "entropy {bits:.2f} bits",
    "figure.attention.looks": "{query} → {key}: {value}",
    "figure.attention.text": "Layer {layer}, head {head}: {query} (token {number}) looks most at",
    "figure.attention.text.key": "{key} (token {number}): {value}",
    "figure.attention.text.shares": "left {left}, right {right}, itself {self}, special tokens {special}",
    "figure.surprisal": "surprisal (bits)",
    "figure.surprisal.right": "✓ the model's best guess",
    "figure.surprisal.wrong": "guessed otherwise",
    "figure.surprisal.guess": "best guess: {guess}",
    "figure.curve.rate": "share of tokens masked",
    "figure.curve.accuracy": "guessed right",
    "figure.curve.point": "{name}: {value} right ({low} to {high}) when {rate} is masked",
    "figure.shift.title": "Jensen-Shannon divergence {bits:.3f} bits",
    "figure.shift.axis": "change in percentage points",
    "figure.shift.up": "▲ more probable",
    "figure.shift.down": "▼ less probable",
    # --- explorer: text, strip, prediction, attention -----------------------------------------
    "error.unexpected": "Something went wrong that should not: {why}",
    "text.label": "Text",
    "text.placeholder": "Type a sentence; write ____ or [MASK] for a gap",
    "text.examples": "Examples …",
    "text.random": "Mask 15 %",
    "text.random.hint": "Choose 15 % of the tokens as in training: 80 % masked, 10 % replaced, 10 % kept",
    "text.seed": "seed",
    "text.seed.hint": "The same seed makes the same choice",
    "text.clear": "Clear",
    "text.clear.hint": "Unmask everything but the blanks typed in the text",
    "text.surprisal": "Surprisal",
    "text.surprisal.hint": "Shade each token by how surprising it is when it alone is masked",
    "text.model": "Model: {name} ({about})",
    "text.model.about": "{family}, {layers} layers x {heads} heads, reads up to {limit} tokens",
    "strip.mask": "[MASK]",
    "strip.title": "{piece} · token {position} · id {id}",
    "strip.shade.surprisal": "surprisal, 0 to {most} bits",
    "panel.bits": "{bits:.2f} bits",
    "panel.text": "As text",
    "panel.text.hint": "Show the picture as text",
    "prediction.slot": "slot",
    "prediction.slot.number": "slot {number}",
    "prediction.of": "{number} of {count}",
    "prediction.original": "original",
    "prediction.unknown": "not known (a typed blank)",
    "prediction.rank": "rank",
    "prediction.probability": "probability",
    "prediction.surprisal": "surprisal",
    "prediction.pieces": "pieces",
    "prediction.entropy": "entropy",
    "prediction.entropy.value": "{bits} ≈ {words:,} equal words",
    "prediction.divergence": "JS divergence from pinned",
    "prediction.pin": "Pin",
    "prediction.pin.hint": "Hold this distribution: every later one is shown against it",
    "prediction.pinned": "pinned",
    "prediction.before": "before",
    "prediction.word": "Ask for a word",
    "prediction.word.hint": "any word, then Enter",
    "prediction.no_slot": "Click a token above: it becomes a mask, and the model's guesses for it appear here.",
    "prediction.nothing": "There is no prediction to show.",
    "joint.caption": "Filled together (chain rule, left to right) and each slot on its own",
    "joint.together": "together",
    "joint.apart": "product of each on its own",
    "joint.alone": "Each slot on its own would say “{fill}”; as a whole that has probability {probability}.",
    "attention.open": "Attention heads",
    "attention.open.hint": "Show where each head looks",
    "attention.head": "open",
    "attention.head.value": "layer {layer}, head {head}",
    "attention.query": "looking from",
    "attention.query.value": "{label} (token {number})",
    "attention.left": "to the left",
    "attention.right": "to the right",
    "attention.self": "to itself",
    "attention.special": "to special tokens",
    "attention.entropy": "entropy",
    "attention.view": "Show",
    "attention.view.matrix": "the whole matrix",
    "attention.view.row": "only the row of the slot",
    "attention.view.shares": "shares: left, right, self, special",
    "attention.specials": "Special tokens",
    "attention.specials.show": "shown",
    "attention.specials.hide": "hidden",
    "attention.specials.renormalise": "hidden, rows rescaled to 100 %",
    "attention.bertviz": "bertviz",
    "attention.bertviz.off": "off",
    "attention.bertviz.head": "head view",
    "attention.bertviz.model": "model view",
    "attention.nothing": "There is no attention to show: the text cannot be read.",
}

LANGUAGES: dict[str, dict[str, str]] = {"en": _ENGLISH}

_language = "en"


def language() -> str:
    """The code of the language in use, a key of `LANGUAGES`."""
    return _language


def set_language(code: str) -> None:
    """Choose the language of everything built from now on.

    Raises:
        ValueError: if there is no set of strings for `code`; names those there are.
    """
    global _language
    if code not in LANGUAGES:
        raise ValueError(say("error.language", code=code, known=", ".join(LANGUAGES)))
    _language = code


def say(key: str, /, **values: Any) -> str:
    """The string called `key` in the language in use, with `values` filled in by `str.format`.

    Values are plain text; whoever puts the result into markup escapes it there.
    """
    return LANGUAGES[_language][key].format(**values)


def section(prefix: str) -> dict[str, str]:
    """All strings whose key starts with `prefix.`, keyed by what follows: what a front-end part is handed."""
    start = prefix + "."
    return {key.removeprefix(start): value for key, value in LANGUAGES[_language].items() if key.startswith(start)}
