// What the widgets' scripts have in common. Python puts it in front of each (script.py): they reach the page one by one,
// as text without an address, and could import nothing.

function element(tag, className, parent, attributes = {}) {
  const made = document.createElement(tag);
  made.className = className;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  parent?.append(made);
  return made;
}

/** `template` with `{name}` replaced by `values.name`. */
const fill = (template, values) => (template ?? "").replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** Call `report(dark)` now and whenever the page's theme changes, until `signal` aborts. */
function watchTheme(report, signal) {
  const media = matchMedia("(prefers-color-scheme: dark)");
  const look = () => {
    const light = document.body.dataset.jpThemeLight;
    report(light === undefined ? media.matches : light === "false");
  };
  const observer = new MutationObserver(look);
  observer.observe(document.body, { attributeFilter: ["data-jp-theme-light"] });
  media.addEventListener("change", look, { signal });
  signal.addEventListener("abort", () => observer.disconnect());
  look();
}

/**
 * Ask JupyterLab to leave plain keys (arrows, Enter, letters) to what has the focus on our pages, and take the others
 * (Ctrl+S; Shift+Enter, but for the strip's chips, which it toggles), until `signal` aborts.
 */
function keepKeys(signal) {
  const look = (event) => {
    const control = event.target;
    if (!control.closest?.(".mlmviz")) return;
    const runs = event.shiftKey && event.key === "Enter" && !control.closest(".mlmviz-chips");
    const theirs = event.ctrlKey || event.metaKey || event.altKey || runs;
    // On what has the focus itself: JupyterLab asks it first, and some shortcuts' selectors (":focus") fit whatever it is.
    control.toggleAttribute("data-lm-suppress-shortcuts", !theirs);
  };
  // At the window, on the way down: JupyterLab looks for the attribute at the document.
  addEventListener("keydown", look, { capture: true, signal });
}

/**
 * The page stops listening to a widget that was not ready within two seconds, as on a busy machine, and for good: it is
 * not told any more what Python says. Where that has happened, have it told without that gate, and ask for what was missed.
 */
async function keepHearing(model, { missed = true } = {}) {
  const real = model.set({}); // changes nothing, and hands out the model as the page knows it
  try {
    await real?._handle_comm_msg?.({ content: { data: {} } }); // says nothing, and finds out whether the gate is open
  } catch {
    const handle = Object.getPrototypeOf(Object.getPrototypeOf(real))._handle_comm_msg;
    real.comm?.on_msg((message) => handle.call(real, message));
    if (missed) real.comm?.send({ method: "request_state" }, {});
  }
}

function setAttribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/** A place in `parent`, until `signal` aborts, from which screen readers hear what the returned function is given. */
function voice(parent, signal) {
  const live = element("div", "mlmviz-unseen", parent, { "aria-live": "polite" });
  let timer;
  signal.addEventListener("abort", () => (clearTimeout(timer), live.remove()));
  return (text) => {
    clearTimeout(timer);
    live.textContent = ""; // and empty for a moment: the same said twice would be no change
    timer = setTimeout(() => (live.textContent = text), 50);
  };
}

/** What one of plotly's pictures is called: its title, or else those of its axes; "" without any. */
function nameOfPlot(plot) {
  const lines = (title) => [...title.querySelectorAll(".line")].map((line) => line.textContent);
  const text = (title) => lines(title).join(" ") || title.textContent;
  const texts = (which) => [...plot.querySelectorAll(which)].map(text).filter(Boolean).join(", ");
  return texts(".gtitle") || texts(".xtitle, .ytitle");
}

/** Say what ipywidgets and plotly leave unsaid: which buttons are pressed, and what sliders and pictures are called. */
function nameParts(root) {
  for (const button of root.querySelectorAll(".widget-toggle-button")) {
    setAttribute(button, "aria-pressed", String(button.classList.contains("mod-active")));
  }
  for (const handle of root.querySelectorAll(".widget-slider .noUi-handle")) {
    const name = handle.closest(".widget-slider").querySelector(".widget-label")?.textContent;
    if (name) setAttribute(handle, "aria-label", name);
  }
  for (const plot of root.querySelectorAll(".js-plotly-plot")) {
    const name = nameOfPlot(plot);
    if (!name) continue;
    setAttribute(plot, "role", "figure");
    setAttribute(plot, "aria-label", name);
  }
}

/**
 * Have `speak` say the lines of `root` that are a status once they have stood for a second, each text once, and none
 * while `busy()`; returns what is to be called after every change. The lines themselves come as new elements with every
 * update, and a screen reader hears only of what changes inside one that was there before.
 */
function followLines(root, speak, busy, signal) {
  const texts = (lines) => new Set(lines.map((line) => line.textContent.trim()).filter(Boolean));
  const lines = () => [...root.querySelectorAll("[role=status]")];
  let said = texts(lines()); // what stands there from the start is read like any text
  let seen = "";
  let timer;
  const settle = () => {
    if (busy()) return plan();
    const now = texts(lines().filter((line) => line.getClientRects().length));
    const fresh = [...now].filter((text) => !said.has(text));
    said = now;
    if (fresh.length) speak(fresh.join(" "));
  };
  const plan = () => {
    clearTimeout(timer);
    timer = setTimeout(settle, 1000);
  };
  signal.addEventListener("abort", () => clearTimeout(timer));
  return () => {
    const all = lines();
    for (const line of all) setAttribute(line, "aria-live", "off"); // or it might be said twice
    const now = [...texts(all)].join("\n");
    if (now !== seen) plan();
    seen = now;
  };
}

/**
 * Tell screen readers, until `signal` aborts, what the page around `el` shows to the eye alone: names and states of its
 * parts, and the lines that say how things are, but for those that change while `busy()`.
 */
function assist(el, signal, busy = () => false) {
  const changes = { subtree: true, childList: true, attributeFilter: ["class"] };
  let root = null;
  let follow = () => {};
  const look = () => {
    if (!root && (root = el.closest(".mlmviz"))) {
      observer.disconnect(); // `el` has been put in its place: the rest of the page is of no interest any more
      observer.observe(root, changes);
      follow = followLines(root, voice(el, signal), busy, signal);
    }
    if (!root) return;
    nameParts(root);
    follow();
  };
  const observer = new MutationObserver(look);
  observer.observe(document.body, changes);
  signal.addEventListener("abort", () => observer.disconnect());
}
