// plotly's own widget script is five megabytes, and the page gives a widget two seconds to get ready before it stops
// listening to it. So this is what a figure starts with: ready at once, it fetches plotly's script when the figure is to
// be drawn, from one model that all figures share, and has it read once for the whole page.

async function read(model) {
  const bundle = await model.widget_manager.get_model(model.get("_bundle"));
  const address = URL.createObjectURL(new Blob([bundle.get("code")], { type: "text/javascript" }));
  try {
    return await import(address);
  } finally {
    URL.revokeObjectURL(address);
  }
}

function plotly(model) {
  globalThis.mlmvizPlotly ??= read(model).catch((problem) => {
    delete globalThis.mlmvizPlotly; // the next figure may have better luck
    throw problem;
  });
  return globalThis.mlmvizPlotly;
}

/**
 * A widget that was not ready within two seconds, as on a busy machine, is not told any more what Python says, for good.
 * So when something is first said to Python, listen for its answers here; they come to the model itself, without a gate.
 */
function keepHearing(model) {
  const hear = (real) => {
    model.off("change", hear);
    const handle = Object.getPrototypeOf(Object.getPrototypeOf(real))?._handle_comm_msg;
    if (handle) real.comm?.on_msg((message) => handle.call(real, message));
  };
  model.on("change", hear); // its handlers get the model as the page knows it
}

export default () => {
  let inner;
  const start = async (model) => {
    const widget = (await plotly(model)).default();
    keepHearing(model);
    widget.initialize({ model });
    return widget;
  };
  return {
    render({ model, el }) {
      inner ??= start(model);
      const drawn = inner.then((widget) => widget.render({ model, el }));
      return async () => {
        (await drawn)();
        el.on ??= () => {}; // taken away while plotly is still drawing, which then wants to listen to the figure
      };
    },
  };
};
