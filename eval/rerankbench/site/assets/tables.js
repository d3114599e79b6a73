/* Tables that sort by their headings and filter by a text or a verdict. Without scripts they stay as they are. */
"use strict";
(() => {
  const KINDS = { match: "= MATCH", close: "≈ CLOSE", different: "≠ DIFFERENT", refused: "? not compared", missing: "– missing" };

  const valueOf = (row, column) => {
    const cell = row.cells[column];
    if (!cell) return "";
    return cell.dataset.sort !== undefined ? cell.dataset.sort : cell.textContent.trim();
  };
  const asNumber = (text) => (/^[-+−]?[\d,]*\.?\d+(e[-+]?\d+)?( %)?\*?$/i.test(text) ? Number(text.replace("−", "-").replace(/[,%* ]/g, "")) : NaN);
  const compare = (a, b) => {
    const [x, y] = [asNumber(a), asNumber(b)];
    if (!Number.isNaN(x) && !Number.isNaN(y)) return x - y;
    return a.localeCompare(b, "en", { numeric: true });
  };

  class SortableTable {
    constructor(table) {
      this.table = table;
      this.headings = [...table.tHead.rows[0].cells];
      this.bodies = [...table.tBodies].map((body) => ({ body, rows: [...body.rows] }));
      this.rows = this.bodies.flatMap(({ rows }) => rows.filter((row) => !row.classList.contains("group")));
      this.groups = this.bodies.flatMap(({ rows }) => rows.filter((row) => row.classList.contains("group")));
      this.headings.forEach((heading, column) => this.makeButton(heading, column));
      if ("filterable" in table.dataset && this.rows.length > 3) this.makeTools();
    }

    makeButton(heading, column) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      heading.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => this.turn(column));
    }

    /* First click: numbers from the highest, texts from A; second: the other way round; third: as it was. */
    turn(column) {
      const now = this.headings[column].getAttribute("aria-sort");
      const first = this.headings[column].classList.contains("number") ? "descending" : "ascending";
      const second = first === "ascending" ? "descending" : "ascending";
      const next = now === "none" ? first : now === first ? second : "none";
      this.headings.forEach((heading) => heading.setAttribute("aria-sort", "none"));
      this.headings[column].setAttribute("aria-sort", next);
      this.order(column, next);
    }

    order(column, direction) {
      if (direction === "none") {
        this.bodies.forEach(({ body, rows }) => body.append(...rows));
      } else {
        const sign = direction === "ascending" ? 1 : -1;
        const keyed = this.rows.map((row) => ({ row, key: valueOf(row, column) }));
        /* What has no value stands at the end, whichever way. */
        keyed.sort((a, b) => (a.key === "") - (b.key === "") || sign * compare(a.key, b.key));
        this.bodies[0].body.append(...keyed.map(({ row }) => row));
      }
      this.groups.forEach((row) => { row.hidden = direction !== "none"; });
    }

    /* After cells were filled anew. */
    again() {
      const column = this.headings.findIndex((heading) => heading.getAttribute("aria-sort") !== "none");
      if (column >= 0) this.order(column, this.headings[column].getAttribute("aria-sort"));
    }

    makeTools() {
      const tools = document.createElement("div");
      tools.className = "tools";
      this.text = document.createElement("input");
      this.text.type = "search";
      tools.append(labelled("Filter", this.text));
      const kinds = new Set(this.rows.flatMap((row) => (row.dataset.kinds || "").split(" ")).filter((kind) => kind in KINDS));
      if (kinds.size > 1) {
        this.kind = document.createElement("select");
        this.kind.append(new Option("any verdict", ""), ...Object.keys(KINDS).filter((k) => kinds.has(k)).map((k) => new Option(KINDS[k], k)));
        tools.append(labelled("Rows with", this.kind));
        this.kind.addEventListener("change", () => this.filter());
      }
      this.count = document.createElement("span");
      this.count.className = "quiet";
      this.count.setAttribute("role", "status");
      tools.append(this.count);
      this.text.addEventListener("input", () => this.filter());
      this.table.parentElement.before(tools);
    }

    filter() {
      const words = this.text.value.toLowerCase().split(/\s+/).filter(Boolean);
      const kind = this.kind ? this.kind.value : "";
      let shown = 0;
      this.rows.forEach((row) => {
        const text = readable(row);
        row.hidden = !words.every((word) => text.includes(word)) || (kind && !(row.dataset.kinds || "").split(" ").includes(kind));
        shown += !row.hidden;
      });
      this.count.textContent = words.length || kind ? `${shown} of ${this.rows.length} rows` : "";
    }
  }

  /* A row's text without the details of its cells, which would match nearly everything. */
  const readable = (row) => {
    const copy = row.cloneNode(true);
    copy.querySelectorAll("dl.facts").forEach((facts) => facts.remove());
    return copy.textContent.toLowerCase();
  };
  const labelled = (text, control) => {
    const label = document.createElement("label");
    label.append(text, control);
    return label;
  };

  window.rerankbench = window.rerankbench || {};
  window.rerankbench.tables = new Map();
  document.querySelectorAll("table[data-sortable]").forEach((table) => window.rerankbench.tables.set(table.id || table, new SortableTable(table)));
  /* Escape takes the details of a cell away. */
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && document.activeElement?.closest?.("td.cell")) document.activeElement.blur(); });
})();
