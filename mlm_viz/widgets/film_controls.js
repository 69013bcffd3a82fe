// The controls of a film: a button that plays and pauses, a slider over the frames, and what the frame is called.
// The next frame is asked for when the last one has been drawn, so a slow machine plays slowly and never falls behind.

const FRAME_MS = 500;

class Controls {
  static watched = ["labels", "frame", "shown", "playing"];

  constructor(model, el) {
    this.model = model;
    this.strings = model.get("strings");
    this.stop = new AbortController();
    this.root = element("div", "mlmviz mlmviz-film-controls", el, { role: "group", "aria-label": this.strings.label });
    this.button = element("button", "mlmviz-film-play", this.root, { type: "button" });
    this.icon = element("span", "mlmviz-film-icon", this.button, { "aria-hidden": "true" });
    this.word = element("span", "", this.button);
    this.slider = element("input", "mlmviz-film-slider", this.root, {
      type: "range",
      min: 0,
      step: 1,
      "aria-label": this.strings.slider,
    });
    this.label = element("span", "mlmviz-film-label", this.root, { "aria-hidden": "true" }); // the slider says it
    this.listen();
    this.paint();
    watchTheme((dark) => this.write({ dark }), this.stop.signal);
    assist(el, this.stop.signal, () => model.get("playing"));
    keepHearing(model);
  }

  listen() {
    const { signal } = this.stop;
    keepKeys(signal);
    this.button.addEventListener("click", () => this.toggle(), { signal });
    this.slider.addEventListener("input", () => this.write({ playing: false, frame: Number(this.slider.value) }), { signal });
    this.changed = () => this.paint();
    for (const name of Controls.watched) this.model.on(`change:${name}`, this.changed);
  }

  remove() {
    for (const name of Controls.watched) this.model.off(`change:${name}`, this.changed);
    clearTimeout(this.timer);
    this.stop.abort();
    this.root.remove();
  }

  write(changes) {
    const different = Object.entries(changes).filter(([name, value]) => this.model.get(name) !== value);
    for (const [name, value] of different) this.model.set(name, value);
    if (different.length) this.model.save_changes();
  }

  get last() {
    return this.model.get("labels").length - 1;
  }

  /** Play on, or from the start at the end; or pause. */
  toggle() {
    if (this.model.get("playing")) this.write({ playing: false });
    else this.write({ playing: true, frame: this.model.get("frame") < this.last ? this.model.get("frame") : 0 });
  }

  /** One frame on; the last one ends the film. */
  advance() {
    const next = this.model.get("frame") + 1;
    this.write({ frame: Math.min(next, this.last), playing: next < this.last });
  }

  paint() {
    const [frame, playing] = [this.model.get("frame"), this.model.get("playing")];
    const label = this.model.get("labels")[frame] ?? "";
    this.slider.max = this.last;
    this.slider.value = frame;
    this.slider.setAttribute("aria-valuetext", label);
    this.label.textContent = label;
    this.icon.dataset.icon = playing ? "pause" : "play";
    const idle = frame < this.last ? this.strings.play : this.strings.again;
    this.word.textContent = playing ? this.strings.pause : idle;
    this.plan();
  }

  // Several views of one model plan the same step; the first to take it has the others plan anew.
  plan() {
    clearTimeout(this.timer);
    const drawn = this.model.get("shown") === this.model.get("frame");
    if (this.model.get("playing") && drawn) this.timer = setTimeout(() => this.advance(), FRAME_MS);
  }
}

export default {
  render({ model, el }) {
    const controls = new Controls(model, el);
    return () => controls.remove();
  },
};
