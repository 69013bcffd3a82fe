// Tells Python whether the page is dark, now and whenever its theme changes.

export default {
  render({ model }) {
    const stop = new AbortController();
    const media = matchMedia("(prefers-color-scheme: dark)");
    const look = () => {
      const light = document.body.dataset.jpThemeLight;
      const dark = light === undefined ? media.matches : light === "false";
      if (model.get("dark") === dark) return;
      model.set("dark", dark);
      model.save_changes();
    };
    const observer = new MutationObserver(look);
    observer.observe(document.body, { attributeFilter: ["data-jp-theme-light"] });
    media.addEventListener("change", look, { signal: stop.signal });
    look();
    return () => {
      observer.disconnect();
      stop.abort();
    };
  },
};
