// The grid of attention heads: rows are layers, columns are heads, each cell a small picture of query (down) by key
// (across). The square root of a weight picks its colour, so that weak attention is visible beside strong.

/** The bytes of a synced `Bytes` trait, which arrive as a DataView. */
function bytesOf(value) {
  if (!value) return new Uint8Array(0);
  return ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : new Uint8Array(value);
}

/** A colour for each byte, as the 32-bit pixels an ImageData holds. */
function palette(colours) {
  const anchors = colours.map((colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)));
  const pixels = new Uint8ClampedArray(256 * 4);
  for (let byte = 0; byte < 256; byte++) {
    const place = Math.sqrt(byte / 255) * (anchors.length - 1);
    const from = Math.min(Math.floor(place), anchors.length - 2);
    const channel = (c) => anchors[from][c] + (place - from) * (anchors[from + 1][c] - anchors[from][c]);
    pixels.set([channel(0), channel(1), channel(2), 255], 4 * byte);
  }
  return new Uint32Array(pixels.buffer);
}

const sameBytes = (a, b) => a?.length === b.length && b.every((byte, at) => a[at] === byte);

class Heads {
  static watched = ["thumbnails", "shape", "selected", "stale", "colours"];

  constructor(model, el) {
    this.model = model;
    this.strings = model.get("strings");
    this.cells = [];
    this.size = "";
    this.stop = new AbortController();
    this.root = element("div", "mlmviz mlmviz-heads", el);
    this.caption = element("div", "mlmviz-heads-caption", this.root);
    this.grid = element("div", "mlmviz-heads-grid", this.root, { role: "grid", "aria-label": this.say("label") });
    this.listen();
    this.paint();
    keepHearing(model);
  }

  say(key, values = {}) {
    return fill(this.strings[key], values);
  }

  listen() {
    const { signal } = this.stop;
    keepKeys(signal);
    this.grid.addEventListener("click", (event) => this.onClick(event), { signal });
    this.grid.addEventListener("keydown", (event) => this.onKey(event), { signal });
    this.repaint = () => this.changed();
    for (const name of Heads.watched) this.model.on(`change:${name}`, this.repaint);
  }

  remove() {
    for (const name of Heads.watched) this.model.off(`change:${name}`, this.repaint);
    this.stop.abort();
    this.root.remove();
  }

  // Bytes and shape arrive in one message but as two changes: draw once, when both are there.
  changed() {
    if (this.queued) return;
    this.queued = true;
    queueMicrotask(() => {
      this.queued = false;
      if (!this.stop.signal.aborted) this.paint();
    });
  }

  indexOf(target) {
    return Number(target.closest("[role=gridcell]")?.dataset.index ?? -1);
  }

  /** Make the head at `index` the one shown, and give it the focus. */
  select(index) {
    const heads = this.model.get("shape")[1];
    this.focus(index);
    this.model.set("selected", [Math.floor(index / heads), index % heads]);
    this.model.save_changes();
  }

  onClick(event) {
    const index = this.indexOf(event.target);
    if (index >= 0) this.select(index);
  }

