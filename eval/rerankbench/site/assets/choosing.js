/* Data that is loaded when it is asked for, and the two systems that the address names: #a=RUN&b=RUN. */
"use strict";
(() => {
  const root = document.body.dataset.root;
  const waiting = new Map();
  const provided = new Map();
  window.rerankbench = window.rerankbench || {};

  /* A data file calls this with its own path in the site. */
  window.rerankbench.provide = (path, data) => {
    provided.set(path, data);
    (waiting.get(path) || []).forEach((give) => give(data));
    waiting.delete(path);
  };

  /* Pages from disk may not fetch; they may load scripts. */
  window.rerankbench.load = (path) => new Promise((give, fail) => {
    if (provided.has(path)) { give(provided.get(path)); return; }
    const first = !waiting.has(path);
    waiting.set(path, [...(waiting.get(path) || []), give]);
    if (!first) return;
    const script = document.createElement("script");
    script.src = root + path.split("/").map(encodeURIComponent).join("/");
    script.addEventListener("error", () => fail(new Error(`${path} cannot be loaded`)));
    document.head.append(script);
  });

  const fromHash = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));

  /* Keeps two selects and the address in step, and carries the choice along links to neighbours. */
  window.rerankbench.choose = (first, show) => {
    const [a, b] = ["a", "b"].map((id) => document.getElementById(id));
    const known = (select, value) => [...select.options].some((option) => option.value === value);
    const read = () => {
      const asked = fromHash();
      [[a, "a"], [b, "b"]].forEach(([select, name]) => {
        if (asked[name] !== undefined && known(select, asked[name])) select.value = asked[name];
        else if (known(select, first[name])) select.value = first[name];
      });
    };
    const written = () => `#${new URLSearchParams({ a: a.value, b: b.value })}`;
    const shown = () => {
      document.querySelectorAll("a[data-carry]").forEach((link) => { link.hash = written(); });
      show(a.value, b.value);
    };
    const changed = () => { history.replaceState(null, "", written()); shown(); };
    [a, b].forEach((select) => select.addEventListener("change", changed));
    document.getElementById("swap").addEventListener("click", () => { [a.value, b.value] = [b.value, a.value]; changed(); });
    window.addEventListener("hashchange", () => { read(); shown(); });
    document.getElementById("choices").hidden = false;
    document.getElementById("choices").addEventListener("submit", (event) => event.preventDefault());
    read();
    shown();
  };

  window.rerankbench.made = (name, attributes, ...children) => {
    const element = document.createElement(name);
    Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
    element.append(...children);
    return element;
  };
})();
