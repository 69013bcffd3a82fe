// Nothing to see: tells Python whether the page is dark, and screen readers which buttons around it are pressed.

export default {
  render({ model, el }) {
    const stop = new AbortController();
    const report = (dark) => {
      if (model.get("dark") === dark) return;
      model.set("dark", dark);
      model.save_changes();
    };
    watchTheme(report, stop.signal);
    tellPressed(el, stop.signal);
    keepHearing(model);
    return () => stop.abort();
  },
};