  onKey(event) {
    const index = this.indexOf(event.target);
    if (index < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const goal = this.destination(event.key, index);
    if (goal === null && event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    if (goal === null) this.select(index);
    else this.focus(goal);
  }

  /** Where a key moves the focus from `index`; null for keys that do not move it. */
  destination(key, index) {
    const [layers, heads] = this.model.get("shape");
    const [layer, head] = [Math.floor(index / heads), index % heads];
    const at = (row, column) => clamp(row, 0, layers - 1) * heads + clamp(column, 0, heads - 1);
    const goals = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (key in goals) return at(layer + goals[key][0], head + goals[key][1]);
    if (key === "Home") return at(layer, 0);
    if (key === "End") return at(layer, heads - 1);
    return null;
  }

  rove(index) {
    this.cells.forEach((cell, at) => (cell.node.tabIndex = at === index ? 0 : -1));
  }

  focus(index) {
    this.rove(index);
    this.cells[index].node.focus();
  }

  // ---- drawing -----------------------------------------------------------------------------------------------------

  paint() {
    const shape = this.model.get("shape");
    const bytes = bytesOf(this.model.get("thumbnails"));
    this.root.setAttribute("aria-busy", String(this.model.get("stale")));
    if (bytes.length !== shape.reduce((product, size) => product * size, 1)) return; // the other half is on its way
    if (this.size !== shape.slice(0, 2).join()) this.build(shape);
    this.paintPictures(bytes, shape);
    this.paintSelection(shape);
  }

  build([layers, heads]) {
    this.size = [layers, heads].join();
    this.root.style.setProperty("--mlmviz-heads", heads);
    this.root.dataset.narrow = heads > 8;
    const top = element("div", "mlmviz-heads-row", null, { role: "row" });
    element("span", "mlmviz-heads-corner", top, { role: "presentation" }).textContent = this.say("corner");
    for (let head = 0; head < heads; head++) this.heading(top, "columnheader", "head", head);
    this.cells = [];
    const rows = Array.from({ length: layers }, (_, layer) => this.buildRow(layer, heads));
    this.grid.replaceChildren(top, ...rows);
  }

  heading(row, role, key, index) {
    const heading = element("span", "mlmviz-heads-heading", row, { role });
    element("span", "mlmviz-heads-word", heading).textContent = `${this.say(key)} `;
    heading.append(String(index + 1));
  }

  buildRow(layer, heads) {
    const row = element("div", "mlmviz-heads-row", null, { role: "row" });
    this.heading(row, "rowheader", "layer", layer);
    for (let head = 0; head < heads; head++) {
      const node = element("div", "mlmviz-heads-cell", row, { role: "gridcell", "data-index": this.cells.length });
      const canvas = element("canvas", "", node, { "aria-hidden": "true" });
      this.cells.push({ node, canvas, seen: null });
    }
    return row;
  }

  paintPictures(bytes, [, , rows, cols]) {
    const colours = this.model.get("colours");
    const recoloured = this.colours !== colours.join();
    if (recoloured) this.pixels = palette(colours);
    this.colours = colours.join();
    if (!rows || !cols) return;
    this.cells.forEach((cell, index) => {
      const seen = bytes.slice(index * rows * cols, (index + 1) * rows * cols);
      const { canvas } = cell;
      if (!recoloured && canvas.width === cols && canvas.height === rows && sameBytes(cell.seen, seen)) return;
      cell.seen = seen;
      this.paintPicture(canvas, seen, rows, cols);
    });
  }

  paintPicture(canvas, bytes, rows, cols) {
    if (canvas.width !== cols) canvas.width = cols;
    if (canvas.height !== rows) canvas.height = rows;
    const image = new ImageData(cols, rows);
    const pixels = new Uint32Array(image.data.buffer);
    bytes.forEach((byte, at) => (pixels[at] = this.pixels[byte]));
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  paintSelection([layers, heads]) {
    if (!this.cells.length) return void (this.caption.textContent = this.say("empty"));
    const [layer, head] = this.model.get("selected");
    const shown = clamp(layer, 0, layers - 1) * heads + clamp(head, 0, heads - 1);
    const focused = this.indexOf(this.root.getRootNode().activeElement ?? this.root);
    this.rove(focused >= 0 && this.grid.contains(this.cells[focused]?.node) ? focused : shown);
    this.cells.forEach(({ node }, index) => {
      const numbers = { layer: Math.floor(index / heads) + 1, head: (index % heads) + 1 };
      node.setAttribute("aria-selected", String(index === shown));
      node.setAttribute("aria-label", this.say(index === shown ? "name.selected" : "name", numbers));
      node.title = this.say("caption", numbers);
      if (index === shown) this.caption.textContent = node.title;
    });
  }
}

export default {
  render({ model, el }) {
    const heads = new Heads(model, el);
    return () => heads.remove();
  },
};
