/* Two systems over the queries of one candidate list: a dot a query, who wins how often, and every value. */
"use strict";
(async () => {
  const place = document.getElementById("compare").dataset;
  const data = await window.rerankbench.load(place.list);
  const { made } = window.rerankbench;
  const measures = document.getElementById("measure");
  const table = window.rerankbench.tables.get("queries");
  const EQUAL = 1e-6; /* values are stored with six digits */

  const counted = (n) => `${n} ${n === 1 ? "query" : "queries"}`;
  const points = (value) => (100 * value).toFixed(2);
  const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(100 * value).toFixed(2)}`;
  const column = (key) => data.values[measures ? data.measures.indexOf(measures.value) : 0][data.systems.findIndex((s) => s.key === key)];
  const pathOf = (key) => data.systems.find((s) => s.key === key).path;
  const label = (key) => data.systems.find((s) => s.key === key).label;

  const spec = (dots, a, b) => () => ({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    description: `Values of every query: ${label(a)} across, ${label(b)} up; the table below holds the same numbers`,
    width: Math.min(380, document.getElementById("main").clientWidth - 110),
    height: Math.min(380, document.getElementById("main").clientWidth - 110),
    layer: [
      { data: { values: [{ x: 0, y: 0 }, { x: 100, y: 100 }] }, mark: { type: "line", color: window.rerankbench.colour("strong-line"), strokeDash: [4, 4] }, encoding: { x: { field: "x", type: "quantitative" }, y: { field: "y", type: "quantitative" } } },
      {
        data: { values: dots },
        mark: { type: "point", filled: true, size: 46, opacity: 0.75, cursor: "pointer" },
        encoding: {
          x: { field: "x", type: "quantitative", title: `A: ${label(a)}`, scale: { domain: [0, 100] } },
          y: { field: "y", type: "quantitative", title: `B: ${label(b)}`, scale: { domain: [0, 100] } },
          color: { field: "won", type: "nominal", legend: null, scale: { domain: ["A", "=", "B"], range: [window.rerankbench.colour("different"), window.rerankbench.colour("quiet"), window.rerankbench.colour("match")] } },
          shape: { field: "won", type: "nominal", legend: null, scale: { domain: ["A", "=", "B"], range: ["triangle-down", "circle", "triangle-up"] } },
          tooltip: [{ field: "id", title: "query" }, { field: "text" }, { field: "x", title: "A", format: ".2f" }, { field: "y", title: "B", format: ".2f" }],
        },
      },
    ],
  });

  const fill = (row, values, hash) => {
    const [a, b] = values;
    const known = a !== null && b !== null;
    const difference = known ? b - a : null;
    const texts = [a === null ? "" : points(a), b === null ? "" : points(b), !known ? "" : Math.abs(difference) < EQUAL ? "0.00" : signed(difference)];
    texts.forEach((text, i) => {
      const cell = row.cells[2 + i];
      const direction = i === 2 && known && Math.abs(difference) >= EQUAL ? (difference > 0 ? "up" : "down") : "";
      cell.replaceChildren(direction ? made("span", { class: direction }, text) : text);
      cell.dataset.sort = i === 0 ? (a ?? "") : i === 1 ? (b ?? "") : (difference ?? "");
    });
    row.cells[0].querySelector("a").hash = hash;
  };

  const summarise = (a, b, pairs) => {
    const differences = pairs.map(([x, y]) => y - x);
    const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const wins = differences.filter((d) => d >= EQUAL).length;
    const losses = differences.filter((d) => d <= -EQUAL).length;
    const lines = pairs.length ? [
      [`A: ${label(a)}`, points(mean(pairs.map(([x]) => x)))],
      [`B: ${label(b)}`, points(mean(pairs.map(([, y]) => y)))],
      ["B − A", signed(mean(differences))],
      ["B better", counted(wins)],
      ["equal", counted(pairs.length - wins - losses)],
      ["A better", counted(losses)],
    ] : [["", "These two share no judged query."]];
    document.getElementById("summary").replaceChildren(
      ...lines.flatMap(([name, value]) => [made("dt", {}, name), made("dd", {}, value)]),
      made("dt", {}, "tested by"), made("dd", {}, made("code", {}, `rerankbench compare ${[a, b].map((key) => `RUNS/${pathOf(key)}`).join(" ")} --qrels ${place.qrels}`)),
    );
  };

  const show = (a, b) => {
    const [first, second] = [column(a), column(b)];
    const hash = `#${new URLSearchParams({ a, b })}`;
    table.rows.forEach((row) => { const q = Number(row.dataset.query); fill(row, [first[q], second[q]], hash); });
    table.again();
    const dots = data.queries.map((query, q) => ({ q, query })).filter(({ q }) => first[q] !== null && second[q] !== null);
    summarise(a, b, dots.map(({ q }) => [first[q], second[q]]));
    document.getElementById("comparison").hidden = false;
    window.rerankbench.draw(document.getElementById("drawing"), spec(dots.map(({ q, query }) => ({
      x: 100 * first[q], y: 100 * second[q], id: query.id, text: query.text, page: `queries/${encodeURIComponent(query.page)}${hash}`,
      won: Math.abs(first[q] - second[q]) < EQUAL ? "=" : first[q] > second[q] ? "A" : "B",
    })), a, b));
  };
  window.rerankbench.choose({ a: place.firstA, b: place.firstB }, show);
  measures?.addEventListener("change", () => show(document.getElementById("a").value, document.getElementById("b").value));
})();
