"""``make bench``: every benchmark of the foundation, as JSON and as a table, with the targets beside the figures.

python -m tests.bench
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import bench_cache, bench_measure, bench_overhead
from rerankbench.manifest import environment

REPORT = Path(__file__).parents[2] / "reports" / "bench"


@dataclass(frozen=True)
class Line:
    """One figure and its target; `at_most` says in which direction good lies."""

    what: str
    value: float
    unit: str
    target: float
    at_most: bool = True

    @property
    def reached(self) -> bool:
        return self.value <= self.target if self.at_most else self.value >= self.target


def main() -> None:
    figures: dict[str, Mapping[str, float]] = {
        "overhead": bench_overhead.overhead(),
        "startup": bench_overhead.startup(),
        "reading": bench_measure.reading(),
        "ndcg": bench_measure.ndcg(),
        "memory": bench_measure.memory(),
        "cache": bench_cache.cache(),
    }
    lines = _lines(figures)
    REPORT.mkdir(parents=True, exist_ok=True)
    hardware = environment()
    content = orjson.dumps({"environment": hardware, **figures}, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    (REPORT / "foundation.json").write_bytes(content + b"\n")
    table = _table(lines, f"{hardware['hardware']['cpu']}, {hardware['hardware']['cores']} cores, Python {hardware['python']}")
    (REPORT / "foundation.md").write_text(table, encoding="utf-8")
    sys.stdout.write(table)


def _lines(figures: dict[str, Mapping[str, float]]) -> list[Line]:
    overhead, reading, ndcg = figures["overhead"], figures["reading"], figures["ndcg"]
    fastest = min(reading["ir_measures_seconds"], reading["ranx_warm_seconds"])
    return [
        Line("embedding ranker, 100 candidates, engine apart", overhead["embedding_rank_ms"], "ms a query", 1.0),
        Line("… with journal, run file and measurement", overhead["embedding_all_ms"], "ms a query", 1.0),
        Line("listwise ranker, nine windows, engine apart", overhead["listwise_9_windows_rank_ms"], "ms a query", 2.0),
        Line("… with journal, run file and measurement", overhead["listwise_9_windows_all_ms"], "ms a query", 2.0),
        Line(
            "reading 1,000,000 run lines, against the faster of ir_measures and ranx",
            fastest / reading["ours_seconds"],
            "times",
            3.0,
            False,
        ),
        Line("nDCG@10 of 1,000 × 1,000 from files, share of pytrec_eval's time", ndcg["ratio"], "times", 1.2),
        Line(
            "measuring 6,980 × 1,000, peak memory",
            max(figures["memory"]["peak_bytes_ndcg_at_10"], figures["memory"]["peak_bytes_ap"]) / 1e6,
            "MB",
            1500.0,
        ),
        Line(
            "cached vectors of 1,024 floats, read shuffled",
            figures["cache"]["read_shuffled_warm_vectors_per_second"],
            "a second",
            50_000,
            False,
        ),
        Line("… through the wrapper, hashing included", figures["cache"]["embed_from_disk_texts_per_second"], "a second", 50_000, False),
        Line("rerankbench --help", figures["startup"]["help_seconds"], "s", 0.4),
    ]


def _table(lines: list[Line], machine: str) -> str:
    rows = [
        f"| {one.what} | {one.value:.3g} {one.unit} | {'≤' if one.at_most else '≥'} {one.target:g} | {'yes' if one.reached else '**no**'} |"
        for one in lines
    ]
    head = ["# Foundation", "", f"Medians, measured on {machine}.", "", "| what | figure | target | reached |", "|---|---|---|---|"]
    return "\n".join([*head, *rows, ""])


if __name__ == "__main__":
    main()
