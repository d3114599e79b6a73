/* How Vega draws here: with the page's colours and letters, without evaluating code from strings, as SVG. */
"use strict";
(() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const config = () => ({
    background: "transparent",
    font: getComputedStyle(document.body).fontFamily,
    axis: { labelColor: colour("quiet"), titleColor: colour("text"), gridColor: colour("line"), domainColor: colour("strong-line"), tickColor: colour("strong-line"), labelFontSize: 11, titleFontSize: 12, titleFontWeight: 600 },
    legend: { labelColor: colour("text"), titleColor: colour("text"), labelFontSize: 11 },
    text: { color: colour("text") },
    view: { stroke: colour("line") },
  });
  const drawn = new Map();

  /* Draws `spec()` into an element, again when the theme changes; a click on a mark with `page` goes there. */
  window.rerankbench = window.rerankbench || {};
  window.rerankbench.colour = colour;
  window.rerankbench.draw = async (element, spec) => {
    drawn.set(element, spec);
    const { view } = await window.vegaEmbed(element, { ...spec(), config: config() }, { renderer: "svg", ast: true, actions: false, defaultStyle: false, tooltip: titled });
    view.addEventListener("click", (_, item) => { if (item?.datum?.page) location.href = item.datum.page; });
    return view;
  };
  /* The tooltip is the browser's own: nothing is put into the page. */
  const titled = (handler, event, item, value) => {
    const text = value === null || value === undefined ? "" : typeof value === "object" ? Object.entries(value).map(([k, v]) => `${k}: ${v}`).join("\n") : String(value);
    event.target?.setAttribute?.("aria-label", text);
    let title = event.target?.querySelector?.("title");
    if (!title && event.target?.namespaceURI?.endsWith("svg")) {
      title = document.createElementNS("http://www.w3.org/2000/svg", "title");
      event.target.prepend(title);
    }
    if (title) title.textContent = text;
  };
  document.addEventListener("themechange", () => drawn.forEach((spec, element) => window.rerankbench.draw(element, spec)));
})();
