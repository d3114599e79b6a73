/* Effectiveness against time for one candidate list, of what was measured alike. */
"use strict";
(() => {
  const points = JSON.parse(document.getElementById("data").textContent);
  const [list, setting] = ["list", "setting"].map((id) => document.getElementById(id));
  const caption = document.getElementById("caption");
  const root = document.body.dataset.root;
  const timed = (point) => !point.not_drawn;

  const settingsOf = (name) => {
    const counts = new Map();
    points.filter((p) => p.list === name && timed(p)).forEach((p) => counts.set(p.setting, (counts.get(p.setting) || 0) + 1));
    return [...counts].sort((a, b) => b[1] - a[1]).map(([name]) => name);
  };
  const shape = (point) => (point.caveats.length ? "with a caveat (see below)" : "clean");

  const spec = (dots, rules, measure, batch) => () => ({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    description: `${measure} against seconds a query; the table below holds the same numbers`,
    width: Math.min(760, document.getElementById("main").clientWidth - 120),
    height: 380,
    layer: [
      {
        data: { values: rules },
        mark: { type: "rule", strokeDash: [5, 4], color: window.rerankbench.colour("quiet") },
        encoding: { y: { field: "value", type: "quantitative" }, tooltip: [{ field: "label", title: "level" }, { field: "value", title: measure, format: ".2f" }] },
      },
      {
        data: { values: rules },
        mark: { type: "text", align: "left", x: 4, dy: -6, fontSize: 11, color: window.rerankbench.colour("quiet") },
        encoding: { y: { field: "value", type: "quantitative" }, text: { field: "label" } },
      },
      {
        data: { values: dots },
        mark: { type: "point", size: 90, filled: true, opacity: 1, color: window.rerankbench.colour("match"), cursor: "pointer" },
        encoding: {
          x: { field: "seconds", type: "quantitative", scale: { type: "log", padding: 30 }, axis: { grid: false, labelOverlap: true }, title: batch > 1 ? `wall seconds a query (throughput, batches of up to ${batch})` : "wall seconds a query (latency)" },
          y: { field: "value", type: "quantitative", scale: { zero: false, padding: 16, nice: false }, title: `${measure}, percent points` },
          shape: { field: "shape", type: "nominal", title: null, scale: { domain: ["clean", "with a caveat (see below)"], range: ["circle", "triangle-up"] }, legend: { orient: "top" } },
          tooltip: [{ field: "system" }, { field: "value", title: measure, format: ".2f" }, { field: "seconds", title: "s a query", format: ".3~g" }, { field: "note", title: "note" }],
        },
      },
      {
        data: { values: dots },
        mark: { type: "text", align: "left", dx: 8, dy: 1, fontSize: 11.5, color: window.rerankbench.colour("text") },
        encoding: { x: { field: "seconds", type: "quantitative" }, y: { field: "value", type: "quantitative" }, text: { field: "system" } },
      },
    ],
  });

  const show = () => {
    const here = points.filter((p) => p.list === list.value);
    const dots = here.filter((p) => timed(p) && p.setting === setting.value).map((p) => ({ ...p, page: root + p.run, shape: shape(p), note: p.caveats.join("; ") }));
    const rules = here.filter((p) => p.kind === "identity" || p.kind === "oracle").map((p) => ({ value: p.value, label: p.kind === "oracle" ? "ceiling" : `${p.system} (first stage)` }));
    const others = here.filter((p) => timed(p) && p.setting !== setting.value).length;
    const notes = [...new Set(dots.flatMap((p) => p.caveats))];
    document.getElementById("drawing").hidden = !dots.length;
    caption.textContent = [
      dots.length ? "A dot leads to its run." : "Nothing was timed over these candidates.",
      others ? `${others} ${others === 1 ? "run" : "runs"} measured otherwise are not in this picture.` : "",
      notes.length ? `Caveats: ${notes.join("; ")}.` : "",
    ].filter(Boolean).join(" ");
    if (dots.length) window.rerankbench.draw(document.getElementById("drawing"), spec(dots, rules, dots[0].measure, dots[0].batch));
    rowsOf(list.value);
  };
  const rowsOf = (name) => {
    const table = window.rerankbench.tables.get("points");
    if (table?.text) { table.text.value = ""; table.filter(); }
    table?.rows.forEach((row) => { row.hidden = row.cells[1].textContent !== name; });
  };
  const listed = () => {
    setting.replaceChildren(...settingsOf(list.value).map((name) => new Option(name, name)));
    setting.disabled = !setting.options.length;
    show();
  };

  if (!points.length) return;
  document.getElementById("choices").hidden = false;
  document.getElementById("figure").hidden = false;
  list.addEventListener("change", listed);
  setting.addEventListener("change", show);
  /* To begin with, the list with the most to see. */
  const counted = [...list.options].map((o) => [points.filter((p) => p.list === o.value && timed(p)).length, o.value]);
  list.value = counted.reduce((best, each) => (each[0] > best[0] ? each : best))[1];
  listed();
})();
