// The token strip: one chip per token, a click masks it. Everything shown is read from the model, and everything done is
// written back to it at once, so several views of one model agree and no click can be lost. All text goes in as text nodes.

const GLYPHS = { masked: "", replaced: "⇄", kept: "=" };
const RIGHT_TO_LEFT = /^\P{L}*[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;

/** `text` kept from reordering its neighbours, whatever its direction. */
const isolate = (text) => `\u2068${text ?? ""}\u2069`;

/** An element holding one text node; returns that node, whose `data` changes without any element being made. */
function textIn(tag, className, parent, attributes) {
  const text = document.createTextNode("");
  element(tag, className, parent, attributes).append(text);
  return text;
}

function setText(text, value) {
  if (text.data !== value) text.data = value;
}

/** Positions of the slots in reading order: everything marked, and every blank that was typed. */
const slotsOf = (tokens, marks) => tokens.flatMap((token, position) => (token.blank || marks[position] ? [position] : []));

/** The positions of the word around `position` that can be masked. */
function wordAround(tokens, position) {
  const word = tokens[position].word;
  if (word < 0) return [position];
  return tokens.flatMap((token, at) => (token.word === word && !token.special && !token.blank ? [at] : []));
}

/** The slot closest to `position`, the earlier of two; -1 where there is none. */
const nearest = (slots, position) =>
  slots.reduce((best, slot) => (best < 0 || Math.abs(slot - position) < Math.abs(best - position) ? slot : best), -1);

/** Scroll `box` alone, and only as far as it takes to show `item`: scrollIntoView would move the page too. */
function reveal(box, item) {
  const outer = box.getBoundingClientRect();
  const inner = item.getBoundingClientRect();
  box.scrollTop += Math.min(0, inner.top - outer.top) + Math.max(0, inner.bottom - outer.bottom);
  box.scrollLeft += Math.min(0, inner.left - outer.left) + Math.max(0, inner.right - outer.right);
}

class Strip {
  static watched = ["tokens", "marks", "replacements", "selected", "shades", "shade_signs", "shade_labels", "shade_title", "stale", "guesses"];

  constructor(model, el) {
    this.model = model;
    this.strings = model.get("strings");
    this.cells = [];
    this.tabs = [];
    this.roving = 0;
    this.shown = -1;
    this.fresh = false; // whether the chips stand for the model's tokens
    this.stop = new AbortController();
    this.frame(el);
    this.listen();
    this.paint();
    watchTheme((dark) => this.write({ dark }), this.stop.signal);
    assist(el, this.stop.signal);
    keepHearing(model);
  }

  say(key, values = {}) {
    return fill(this.strings[key], { mask: this.model.get("mask_label"), ...values });
  }

  frame(el) {
    this.root = element("div", "mlmviz mlmviz-strip", el);
    this.chips = element("div", "mlmviz-chips", this.root, { role: "toolbar", "aria-label": this.say("label") });
    const row = element("div", "mlmviz-tabrow", this.root);
    this.tablist = element("div", "mlmviz-tabs", row, { role: "tablist", "aria-label": this.say("tabs") });
    this.hint = textIn("span", "mlmviz-hint", row);
    this.frameLegend();
    this.speak = voice(this.root, this.stop.signal);
  }

  frameLegend() {
    const legend = element("div", "mlmviz-legend", this.root);
    this.marksLegend = element("span", "mlmviz-legend-marks", legend);
    for (const mark of Object.keys(GLYPHS)) {
      const item = element("span", "mlmviz-legend-item", this.marksLegend, { "data-mark": mark });
      setText(textIn("span", "mlmviz-swatch", item, { "aria-hidden": "true" }), GLYPHS[mark] || "1");
      setText(textIn("span", "", item), this.say(`legend.${mark}`));
    }
    this.shadesLegend = element("span", "mlmviz-legend-shades", legend);
    this.shadesTitle = textIn("span", "", this.shadesLegend);
    this.shadesLow = textIn("span", "mlmviz-low", this.shadesLegend);
    element("span", "mlmviz-ramp", this.shadesLegend, { "aria-hidden": "true" });
    this.shadesHigh = textIn("span", "mlmviz-high", this.shadesLegend);
  }

  listen() {
    const { signal } = this.stop;
    keepKeys(signal);
    this.chips.addEventListener("click", (event) => this.onClick(event), { signal });
    this.chips.addEventListener("keydown", (event) => this.onKey(event), { signal });
    this.chips.addEventListener("keyup", (event) => event.key === " " && event.preventDefault(), { signal });
    this.chips.addEventListener("focusin", (event) => this.rove(this.positionOf(event.target)), { signal });
    this.tablist.addEventListener("click", (event) => this.onTab(event), { signal });
    this.tablist.addEventListener("keydown", (event) => this.onTabKey(event), { signal });
    this.changes = Strip.watched.map((name) => [`change:${name}`, () => this.changed(name)]);
    for (const [name, handler] of this.changes) this.model.on(name, handler);
  }

  remove() {
    for (const [name, handler] of this.changes) this.model.off(name, handler);
    this.stop.abort();
    this.root.remove();
  }

  // One message may change many traits: paint once, before the browser does.
  changed(name) {
    if (name === "tokens") this.fresh = false;
    if (this.queued) return;
    this.queued = true;
    queueMicrotask(() => {
      this.queued = false;
      if (!this.stop.signal.aborted) this.paint();
    });
  }

  read() {
    const state = Object.fromEntries(Strip.watched.map((name) => [name, this.model.get(name)]));
    return { ...state, slots: slotsOf(state.tokens, state.marks) };
  }

  write(changes) {
    const different = Object.entries(changes).filter(([name, value]) => this.model.get(name) !== value);
    for (const [name, value] of different) this.model.set(name, value);
    if (different.length) this.model.save_changes();
  }

  // ---- what a person does ------------------------------------------------------------------------------------------

  /** Write what was done, and to which tokens: others may be on their way. */
  act(changes) {
    this.write({ ...changes, basis: this.model.get("edition") });
  }

  toggle(position, whole) {
    const { tokens, marks, selected } = this.read();
    const token = tokens[position];
    if (token.special) return this.announce("said.special", token);
    if (token.blank) return this.act({ selected: position });
    const group = whole ? wordAround(tokens, position) : [position];
    const masking = group.some((at) => !marks[at]);
    const next = { ...marks };
    for (const at of group) masking ? (next[at] ??= "masked") : delete next[at];
    const slots = slotsOf(tokens, next);
    const shown = slots.includes(selected) ? selected : nearest(slots, selected < 0 ? position : selected);
    this.act({ marks: next, selected: masking ? position : shown });
    this.announce(masking ? "said.masked" : "said.unmasked", { label: group.map((at) => tokens[at].label).join(" ") });
  }

  /** Show the slot at `position`; false where there is no slot. */
  select(position) {
    const isSlot = this.read().slots.includes(position);
    if (isSlot) this.act({ selected: position });
    return isSlot;
  }

  announce(key, { label }) {
    this.speak(this.say(key, { label }));
  }

  onClick(event) {
    const position = this.positionOf(event.target);
    if (position < 0) return;
    this.focus(position);
    if (event.target.closest(".mlmviz-badge")) this.select(position);
    else this.toggle(position, event.shiftKey);
  }

  onKey(event) {
    const position = this.positionOf(event.target);
    if (position < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const goal = this.destination(event.key, position);
    if (goal === null && event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    if (goal !== null) {
      this.focus(goal);
      this.select(goal);
    } else if (!event.repeat && !(event.key === "Enter" && this.select(position))) {
      this.toggle(position, event.shiftKey);
    }
  }

  /** Where a key moves the focus from `position`; null for keys that do not move it. */
  destination(key, position) {
    const last = this.cells.length - 1;
    const forward = this.chips.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
    if (key === "Home") return 0;
    if (key === "End") return last;
    if (key === "ArrowUp" || key === "ArrowDown") return this.inNextRow(position, key === "ArrowDown");
    if (key === "ArrowLeft" || key === "ArrowRight") return clamp(position + (key === forward ? 1 : -1), 0, last);
    return null;
  }

  inNextRow(position, down) {
    const boxes = this.cells.map((cell) => cell.node.getBoundingClientRect());
    const here = boxes[position];
    const beyond = boxes.filter((box) => (down ? box.top > here.top + 2 : box.top < here.top - 2)).map((box) => box.top);
    if (!beyond.length) return position;
    const top = down ? Math.min(...beyond) : Math.max(...beyond);
    const away = (at) => Math.abs(boxes[at].left + boxes[at].right - here.left - here.right);
    const row = [...boxes.keys()].filter((at) => Math.abs(boxes[at].top - top) <= 2);
    return row.reduce((best, at) => (away(at) < away(best) ? at : best));
  }

  onTab(event) {
    const at = this.tabs.findIndex((tab) => tab.node === event.target.closest("[role=tab]"));
    if (at >= 0) this.select(this.tabs[at].position);
  }

  onTabKey(event) {
    const at = this.tabs.findIndex((tab) => tab.node === event.target);
    const last = this.read().slots.length - 1;
    const goal = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last }[event.key];
    if (goal === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const tab = this.tabs[clamp(goal, 0, last)];
    this.select(tab.position);
    tab.node.focus({ preventScroll: true });
  }

  // ---- focus: one chip is the strip's tab stop ---------------------------------------------------------------------

  positionOf(target) {
    return Number(target.closest(".mlmviz-chip")?.dataset.position ?? -1);
  }

  hasFocus() {
    return this.chips.contains(this.root.getRootNode().activeElement);
  }

  rove(position) {
    if (position < 0 || position >= this.cells.length) return;
    if (this.cells[this.roving]) this.cells[this.roving].button.tabIndex = -1;
    this.roving = position;
    this.cells[position].button.tabIndex = 0;
  }

  focus(position) {
    this.rove(position);
    this.cells[position].button.focus({ preventScroll: true });
    reveal(this.chips, this.cells[position].node);
  }

  // ---- drawing -----------------------------------------------------------------------------------------------------

  paint() {
    const state = this.read();
    if (!this.fresh) this.build(state.tokens);
    const numbers = new Map(state.slots.map((position, index) => [position, index + 1]));
    this.cells.forEach((cell, position) => this.paintChip(cell, this.chipState(state, numbers, position)));
    this.paintTabs(state);
    this.paintLegend(state);
    this.root.setAttribute("aria-busy", String(state.stale));
    if (state.selected !== this.shown) this.follow(state.selected);
  }

  follow(selected) {
    this.shown = selected;
    if (!this.cells[selected]) return;
    if (!this.hasFocus()) this.rove(selected);
    reveal(this.chips, this.cells[selected].node);
  }

  build(tokens) {
    const focused = this.hasFocus();
    const words = [];
    this.cells = tokens.map((token, position) => {
      const joined = position > 0 && token.word >= 0 && token.word === tokens[position - 1].word;
      if (!joined) words.push(element("span", "mlmviz-word", null));
      return this.buildChip(token, position, words.at(-1), joined);
    });
    this.chips.replaceChildren(...words);
    const letters = tokens.filter((token) => !token.special && /\p{L}/u.test(token.label));
    this.chips.dir = letters.length && RIGHT_TO_LEFT.test(letters[0].label) ? "rtl" : "ltr";
    this.fresh = true;
    this.shown = -1;
    this.rove(clamp(this.roving, 0, this.cells.length - 1));
    if (focused && this.cells.length) this.focus(this.roving);
  }

  buildChip(token, position, word, joined) {
    const node = element("span", `mlmviz-chip${joined ? " mlmviz-joined" : ""}`, word, { "data-position": position });
    const button = element("button", "mlmviz-face", node, { type: "button", tabindex: "-1", title: token.title ?? "" });
    if (token.special) button.setAttribute("aria-disabled", "true");
    else button.setAttribute("aria-pressed", "false");
    button.dataset.label = token.label; // keeps the chip as wide as its word while it is masked
    return {
      node,
      button,
      was: textIn("bdi", "mlmviz-was", button),
      label: textIn("bdi", "mlmviz-label", button),
      under: textIn("bdi", "mlmviz-under", button),
      badge: textIn("span", "mlmviz-badge", node, { "aria-hidden": "true", title: this.say("badge") }),
    };
  }

  /** Everything a chip shows, as plain values. */
  chipState(state, numbers, position) {
    const token = state.tokens[position];
    const slot = numbers.get(position) ?? 0;
    const mark = slot ? (state.marks[position] ?? "masked") : "";
    const standing = { masked: this.model.get("mask_label"), replaced: state.replacements[position] ?? "?" };
    const shade = state.shades?.[position];
    const value = (shade !== undefined && state.shade_labels[position]) || "";
    const sign = state.shade_signs[position] ?? 0;
    const seen = { token, mark, slot, shade, sign, value, position, selected: slot > 0 && position === state.selected };
    return {
      ...seen,
      label: standing[mark] ?? token.label,
      was: token.blank ? "?" : mark in standing ? token.label : "",
      under: (mark && state.guesses[position]) || value,
      name: this.nameOf(state, seen),
    };
  }

  /** What a screen reader says: "weather, token 5 of 12, masked, slot 1, best guess rain, surprisal 5.2". */
  nameOf({ tokens, replacements, guesses, shade_title }, { token, mark, slot, value, position, selected }) {
    const parts = [this.say("name", { label: token.label, number: position + 1, count: tokens.length })];
    if (token.special) parts.push(this.say("name.special"));
    if (token.blank) parts.push(this.say("name.blank"));
    else if (mark) parts.push(this.say(`name.${mark}`, { replacement: replacements[position] }));
    if (slot) parts.push(this.say(selected ? "name.shown" : "name.slot", { slot }));
    if (mark && guesses[position]) parts.push(this.say("name.guess", { guess: guesses[position] }));
    if (value) parts.push(this.say("name.shade", { title: shade_title, value }));
    return parts.join(", ");
  }

  paintChip(cell, seen) {
    const key = JSON.stringify(seen);
    if (cell.key === key) return;
    cell.key = key;
    const { token, mark, slot, shade, sign } = seen;
    Object.assign(cell.node.dataset, {
      mark,
      special: token.special,
      blank: token.blank,
      selected: seen.selected,
      shaded: shade !== undefined,
      sign,
    });
    cell.node.style.setProperty("--mlmviz-shade", `${Math.round(100 * (shade ?? 0))}%`);
    setText(cell.was, seen.was);
    setText(cell.label, seen.label);
    setText(cell.under, seen.under);
    setText(cell.badge, slot ? `${slot}${GLYPHS[mark]}` : "");
    cell.button.setAttribute("aria-label", seen.name);
    if (!token.special) cell.button.setAttribute("aria-pressed", String(slot > 0));
    cell.button.setAttribute("aria-current", String(seen.selected));
  }

  paintTabs(state) {
    const { slots, selected } = state;
    const shown = slots.length > 1 ? slots : [];
    while (this.tabs.length < shown.length) this.tabs.push(this.buildTab());
    const stop = Math.max(0, shown.indexOf(selected));
    this.tabs.forEach((tab, index) => this.paintTab(tab, state, shown[index], index, index === stop));
    this.tablist.hidden = !shown.length;
    setText(this.hint, shown.length ? "" : this.say(slots.length ? "hint.one" : "hint.none"));
    if (shown.includes(selected)) reveal(this.tablist, this.tabs[stop].node);
  }

  buildTab() {
    const node = element("button", "mlmviz-tab", this.tablist, { type: "button", role: "tab" });
    return { node, text: textIn("span", "", node), position: -1 };
  }

  paintTab(tab, { tokens, marks, replacements, selected }, position, index, stop) {
    tab.position = position;
    tab.node.hidden = position === undefined;
    if (tab.node.hidden) return;
    const key = tokens[position].blank ? "tab.blank" : `tab.${marks[position]}`;
    const words = { slot: index + 1, label: isolate(tokens[position].label), replacement: isolate(replacements[position]) };
    setText(tab.text, this.say(key, words));
    tab.node.setAttribute("aria-selected", String(position === selected));
    tab.node.tabIndex = stop ? 0 : -1;
    tab.node.dataset.mark = marks[position] ?? "masked";
  }

  // Rows keep their height whether or not they say anything, so nothing below them jumps.
  paintLegend({ slots, shades, shade_signs, shade_title }) {
    const signed = shade_signs.length > 0;
    this.shadesLegend.dataset.signed = signed;
    setText(this.shadesLow, this.say(signed ? "lowers" : "low"));
    setText(this.shadesHigh, this.say(signed ? "raises" : "high"));
    this.marksLegend.dataset.shown = slots.length > 0;
    this.shadesLegend.dataset.shown = Boolean(shades?.length);
    setText(this.shadesTitle, shade_title);
  }
}

export default {
  render({ model, el }) {
    const strip = new Strip(model, el);
    return () => strip.remove();
  },
};
