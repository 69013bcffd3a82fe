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

/** Ask JupyterLab to leave plain keys (arrows, Enter, Space) to `control`, and take the others (Ctrl+S), until `signal` aborts. */
function keepKeys(control, signal) {
  // On the control itself: JupyterLab looks for its shortcuts' selectors from the focus up, and some fit whatever has it.
  const look = (event) => control.toggleAttribute("data-lm-suppress-shortcuts", !(event.ctrlKey || event.metaKey));
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

/**
 * Tell screen readers which of the toggle buttons around `el` are pressed, until `signal` aborts: those of ipywidgets
 * only look it.
 */
function tellPressed(el, signal) {
  const changes = { subtree: true, childList: true, attributeFilter: ["class"] };
  let root = null;
  const look = () => {
    if (!root && (root = el.closest(".mlmviz"))) {
      observer.disconnect(); // `el` has been put in its place: the rest of the page is of no interest any more
      observer.observe(root, changes);
    }
    for (const button of root?.querySelectorAll(".widget-toggle-button") ?? []) {
      button.setAttribute("aria-pressed", String(button.classList.contains("mod-active")));
    }
  };
  const observer = new MutationObserver(look);
  observer.observe(document.body, changes);
  signal.addEventListener("abort", () => observer.disconnect());
}
