"""What a large site costs: 400 queries of 100 documents ranked by 20 systems; building it, its size, and opening its pages in Chromium.

Not a test: nothing here asserts. Two of the systems read text (word counts), so that prompts and answers are among it.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson

from bench.stored_runs import planner, shuffling, store, write_experiment
from rerankbench.config import Experiment
from rerankbench.site import build_site, collect

QUERIES, DEPTH, SYSTEMS, REPEATS = 400, 100, 20, 5
_LEXICAL = [
    {"name": "embedding", "ranker": {"kind": "embedding"}, "engine": "lexical"},
    {"name": "listwise", "ranker": {"kind": "listwise"}, "engine": "lexical"},
]


def site() -> dict[str, Any]:
    """Seconds to build, sizes in bytes, and milliseconds until each kind of page is complete."""
    with tempfile.TemporaryDirectory() as name:
        folder, runs, out = Path(name), Path(name) / "runs", Path(name) / "site"
        systems = [*_LEXICAL, *shuffling(SYSTEMS - len(_LEXICAL))]
        experiment = store(write_experiment(folder, benchmarks=1, queries=QUERIES, depth=DEPTH, systems=systems), runs)
        build_site(collect([(experiment, planner(experiment, runs))], runs), runs, out)  # the library of plots is unpacked once
        figures = _built(experiment, runs, out)
        return {"queries": QUERIES, "depth": DEPTH, "systems": SYSTEMS, **figures, **_opened(out)}


def _built(experiment: Experiment, runs: Path, out: Path) -> dict[str, Any]:
    shutil.rmtree(out)  # else the time to remove the site before would count
    start = time.perf_counter()
    contents = collect([(experiment, planner(experiment, runs))], runs)
    collected = time.perf_counter()
    built = build_site(contents, runs, out)
    end = time.perf_counter()
    largest = max(built.sizes, key=lambda path: built.sizes[path])
    kinds = ("queries", "sent", "documents", "runs")
    by_kind = {kind: sum(size for path, size in built.sizes.items() if f"{kind}/" in path) for kind in kinds}
    return {
        "collect_seconds": collected - start,
        "build_seconds": end - collected,
        "files": len(built.sizes),
        "bytes": sum(built.sizes.values()),
        "bytes_by_kind": by_kind,
        "largest_file": largest,
        "largest_file_bytes": built.sizes[largest],
    }


def _opened(out: Path) -> dict[str, Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return {"pages": "left out: playwright is not installed"}
    chromium = shutil.which("chromium")
    if chromium is None:
        return {"pages": "left out: no Chromium is installed"}
    folder = next((out / "lists").iterdir()).name
    pages = {
        "index": ("index.html", "h1"),
        "table": (next((out / "tables").iterdir()).relative_to(out).as_posix(), "table"),
        "run": (next((out / "runs").iterdir()).relative_to(out).as_posix(), "input[type=search]"),
        "compare": (f"lists/{folder}/index.html", "#drawing svg"),
        "query": (f"lists/{folder}/queries/0.html", "section.list ~ section.list ~ section.list"),
        "plot": ("plot.html", "#drawing svg"),
    }
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        try:
            return {"pages": {kind: _load(browser, out, *page) for kind, page in pages.items()}}
        finally:
            browser.close()


def _load(browser: Any, out: Path, path: str, complete: str) -> dict[str, float]:
    """Median milliseconds until what the page's scripts make is there, and the bytes of all files that it asks for."""
    asked: set[str] = set()
    times = []
    for _ in range(REPEATS):
        page = browser.new_page()
        page.on("request", lambda request: asked.add(request.url))
        start = time.perf_counter()
        page.goto((out / path).as_uri())
        page.locator(complete).first.wait_for()
        times.append(1000 * (time.perf_counter() - start))
        page.close()
    return {"ms": median(times), "bytes": sum(Path(unquote(urlsplit(url).path)).stat().st_size for url in asked)}


if __name__ == "__main__":
    sys.stdout.write(orjson.dumps(site(), option=orjson.OPT_INDENT_2).decode() + "\n")
