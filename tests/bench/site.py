"""``make bench``, third part: tables rendered from stored runs, and a large site built and opened.

python -m tests.bench.site
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import bench_rendering, bench_site
from rerankbench.manifest import environment

REPORT = Path(__file__).parents[2] / "reports" / "bench"
ALL_SECONDS, BUILD_SECONDS, PAGE_BYTES, PAGE_MS = 30.0, 120.0, 3e6, 2_000.0
"""Targets."""


def main() -> None:
    figures: dict[str, Mapping[str, Any]] = {"rendering": bench_rendering.rendering(), "site": bench_site.site()}
    REPORT.mkdir(parents=True, exist_ok=True)
    machine = environment()
    content = orjson.dumps({"environment": machine, **figures}, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    (REPORT / "site.json").write_bytes(content + b"\n")
    hardware = machine["hardware"]
    table = _table(figures, f"{hardware['cpu']}, {hardware['cores']} cores, Python {machine['python']}")
    (REPORT / "site.md").write_text(table, encoding="utf-8")
    sys.stdout.write(table)


def _table(figures: Mapping[str, Mapping[str, Any]], machine: str) -> str:
    lines = ["# Tables and the site", "", f"Measured on {machine}. All orders are shuffles of made-up lists.", ""]
    lines += ["| what | figure | target | reached |", "|---|---|---|---|"]
    lines += [
        f"| {what} | {value:,.3g} {unit} | {f'≤ {target:,g}' if target else ''} | {_reached(value, target)} |"
        for what, value, unit, target in _figures(figures["rendering"], figures["site"])
    ]
    return "\n".join([*lines, ""])


def _reached(value: float, target: float) -> str:
    return "" if not target else "yes" if value <= target else "**no**"


def _figures(rendering: Mapping[str, Any], site: Mapping[str, Any]) -> Iterator[tuple[str, float, str, float]]:
    """What, figure, unit, and the target, 0 for none."""
    size = f"{rendering['systems']} systems × {rendering['benchmarks']} benchmarks × {rendering['queries']} queries"
    yield f"every format of a table of {size}, from stored runs", rendering["all_seconds"], "s", ALL_SECONDS
    steps = {
        "planning": "planning, lists read and hashed",
        "reading": "reading runs, their hashes compared",
        "table": "means and intervals",
        "formats": "writing the formats",
    }
    for name, what in steps.items():
        yield f"… {what}", rendering[f"{name}_seconds"], "s", 0
    size = f"{site['queries']} queries × {site['depth']} documents × {site['systems']} systems"
    seconds = site["collect_seconds"] + site["build_seconds"]
    yield f"site of {size}: building, the library of plots unpacked before", seconds, "s", BUILD_SECONDS
    yield f"… its {site['files']:,} files", site["bytes"] / 1e6, "MB", 0
    yield f"… the largest of them, `{site['largest_file']}`", site["largest_file_bytes"] / 1e6, "MB", PAGE_BYTES / 1e6
    if isinstance(site["pages"], str):
        return
    for kind, page in site["pages"].items():
        yield f"page of kind {kind}, complete in Chromium", page["ms"], "ms", PAGE_MS
        yield "… all that it loads", page["bytes"] / 1e6, "MB", PAGE_BYTES / 1e6


if __name__ == "__main__":
    main()
