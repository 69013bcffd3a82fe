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

export default () => {
  let inner;
  const start = async (model) => {
    const widget = (await plotly(model)).default();
    await keepHearing(model, { missed: false }); // other figures wait in Python until this one has been drawn
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
