"""Every string a person reads in the widgets and errors, in one place.

A second language is a second dictionary with the same keys; nothing else in the package holds prose.
"""

from __future__ import annotations

from typing import Any

_ENGLISH: dict[str, str] = {
    # --- next sentence prediction, the view -----------------------------------------------------
    "next_sentence.view.reading": "The model reads the pairs of sentences …",
    "next_sentence.view.epoch": (
        "Epoch {done} of {epochs}: of the pairs never trained on {accuracy:.0%} right (chance is 50%), {bits:.2f} bits."
    ),
    "next_sentence.view.first": "First sentence",
    "next_sentence.view.first.example": "The bread was still warm.",
    "next_sentence.view.second": "Second sentence",
    "next_sentence.view.second.example": "She cut a slice and put butter on it.",
    "next_sentence.view.wait": "Once it has learned, the head can be asked about two sentences.",
    "next_sentence.view.answer": "That the second sentence follows the first: {probability:.0%}.",
    # --- one gap, models of several kinds -----------------------------------------------------
    "gap.none": "There is no gap: write ____ where a word is to be guessed, or say which word of the text it is.",
    "gap.several": "There are {count} gaps: leave one, and write the other words out.",
    "gap.not_there": "{word!r} does not stand in the text.",
    "gap.splits": "The gap splits a word (…{before}____{behind}…): leave out whole words.",
    "gap.unknown": "The word of a gap is not known, so it cannot be scored.",
    "gap.too_long": "The text has {tokens} tokens for {model}, which reads at most {limit}: shorten it.",
    "gap.no_offsets": "The tokenizer of {model} does not say where its tokens stand in the text.",
    "gap.nothing_left": "{model} goes on from what stands before, and here nothing does: let the gap come later.",
    "gap.no_sentinels": (
        "{name} is an encoder-decoder without sentinels ({sentinel}): it was not trained to fill in spans as T5 was."
    ),
    "gap.kind": "{name} is {kind}; {wanted} is needed here.",
    "gap.masked_network": "{name} is a masked model loaded with load_network; load it with load.",
    "compare.no_column": "There is no column {name!r}; there are: {known}.",
    "compare.revealed": "revealed is {revealed}; on the right there are {most} words, so say 0 to {most}.",
    "kind.masked": "a masked model",
    "kind.causal": "a left-to-right model",
    "kind.span": "a span-filling encoder-decoder",
    # --- one gap, several models side by side: figures and widget -------------------------------
    "comparison.sees.masked": "sees both sides",
    "comparison.sees.blinded": "sees the left side",
    "comparison.sees.causal": "sees the left side",
    "comparison.sees.span": "sees both sides",
    "comparison.mark.guess": "guess",
    "comparison.mark.original": "✓ true word",
    "comparison.mark.special": "special token",
    "comparison.no_answer": "no answer",
    "comparison.word": "{value}, rank {rank:,}",
    "comparison.entropy": "entropy {bits:.2f} bits",
    "comparison.text.head": "{side} (model: {model})",
    "comparison.text.guess": "  {line}",
    "comparison.text.original": "✓ {line}",
    "comparison.text.special": "  {line} (special token)",
    "comparison.in_view": "{seen} of {most} words on the right in view",
    "comparison.view.nothing": "With nothing standing to the right of the gap",
    "comparison.view.none": "With none of the {most} words on the right in view",
    "comparison.view.some": "With {seen} of {most} words on the right in view",
    "comparison.view.all": "With all {most} words on the right in view",
    "comparison.who.masked": "the masked model",
    "comparison.who.blinded": "the masked model blinded to the right",
    "comparison.who.causal": "the left-to-right model",
    "comparison.who.span": "the span model",
    "comparison.caption.word": "{view}, “{word}” gets {values}.",
    "comparison.caption.value": "{value} from {who}",
    "comparison.caption.guesses": "{view}, the best guess is {guesses}.",
    "comparison.caption.guess": "“{word}” ({value}) for {who}",
    "comparison.caption.one": "The last one cannot look to the right.",
    "comparison.caption.two": "The last two cannot look to the right.",
    "comparison.pattern.full": "Every token looks at every token.",
    "comparison.pattern.hidden": "Every token in view looks at every token in view.",
    "comparison.pattern.triangular": "Each token looks at itself and at those before it.",
    "comparison.pattern.parts": "What is read looks both ways; what is written, back and at all that is read.",
    "comparison.pattern.closed": "may not look",
    "comparison.pattern.slot": "row of the guess",
    "comparison.pattern.weight": "mean attention",
    "comparison.pattern.part.read": "read",
    "comparison.pattern.part.written": "written",
    "comparison.pattern.text.closed": "{closed:,} of {cells:,} cells are closed.",
    "comparison.pattern.text.slot": "The guess is read at {query} (token {number}), which looks most at:",
    "comparison.curve.none": "none",
    "comparison.curve.words": "words on the right, as they come into view",
    "comparison.curve.probability": "probability of {word}",
    "comparison.curve.entropy": "entropy of the guess (bits)",
    "comparison.curve.point": (
        "{side}; {word}: {value} ({surprisal:.2f} bits); best guess {guess}; entropy {bits:.2f} bits"
    ),
    "comparison.curve.point.unknown": "{side}; best guess {guess}; entropy {bits:.2f} bits",
    "comparison.curve.text.first": "None of the right side in view:",
    "comparison.curve.text.step": "{seen} in view, the last one “{word}”:",
    "comparison.sentence": "Sentence",
    "comparison.sentence.hint": "with ____ for one word, or whole with that word beside it; then Enter",
    "comparison.gap": "Word in the gap",
    "comparison.gap.hint": "if it is known; then Enter",
    "comparison.examples": "Examples …",
    "comparison.example": "{text} ({word})",
    "comparison.models": "Models …",
    "comparison.models.hint": "Put other models into the columns",
    "comparison.model.masked": "masked",
    "comparison.model.blinded": "blinded",
    "comparison.model.causal": "left to right",
    "comparison.model.span": "span",
    "comparison.model.own": "the bundled one",
    "comparison.model.same": "the masked one",
    "comparison.model.note": (
        "A name or a folder, then Enter: BERT and its kin in the first two columns, GPT-2 or Llama and theirs in the "
        "third, T5 in the last. Emptied, the bundled one is back."
    ),
    "comparison.problem": "{side}: {why}",
    "comparison.asking": "asking the models …",
    "comparison.waiting": "The right side comes into view, word by word …",
    "comparison.player.label": "The right side of the gap",
    "comparison.player.slider": "Words revealed on the right",
    "comparison.player.play": "Reveal",
    "comparison.player.pause": "Pause",
    "comparison.player.again": "Reveal",
    "comparison.heading.patterns": "Who looks at whom",
    "comparison.heading.curves": "Word by word",
    # --- the measured table: words of sentences, the time of a pass, three objectives ----------
    "side.masked": "masked",
    "side.blinded": "masked, blinded to the right",
    "side.causal": "left to right",
    "side.span": "span",
    "word_test.progress": "Asking for every word",
    "word_test.words": "words",
    "word_test.difference": "masked less left to right",
    "word_test.panel": "{language}, {place}",
    "word_test.language.en": "English",
    "word_test.language.zh": "Chinese",
    "word_test.language.own": "own sentences",
    "word_test.place.first": "first word",
    "word_test.place.middle": "middle of the sentence",
    "word_test.place.last": "last word",
    "word_test.cell.accuracy": "{value:.1%} ({low:.1%} to {high:.1%})",
    "word_test.cell.bits": "{value:.2f} ({low:.2f} to {high:.2f})",
    "word_test.difference.accuracy": "{value:+.1%} ({low:+.1%} to {high:+.1%})",
    "word_test.difference.bits": "{value:+.2f} ({low:+.2f} to {high:+.2f})",
    "word_test.error.places": "places is ({given}); name one or more of: {known}.",
    "word_test.error.string": "Sentences are a list of texts, or such lists by language, not one text.",
    "word_test.error.blank": (
        "Give whole sentences, without blanks: every word is left out in turn. This one has one: {text}"
    ),
    "word_test.error.nothing": "There are no sentences to ask about.",
    "word_test.error.sample": (
        "sample is {sample}; it must be {least} sentences at least, for an interval is drawn from them."
    ),
    "word_test.error.few": (
        "{panel}: there is a word to ask for in {count} sentences; an interval needs {least} at least."
    ),
    "figure.word_test.error.of": "of is {of!r}; it must be one of: {known}.",
    "figure.word_test.accuracy": "words guessed",
    "figure.word_test.bits": "bits per word: fewer is better",
    "figure.word_test.accuracy.told": "{side}: {value} of the words guessed ({low} to {high})",
    "figure.word_test.bits.told": "{side}: {value} bits per word ({low} to {high})",
    "figure.word_test.accuracy.difference": "{value} points ({low} to {high})",
    "figure.word_test.bits.difference": "{value} bits ({low} to {high})",
    "figure.word_test.counts": "{words:,} words of {sentences:,} sentences",
    "figure.word_test.text.panel": "{name}: {counts}",
    "figure.word_test.note.interval": (
        "Lines and brackets: 95 % intervals from drawing whole sentences again, for words of one sentence are not "
        "independent. Both models had the same words, so judge by the interval of the difference, not by whether two "
        "intervals overlap."
    ),
    "figure.word_test.note.alike": (
        "A masked model is told of how many pieces the word is; the others are not. Behind the last word, masked and "
        "span still see the mark that ends the sentence."
    ),
    "figure.word_test.note.bits": "Bits: -log2 of the probability of the whole word.",
    "figure.objectives.error.by": "by is {by!r}; it must be 'tokens' or 'targets'.",
    "figure.objectives.tokens": "tokens read",
    "figure.objectives.targets": "tokens learned from",
    "figure.objectives.bits": "held-out loss (bits per target)",
    "figure.objectives.name": "{name}: learns from {share}",
    "figure.objectives.point": "{name}: {bits:.2f} bits",
    "figure.objectives.counts": "{tokens:,} tokens read, {targets:,} learned from",
    "figure.objectives.text": (
        "{name}: learns from {share} of the tokens it reads; {tokens:,} read, {targets:,} learned from; held-out loss "
        "from {start_bits:.2f} to {bits:.2f} bits, nine tenths of the way after {tokens_90:,} tokens read or "
        "{targets_90:,} learned from."
    ),
    "figure.objectives.note": (
        "Each curve has targets of its own: masked tokens, the next token, or tokens of spans and the marks between "
        "them. A hidden word is easier with both sides in view. So compare how fast the curves fall, not their heights."
    ),
    "learning.no_objective": (
        "{path} does not tell how a whole training went: steps, held-out loss and how many tokens were targets."
    ),
    "pass_times.progress": "Timing",
    "pass_times.error.repeats": "repeats is {repeats}; each task must be timed once at least.",
    "pass_times.error.of": "There is no timing of {task!r} by {side!r}; there are: {known}.",
    "pass_times.error.short": "Give a text of two words at least; this one is {text!r}.",
    # --- writing: several models go on with a text ----------------------------------------------
    "writing.temperature": "temperature is {temperature}; it must be 0 (the best token) or a number above 0.",
    "writing.top_p": "top_p is {top_p}; it must be above 0 and at most 1 (all tokens).",
    "writing.seed": "seed is {seed}; it must be a whole number from 0.",
    "writing.tokens": "tokens is {tokens}; at least one must be allowed.",
    "writing.words": "words is {words}; it must be from 1 to {most}.",
    "writing.no_writer": "There is nothing here by {name!r}; there is something by: {known}.",
    "writing.role": "There is no role {name!r}; there are: {known}.",
    "writing.prompts": (
        "There are {prompts} prompts and {references} references; give a list of two prompts at least, and a reference "
        "for each or none."
    ),
    "writing.progress": "writing",
    "writing.writer.causal": "left to right",
    "writing.writer.span": "span",
    "writing.writer.left_to_right": "masked, left to right",
    "writing.writer.confident": "masked, most confident first",
    "writing.writer.random": "masked, random order",
    "writing.writer.gibbs": "masked, Gibbs",
    "writing.writer.human": "a human",
    "writing.how.causal": "sees what stands before, writes word by word, ends when it likes",
    "writing.how.span": "sees both sides, writes into a gap of unknown length",
    "writing.how.masked": "gets {words} masks, fills one at a time, sees both sides",
    "writing.judge.causal": "judged by the left-to-right model",
    "writing.judge.masked": "judged by the masked model",
    "writing.card.causal": "bits per character, left-to-right judge",
    "writing.card.masked": "bits per character, masked judge",
    "writing.card.distinct": "distinct word pairs",
    "writing.card.repetition": "longest repetition",
    "writing.card.words": "words",
    "writing.card.own": "{value} (itself)",
    "writing.card.bits": "{value:.2f}",
    "writing.card.repeated": "{words:.0f} words",
    "writing.card.none": "–",
    "writing.prompt": "Text to go on with; or one ____ in it for a gap",
    "writing.examples": "Examples …",
    "writing.control.temperature": "temperature",
    "writing.control.temperature.hint": "0: always the best token; 1: as the model has it; more: flatter",
    "writing.control.top_p": "top-p",
    "writing.control.top_p.hint": "Draw from the fewest tokens that have so much probability together",
    "writing.control.words": "words",
    "writing.control.words.hint": "At most so many; the masked model gets so many masks",
    "writing.control.seed": "seed",
    "writing.control.seed.hint": "The same seed draws the same tokens",
    "writing.control.write": "Write",
    "writing.control.write.hint": "Have all models go on with the text",
    "writing.control.again": "Again",
    "writing.control.again.hint": "With the next seed: other draws",
    "writing.control.stop": "Stop",
    "writing.control.stop.hint": "Stop writing and keep what is there",
    "writing.status.ready": "Type a text and press Write.",
    "writing.status.busy": "Writing: {writer} …",
    "writing.status.stopped": "Stopped.",
    "writing.status.done": "All have written (seed {seed}).",
    "writing.legend": (
        "Bits per character: what the text costs a judge; fewer is more like the texts it learned from, and no judge "
        "should be believed about itself. Probable is not yet good: look at the repetitions, too."
    ),
    "writing.text": "{writer}: {text} ({numbers})",
    "writing.text.number": "{name} {value}",
    "figure.writing.bits": "bits per character, mean over prompts",
    "figure.writing.language.en": "English",
    "figure.writing.language.zh": "Chinese",
    "figure.writing.point": "{writer}, {judge}: {value:.2f} bits per character ({low:.2f} to {high:.2f})",
    "figure.writing.own": "a model about its own writing",
    "figure.writing.distinct": "distinct pairs",
    "figure.writing.repetition": "repeated",
    "figure.writing.words": "written",
    "figure.writing.count": "{words:.1f} words",
    "figure.writing.share": "{name}: {value} ({low} to {high})",
    "figure.writing.note": (
        "Lines are 95 % intervals from drawing prompts again. Hollow: {own}. Distinct pairs: how many different "
        "pairs of neighbouring words there are among all pairs; repeated: longest run of words that had stood before."
    ),
    # --- errors -----------------------------------------------------------------------------
    "error.language": "there are no strings in {code!r}; there are: {known}",
    "error.empty": "There is no text to read: type a sentence.",
    "error.no_slot": "There is no slot: write [MASK] or ____ where a word is to be guessed, or mask a token.",
    "error.no_slot_in": "Text number {number} has no slot: write [MASK] or ____ where a word is to be guessed.",
    "error.not_text": "A text is a string, not {given!r}.",
    "error.one_text": "Give a list of texts, not one text: {given!r}.",
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
    "error.no_such_layer": (
        "Layers {layers} were asked for; {model} has layers {first} to {last} to give: name at least one of them."
    ),
    "error.no_such_start": "A pass cannot start in front of layer {layer}; for {model} say 0 to {last}.",
    "error.head": "A head is given as a pair (layer, head), both from zero, not as {given!r}.",
    "error.view": "There is no view {name!r}; there are: {known}",
    "error.aim": "aim is {aim!r}; it must be one of: {allowed}",
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
    "error.span": (
        "{name} is an encoder-decoder model ({kind!r}): it writes an answer and does not fill in masks. "
        "Load a masked language model; supported families are: {known}."
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
    # --- what heads do -----------------------------------------------------------------------
    "board.progress": "heads",
    "board.replace": "replace is {replace!r}; it must be 'zero' or 'mean'",
    "board.no_reference": "There is no text to average over: give at least one.",
    "board.means": "The means have shape {given}; for {model} they must be {shape}: make them with head_means.",
    "board.pieces": "{word!r} takes several tokens ({pieces}), but only one can be watched: name a token instead.",
    "search.progress": "fewest heads",
    "search.most": "most is {most}; it must be at least 1",
    "flow.layers": "Rollout follows attention through every layer from the first; these are layers {layers}.",
    "flow.head": "heads is {given!r}; it must be 'mean', 'max', or a pair (layer, head) among the layers {layers}",
    "flow.sizes": "{count} effects were given for {tokens} tokens; there must be one a token, NaN where none is known",
    # --- what the context does: influence, direction, reveal, caption --------------------------
    "influence.error.no_context": "There is nothing around the slot: type more words, so that some can be taken away.",
    "influence.error.spans": "spans is {spans!r}; leave it out for tokens, say 'words', or give a list of spans",
    "influence.error.span": (
        "spans are {spans}; give at least one, each with positions or words of the text, the slot (position {slot}) "
        "in none of them."
    ),
    "influence.error.ways": "ways are {ways}; give at least one of {allowed}",
    "influence.error.way": "The way {way!r} was not asked for; there are: {known}.",
    "influence.progress": "influence",
    "influence.way.masked": "masked",
    "influence.way.deleted": "deleted",
    "influence.way.blocked": "blocked",
    "direction.error.widths": "widths are {widths}; each must be a whole number of words, at least 1",
    "direction.view.both": "both sides",
    "direction.view.left": "left side only",
    "direction.view.right": "right side only",
    "direction.window": "{width} words",
    "direction.window.one": "±1 word",
    "reveal.progress": "context by context",
    "reveal.order.left": "from the left",
    "reveal.order.right": "from the right",
    "reveal.order.nearest": "nearest first",
    "caption.answer.guess": "The best guess, “{word}” ({value}),",
    "caption.answer.other": "“{word}” ({value}; the best guess is “{guess}”)",
    "caption.way.masked": "each masked in turn",
    "caption.way.deleted": "each deleted in turn",
    "caption.way.blocked": "each hidden from the attention in turn",
    "caption.both": "{answer} is raised most by {up} and lowered most by {down}, {how}.",
    "caption.up": "{answer} is raised most by {up}, {how}.",
    "caption.down": "{answer} is lowered most by {down}, {how}; nothing raises it.",
    "caption.nothing": "{answer} hangs on no single word: {how}, none moves it by {least:g} bits.",
    "caption.and": "{first} and {last}",
    "caption.item": "“{word}” ({bits} bits)",
    "caption.item.twice": "“{word}” (token {number}, {bits} bits)",
    "caption.side": "{side}.",
    "caption.head": "Of the heads, {head}.",
    "caption.side_and_head": "{side}; of the heads, {head}.",
    "caption.sides.left": "The left side matters more ({left} bits without it, {right} without the right side)",
    "caption.sides.right": "The right side matters more ({right} bits without it, {left} without the left side)",
    "caption.sides.alike": "Both sides matter alike ({left} bits without the left, {right} without the right)",
    "caption.sides.neither": "Neither side matters alone (less than {least:g} bits without either)",
    "caption.heads.one": "layer {layer}, head {head} matters most ({bits} bits without it)",
    "caption.heads.none": "no single one moves it by {least:g} bits",
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
    "film.empty": "There is no frame in this film: nothing was recorded yet.",
    "film.no_language": "There is no sentence in {language!r} in this film; there are: {known}",
    "film.no_frame": "There is no {kind} number {number!r} in this film; there are 0 to {last}.",
    "film.frame": "step {step:,} of {last:,} · {tokens:,} tokens read",
    "film.sentence": "Sentence",
    "film.option": "{text} ({truth})",
    "film.right": "✓ right: {value}",
    "film.wrong": "✗ the word was {truth}: {value}, rank {rank:,}",
    "film.not_measured": "No held-out text was measured in this training, so there is no loss to show.",
    "film.board.en": "English: {right} of {count} right",
    "film.board.zh": "Chinese: {right} of {count} right",
    "film.board.sentence": "best guess in its place",
    "film.board.truth": "true word",
    "film.board.rank": "rank",
    "film.board.probability": "probability",
    "player.label": "Film of the training",
    "player.slider": "Step of the training",
    "player.play": "Play",
    "player.pause": "Pause",
    "player.again": "Play again",
    # --- the evidence panel -------------------------------------------------------------------
    "evidence.open": "Why?",
    "evidence.open.hint": "what moved the prediction: words, sides, heads, layers",
    "evidence.nothing": "Nothing to measure yet: mask a token, and fill in what this view asks for.",
    "evidence.waiting": "Being measured …",
    "evidence.working": "measuring …",
    "evidence.aim": "explain",
    "evidence.aim.original": "the word in the text",
    "evidence.aim.guess": "the best guess",
    "evidence.aim.word": "the word asked about",
    "evidence.influence": "Words",
    "evidence.influence.note": "Take each word away, in three ways, and see how the explained word moves.",
    "evidence.parts": "take away",
    "evidence.parts.tokens": "single tokens",
    "evidence.parts.words": "whole words",
    "evidence.direction": "Sides",
    "evidence.direction.note": "The same slot with both sides, one side, or a few words around it.",
    "evidence.reveal": "Word by word",
    "evidence.reveal.note": "The context comes into view from the left, from the right, or from the nearest word on.",
    "evidence.way": "the rest is",
    "evidence.way.masked": "masked",
    "evidence.way.blocked": "blocked",
    "evidence.heads": "Heads",
    "evidence.heads.note": (
        "Each head silenced in turn. Click a cell, or choose in the list, to keep heads silent on the whole page."
    ),
    "evidence.replace": "a silenced head hands on",
    "evidence.replace.zero": "zeros",
    "evidence.replace.mean": "its mean over other sentences",
    "evidence.silent": "silent heads",
    "evidence.silent.none": "Silence none",
    "evidence.search": "Fewest heads that change the guess",
    "evidence.search.hint": "silence the most harmful head, then the next, until the best guess is another word",
    "evidence.effect": "Attention and effect",
    "evidence.effect.note": "Is what the slot attends to also what moves it? Attention is not explanation.",
    "evidence.over": "over",
    "evidence.over.heads": "heads",
    "evidence.over.tokens": "tokens",
    "evidence.lens": "Layers",
    "evidence.lens.note": "The slot read out after every layer, by a head that was trained on the last one only.",
    "evidence.pair": "Two sentences",
    "evidence.pair.note": "This text without masks beside another that differs little: which one is likelier?",
    "evidence.pair.other": "the other sentence",
    "evidence.pair.other.hint": "type it and press Enter",
    "evidence.within": "within a word",
    "evidence.within.original": "all other pieces stand",
    "evidence.within.left_to_right": "the pieces before it stand",
    "evidence.filling": "Filling",
    "evidence.filling.note": "All slots filled one by one, in several orders: each fill is seen by the next.",
    "evidence.order": "order",
    "evidence.heat": "temperature",
    "evidence.step": "step",
    "evidence.contrast": "One gap, two sentences",
    "evidence.contrast.note": "Every word of the vocabulary: its probability here against that in another sentence.",
    "evidence.contrast.other": "the other sentence",
    "evidence.contrast.other.hint": "with one gap, such as: She works as a ____. Press Enter",
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
    "cli.train.about": "Train a language model on your own text, or go on with a training.",
    "cli.evaluate.about": "Measure a model on text: accuracy, bits, calibration.",
    "train.help.texts": "text files (.txt, .tsv pairs, .jsonl; also .xz, .gz); FILE=4 counts a file four times",
    "train.help.out": "folder for the model; a new or empty one unless --resume",
    "train.help.recipe": "a TOML or JSON file with texts (path, repeat, name) and settings; flags go before it",
    "train.help.resume": (
        "go on with the training in --out, with its texts and settings; --minutes or --steps then replace both"
    ),
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
    "train.help.objective": (
        "what is learned: masked (default: guess masked tokens), causal (the next token) or span (what was cut out)"
    ),
    "train.help.span_rate": "objective span: share of the tokens cut out; default: 0.15",
    "train.help.span_length": "objective span: tokens in a cut on average; default: 3",
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
    "train.error.long": "{path}, line {line}, has more than {most:,} characters: divide its text among several lines.",
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
    "train.error.whole": "{name} is {value!r}; it must be a whole number from {least} to {most}",
    "train.error.span_family": "The objective span trains the network of T5, not that of {family}: leave family out.",
    "train.error.masked_only": (
        "A film and guesses while training are for masked models; with the objective {objective!r} leave them out."
    ),
    "train.error.heads": "A width of {width} cannot be shared among {heads} heads: choose a multiple of {multiple}.",
    "train.error.unknown_setting": "There is no setting {names}; there are: {known}",
    "train.error.other_setting": (
        "The training was begun with {name} {was!r} and cannot go on with {now!r}: leave it out, or train anew."
    ),
    "train.error.finished": (
        "The training in {folder} is finished: after {steps:,} steps its learning rate is down to zero. Leave out the "
        "budget, or train anew in another folder with another one."
    ),
    "train.error.unfinished": "In {folder} there is an unfinished training: resume it, or choose another folder.",
    "train.error.not_empty": "{folder} is not an empty folder: choose another one for the model.",
    "train.error.nothing_to_resume": "In {folder} there is no training to resume.",
    "train.error.device": "There is no {device} on this machine that torch can use; choose another device, or auto.",
    "train.error.checkpoint": "{path} is damaged or no checkpoint: remove it to go on from the one before.",
    "train.error.shape": "{path} is of a model of another shape: {name} is {was} there and {now} here.",
    "train.error.not_finite": "The loss is no longer a number after step {step}; try a rate lower than {rate}.",
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
    "evaluate.column.unknown": "unknown",
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
    "evaluate.note": (
        "Unknown: tokens that the vocabulary does not have; they are never asked for. By bits per character, "
        "vocabularies can be compared roughly: the other pieces of a cut word help."
    ),
    "evaluate.error.kind": (
        "{name} is a {kind} model: evaluate masks tokens and looks at the guesses, which is for masked models. "
        "The held-out loss of one trained here stands in its training.json."
    ),
    "evaluate.error.no_lines": "{path} has no held-out line to look at; --all looks at every line.",
    "evaluate.error.most_lines": "There must be at least 1 line to look at, not {given!r}; leave it out for all.",
    "evaluate.error.unknown": "{path}: none of the tokens that were masked is in the vocabulary of the model.",
    # --- a training watched live: learning, sentences that are asked, the view -----------------
    "learning.unreadable": "{path} cannot be read: {why}",
    "learning.damaged": "These are not the metrics of a training; this does not fit: {why}",
    "question.one_gap": (
        "A sentence has one gap: write [MASK] or ____ there, or the word that belongs there in braces. Not so: {line}"
    ),
    "figure.learning.error.by": "by is {by!r}; it must be 'step' or 'tokens'",
    "figure.learning.step": "training step",
    "figure.learning.tokens": "tokens read",
    "figure.learning.bits": "loss (bits per guessed token)",
    "figure.learning.perplexity": "perplexity (2 to the bits)",
    "figure.learning.name.training": "trained on",
    "figure.learning.name.held": "held out",
    "figure.learning.training": "step {step:,}, {tokens:,} tokens read: {bits:.2f} bits, perplexity {words:,.1f}",
    "figure.learning.held": "held out, step {step:,}, {tokens:,} tokens read: {bits:.2f} bits, perplexity {words:,.1f}",
    "figure.learning.source": "{source}: {bits:.2f} bits",
    "figure.learning.lowest": "lowest held out: {bits:.2f} bits, step {step:,}",
    "figure.learning.text.training": "trained on {bits:.2f} bits",
    "live.reading": "Reading the text …",
    "live.training": "Training. Stop keeps the model as it is then.",
    "live.stopping": "Stopping after this step …",
    "live.finished": (
        "Done: {steps:,} steps in {time}. The model is in {folder}; .model() of what train_live returned loads it."
    ),
    "live.stopped": (
        "Stopped after {steps:,} steps and {time}. The model is in {folder}; .model() of what train_live returned "
        "loads it, .resume() goes on."
    ),
    "live.result": "{steps:,} steps, {tokens:,} tokens",
    "live.broken": "The training was broken off ({why}).",
    "live.stop": "Stop",
    "live.stop.hint": "Stop after this step and keep the model; the notebook's button that interrupts does the same",
    "live.bar": "Training, {percent} % done",
    "live.step": "step",
    "live.tokens": "tokens read",
    "live.speed": "tokens per second",
    "live.left": "time left",
    "live.loss": "loss, trained on",
    "live.held": "loss, held out",
    "live.perplexity": "perplexity, held out",
    "live.sentences": "Guesses",
    "live.way": "So far:",
    "live.answer": "True word {word}: {value}, rank {rank:,}",
    "live.answer.unknown": "The vocabulary cannot spell {word}",
    "live.text.guess": "{rank}. {word}: {value}",
    "live.seconds": "{seconds} s",
    "live.minutes": "{minutes} min {seconds} s",
    "live.hours": "{hours} h {minutes} min",
    # --- next sentence prediction ---------------------------------------------------------------
    "next_sentence.reading": "reading pairs",
    "next_sentence.training": "training the head",
    "next_sentence.now": "held out {accuracy:.1%} right",
    "next_sentence.error.passages": (
        "There are {count} passages in one script; at least {least} are needed, two to train on and two to test on: "
        "give more."
    ),
    "next_sentence.error.short": (
        "Passage number {number} (from 0) has {count} sentences; at least {least} that follow each other are needed: "
        "lengthen it, or leave it out."
    ),
    "next_sentence.error.empty": "Passage number {number} (from 0) has an empty sentence: leave it out.",
    "next_sentence.error.twice": (
        "“{text}” stands in passage number {a} and again in number {b} (from 0): every sentence may stand there once, "
        "so that none is both trained on and held out."
    ),
    "next_sentence.error.long": (
        "Passage number {number} (from 0) has more pairs than all other passages on its side of the split: "
        "give more passages, or cut it into shorter ones."
    ),
    "next_sentence.error.too_long": (
        "“{first}” and “{second}” have {tokens} tokens together, but {model} reads at most {limit}: shorten them."
    ),
    "next_sentence.error.tokenizer": (
        "The tokenizer of {model} does not tell the tokens of two sentences apart: choose another model."
    ),
    "next_sentence.error.no_cls": (
        "The tokenizer of {model} does not put one [CLS] before a pair of sentences: say pool='mean'."
    ),
    "next_sentence.error.no_model": "This result has no model at hand, so that no new pair can be read.",
    "figure.next_sentence.error.of": "of is {of!r}; it must be 'accuracy' or 'bits'",
    "figure.next_sentence.error.results": "{count} results cannot be shown together: give 1 to {most}.",
    "figure.next_sentence.epoch": "epoch (every pair looked at once)",
    "figure.next_sentence.accuracy": "judged right",
    "figure.next_sentence.bits": "loss (bits per pair)",
    "figure.next_sentence.chance.accuracy": "chance: 50 %",
    "figure.next_sentence.chance.bits": "chance: 1 bit",
    "figure.next_sentence.name.training": "trained on",
    "figure.next_sentence.name.held": "held out",
    "figure.next_sentence.point": "{name}, epoch {epoch}: {accuracy} right, {bits:.2f} bits",
    "figure.next_sentence.wrong.other": "from another passage",
    "figure.next_sentence.wrong.near": "same passage, not next",
    "figure.next_sentence.wrong.swapped": "the one before",
    "figure.next_sentence.wrong": "wrong second sentence: …",
    "figure.next_sentence.pool.cls": "head on [CLS]",
    "figure.next_sentence.pool.mean": "head on the means",
    "figure.next_sentence.trained": "{pool}, trained against: {wrong}",
    "figure.next_sentence.tested": "{name}: {value} right, 95 % interval {low} to {high}",
    "figure.next_sentence.preferred": "the real one of the two is found more probable in {value} ({low} to {high})",
    "figure.next_sentence.text": "Second sentence {wrong}: {told}",
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
    "strip.lowers": "lowers",
    "strip.raises": "raises",
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
    "strip.name.guess": "best guess {guess}",
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
    # --- layer lens, scores of sentences, filling step by step, two sentences ---------------
    "score.progress": "scores",
    "score.within_word": "within_word is {given!r}; it must be one of: {allowed}",
    "pair.same": "Both sentences are the same to this model, token for token: change a word in one of them.",
    "filling.progress": "filling",
    "filling.order": "order is {order!r}; it must be one of: {allowed}",
    "filling.rounds": "rounds is {rounds}; it must be from 1 to {most}",
    "filling.order.left_to_right": "left to right",
    "filling.order.confident": "most confident first",
    "filling.order.random": "random order",
    "filling.order.gibbs": "Gibbs",
    "filling.caution": (
        "A masked language model is trained to fill one slot at a time. Multiplied along one order and along another, "
        "its probabilities of the very same words differ: there is no one joint distribution behind them. Compare "
        "fills by a measure that is the same for all, such as the product from left to right."
    ),
    "lens.caution": (
        "The head that reads every layer here was trained on the last layer only. That an early layer reads as "
        "nonsense need not mean that it knows nothing: it may say it in terms that the head cannot read."
    ),
    "contrast.caution": (
        "What is seen is this model, with these two sentences, at this one gap. It follows the texts that the model "
        "learned from, which are not the world; and one pair of sentences is no measure of bias: change a word that "
        "should not matter and see how much moves. Words at the lower left fit in neither sentence, and their "
        "differences are mostly noise."
    ),
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
    "figure.film.step": "training step",
    "figure.film.loss": "bits per masked token",
    "figure.film.point": "{source}, step {step:,}: {bits:.2f} bits",
    "figure.film.mark": "step {step:,}",
    "figure.film.layer": "Layer {layer}",
    "figure.film.share": "attention, mean over tokens and heads",
    "figure.film.text": "{text} ({truth})",
    "figure.film.text.step": "step {step:,}, {tokens:,} tokens read",
    "figure.film.text.guess": "{rank:,}. {word}: {value}",
    "figure.film.text.truth": "{line}, the true word",
    "figure.film.text.loss": "loss on {source}: {bits:.2f} bits per masked token",
    "figure.film.text.shares": "layer {layer}: left {left}, right {right}, itself {self}, special tokens {special}",
    "figure.influence.title": "What raises and lowers “{word}”, in bits",
    "figure.influence.axis": "bits",
    "figure.influence.up": "▲ raises “{word}”",
    "figure.influence.down": "▼ lowers “{word}”",
    "figure.influence.raises": "raises “{word}” by {bits} bits",
    "figure.influence.lowers": "lowers “{word}” by {bits} bits",
    "figure.influence.after": "probability {before} with it, {after} without",
    "figure.influence.divergence": "whole distribution moves by {bits:.3f} bits (Jensen-Shannon)",
    "figure.influence.guess": "best guess without it: {guess}",
    "figure.influence.shade": "effect on “{word}” when {way}, up to {most:.1f} bits",
    "figure.influence.text": "{span} (token {number}): {changes}",
    "figure.influence.text.way": "{way} {bits}",
    "figure.influence.why": (
        "The ways disagree because each asks something else: masked, the model is told that a word is missing there; "
        "deleted, the text closes up and may read as another sentence; blocked, the word stays but nothing may look at "
        "it, which no training showed the model."
    ),
    "figure.influence.leaks": (
        "Blocking is not complete in {model}: its convolution passes neighbouring tokens on as well."
    ),
    "figure.direction.probability": "probability of “{word}”",
    "figure.direction.rest": "the rest {way}",
    "figure.direction.guess": "best guess there",
    "figure.direction.best": "best guess: {guess} {guessed}",
    "figure.direction.change": "probability {value}, {bits} bits against both sides",
    "figure.direction.text.both": "both sides: {value}; best guess {guess} {guessed}",
    "figure.direction.text": "{view}, the rest {way}: {value}, {bits} bits; best guess {guess} {guessed}",
    "figure.direction.caution": (
        "A model trained with both sides is not a left-to-right model when one side is hidden from it: this shows what "
        "this model makes of each side, not what a model trained on one side would say. Special tokens stay in view."
    ),
    "figure.reveal.words": "words in view",
    "figure.reveal.first": "{order}, nothing in view: {value}; best guess {guess} {guessed}",
    "figure.reveal.point": "{order}, {words} in view, the last one “{last}”: {value}; best guess {guess} {guessed}",
    "figure.lens.embeddings": "embeddings",
    "figure.lens.layer": "layer {layer}",
    "figure.lens.last": "layer {layer}, the last",
    "figure.lens.first": "emb.",
    "figure.lens.guess": "place of the guess",
    "figure.lens.layers": "read out after layer",
    "figure.lens.entropy": "entropy (bits)",
    "figure.lens.alike": "all tokens alike: {bits:.1f} bits",
    "figure.lens.rank": "rank",
    "figure.lens.text": "{row}: {guesses}; entropy {bits:.2f} bits",
    "figure.lens.text.guess": "{word} {value}",
    "figure.pair.a": "The model prefers A by {bits:.2f} bits (A {a}, B {b}).",
    "figure.pair.b": "The model prefers B by {bits:.2f} bits (A {a}, B {b}).",
    "figure.pair.tie": "The model prefers neither, within {bits:.2f} bits (A {a}, B {b}).",
    "figure.pair.longer": "A has {count_a} tokens, B {count_b}: the sum favours the shorter. A token: A {a}, B {b}.",
    "figure.pair.same": "same words",
    "figure.pair.differs": "where they differ",
    "figure.pair.axis": "{side}: surprisal (bits)",
    "figure.pair.text": "{a} | {b}: A {bits_a}, B {bits_b}",
    "figure.filling.no_step": "there is no step {step}; there are 0 to {last}",
    "figure.filling.start": "start",
    "figure.filling.step": "step {step}",
    "figure.filling.value": "{value} · {bits} bits",
    "figure.filling.resampled": "{value} · drawn again",
    "figure.filling.slot": "slot {slot}: {word}, {value}",
    "figure.filling.entropy": "slot {slot} open, entropy {bits:.2f} bits",
    "figure.filling.own": "in the order of filling",
    "figure.filling.across": "the same fill, left to right",
    "figure.filling.joint": "joint log2 probability (bits)",
    "figure.filling.fill": "{bits} bits  {fill}",
    "figure.filling.text": "{step}: {text} ({value})",
    "figure.contrast.a": "probability in A: {text}",
    "figure.contrast.b": "probability in B: {text}",
    "figure.contrast.all": "the vocabulary",
    "figure.contrast.more_a": "more probable in A",
    "figure.contrast.more_b": "more probable in B",
    "figure.contrast.divergence": "Jensen-Shannon divergence of A and B: {bits:.3f} bits",
    "figure.contrast.point": "{word}: {a} in A, {b} in B, {bits} bits of log-odds, {points} percentage points",
    "figure.shift.title": "Jensen-Shannon divergence {bits:.3f} bits",
    "figure.shift.axis": "change in percentage points",
    "figure.shift.up": "▲ more probable",
    "figure.shift.down": "▼ less probable",
    # --- figures: what heads do, attention against effect -------------------------------------
    "figure.board.layer": "Layer {layer}",
    "figure.board.head": "Head",
    "figure.board.bits": "bits",
    "figure.board.silenced": "silenced",
    "figure.board.flips": "without it another best guess",
    "figure.board.waiting": "not measured yet",
    "figure.board.gain": "adds {bits} bits to “{word}”",
    "figure.board.divergence": "whole distribution moves by {bits:.3f} bits (Jensen-Shannon)",
    "figure.board.guess.same": "best guess without it: still {guess}",
    "figure.board.guess.other": "best guess without it: {guess}",
    "figure.board.text": "“{word}” has {value}, the best guess is “{guess}”. The heads that matter most to “{word}”:",
    "figure.board.text.head": "{name}: {bits} bits",
    "figure.search.running": "{tried:,} tried so far, {silent} silenced",
    "figure.search.found": "Silencing {names} ({count} in all) changes the best guess from “{guess}” to “{other}”.",
    "figure.search.none": "With {count} heads silenced, one after the other, the best guess is still “{guess}”.",
    "figure.selftest": "Self-test: silencing all heads changes the logits by up to {change:.2f}.",
    "figure.selftest.inert": (
        "Self-test: silencing all heads changes the logits by up to {change:.2f}, "
        "but silencing those of layer {layers} changes nothing: the board says nothing about them."
    ),
    "figure.effect.heads": "attention of the slot: the head's largest weight on another word",
    "figure.effect.tokens": "attention from the slot",
    "figure.effect.size": "measured effect (bits)",
    "figure.effect.up": "raises the word",
    "figure.effect.down": "lowers the word",
    "figure.effect.count.heads": "{count} heads",
    "figure.effect.count.tokens": "{count} tokens",
    "figure.effect.rho": "Attention against measured effect: Spearman's ρ = {rho} over {things}",
    "figure.effect.no_rho": "Attention against measured effect: no ρ over {things}",
    "figure.effect.attention": "attention {value}",
    "figure.effect.bits": "adds {bits} bits",
    "figure.effect.token": "{label} (token {number})",
    "figure.views": "share",
    "figure.views.raw": "raw attention",
    "figure.views.rollout": "rollout",
    "figure.views.norms": "weighted by values",
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
