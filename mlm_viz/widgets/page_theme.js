// Nothing to see: tells Python whether the page is dark, and screen readers what the page around it shows.

export default {
  render({ model, el }) {
    const stop = new AbortController();
    const report = (dark) => {
      if (model.get("dark") === dark) return;
      model.set("dark", dark);
      model.save_changes();
    };
    watchTheme(report, stop.signal);
    keepKeys(stop.signal);
    assist(el, stop.signal);
    keepHearing(model);
    return () => stop.abort();
  },
};
