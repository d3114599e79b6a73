"""How long it takes to render every table from stored runs: 30 systems on 22 benchmarks of 100 queries, 100 documents each.

Not a test: nothing here asserts. ``PYTHONPATH=eval:tests python -m bench.bench_rendering`` prints the parts.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import orjson

from bench.stored_runs import planner, shuffling, store, write_experiment
from rerankbench.config import load_experiment
from rerankbench.experiment import Laboratory
from rerankbench.report import SUFFIXES, render
from rerankbench.reporting import report_of

SYSTEMS, BENCHMARKS, QUERIES, DEPTH = 30, 22, 100, 100


def rendering() -> dict[str, float]:
    """Seconds of each step from a configuration to files, in a process that has read nothing yet but this module."""
    with tempfile.TemporaryDirectory() as folder:
        path, runs = Path(folder) / "made-up.yaml", Path(folder) / "runs"
        start = time.perf_counter()
        written = write_experiment(Path(folder), benchmarks=BENCHMARKS, queries=QUERIES, depth=DEPTH, systems=shuffling(SYSTEMS), words=20)
        store(written, runs)
        figures = {"systems": SYSTEMS, "benchmarks": BENCHMARKS, "queries": QUERIES, "depth": DEPTH}
        return {**figures, "storing_seconds": time.perf_counter() - start, **_steps(path, runs)}


def _steps(path: Path, runs: Path) -> dict[str, float]:
    times = [time.perf_counter()]
    experiment = load_experiment(str(path))
    made = planner(experiment, runs)
    plan = made.plan(experiment)
    times.append(time.perf_counter())
    results = Laboratory(made).stored(plan, experiment)
    times.append(time.perf_counter())
    report = report_of(experiment, results, runs)
    times.append(time.perf_counter())
    for format_ in SUFFIXES:
        render(report.table, format_, "paper")
        render(report.table, format_, "experiment")
    times.append(time.perf_counter())
    names = ("planning_seconds", "reading_seconds", "table_seconds", "formats_seconds")
    steps = {name: after - before for name, before, after in zip(names, times, times[1:], strict=False)}
    return {**steps, "all_seconds": times[-1] - times[0]}


if __name__ == "__main__":
    sys.stdout.write(orjson.dumps(rendering(), option=orjson.OPT_INDENT_2).decode() + "\n")
