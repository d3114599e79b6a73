"""The same queries timed several times, in batches, and on variants of an engine: by hand from the spans of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import orjson
import pytest

from laboratory import Watched, experiment, plan, run, stored, write_mirror
from rerankbench.config import Experiment
from rerankbench.engines.scripted import ScriptedOptions
from rerankbench.errors import ConfigError
from rerankbench.experiment import Result
from rerankbench.latency import latency_tables
from rerankbench.report import Cell, Status, Table, render

ONE = "depth: 5\nlayout: latency\nbatch_queries: 1\nwarmup: 1"
TWO = f"{ONE}\npasses: 2"
BATCHES = f"{ONE}\ntimings: [cold, throughput]\nat_once: [2, all]"
SYSTEM = "[E2Rank-lexical]"


class Remembering(Watched):
    """Keeps what it has read across calls, as vLLM does with prefix caching."""

    class Options(ScriptedOptions):
        prefix_caching: bool = True

    name: ClassVar[str] = "remembering"


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return write_mirror(tmp_path / "mirror")


def _retime(result: Result, batches: Mapping[tuple[str, ...], Sequence[tuple[str, float]]]) -> None:
    """Give each batch of queries these phases and, last, its whole."""
    assert result.folder is not None
    spans = [
        {"name": name, "start_s": 0.0, "seconds": seconds, "query_ids": list(queries), "warmup": False}
        for queries, of in batches.items()
        for name, seconds in of
    ]
    (result.folder / "spans.jsonl").write_bytes(b"".join(orjson.dumps(span) + b"\n" for span in spans))


def _alone(seconds: Sequence[float], documents: float = 0.0) -> dict[tuple[str, ...], list[tuple[str, float]]]:
    return {(f"q{n}",): [("encode documents", documents), ("rank", of)] for n, of in enumerate(seconds, start=1)}


def _cells(table: Table, label: str) -> dict[str, Cell]:
    return {column.name: cell for row, column, cell in table.cells() if row.label == label}


# ---- passes ----


def _two_passes(tmp_path: Path, mirror: Path) -> tuple[Experiment, list[Result]]:
    asked = experiment(tmp_path, SYSTEM, TWO)
    results = run(asked, mirror, tmp_path / "runs")
    _retime(results[0], _alone([1, 2, 3, 4], documents=0.5))
    _retime(results[1], _alone([3, 2, 5, 8], documents=0.7))
    return asked, results


def test_each_pass_is_a_run_of_its_own_and_the_first_is_the_one_that_was_there(tmp_path: Path, mirror: Path) -> None:
    once = experiment(tmp_path, SYSTEM, ONE, name="once")
    (before,) = run(once, mirror, tmp_path / "runs")
    first, second = run(experiment(tmp_path, SYSTEM, TWO), mirror, tmp_path / "runs")
    assert first.reused
    assert first.folder == before.folder != second.folder
    assert second.manifest is not None
    assert second.manifest["identity"]["timed"] == {"as": "cold", "warmup": 1, "pass": 2}
    assert (second.manifest["pass"], second.manifest["passes"]) == (2, 2)
    assert str(second.cell) == "E2Rank-lexical on mini (bm25 top 5, cold, pass 2 of 2)"
    assert [p.state for p in plan(once, mirror, tmp_path / "runs")] == ["complete"]


def test_passes_share_a_loaded_engine_that_keeps_nothing_and_no_other(tmp_path: Path, mirror: Path) -> None:
    for kind, loads in (("laboratory:Watched", 1), ("test_latency_passes:Remembering", 2)):
        Watched.reset()
        system = f"[{{name: x, ranker: {{kind: embedding}}, engine: {{kind: '{kind}'}}}}]"
        run(experiment(tmp_path, system, TWO), mirror, tmp_path / kind.partition(":")[2])
        assert Watched.events == ["load 0", "close 0"] * loads


def test_a_row_is_the_mean_over_queries_of_each_querys_mean(tmp_path: Path, mirror: Path) -> None:
    asked, results = _two_passes(tmp_path, mirror)
    table = latency_tables(asked, results, tmp_path / "runs")["table"]
    assert len(table.rows) == 1
    cells = _cells(table, "E2Rank-lexical")
    # Queries take (1+3)/2, (2+2)/2, (3+5)/2, (4+8)/2 = 2, 2, 4, 6, on average 3.5; the passes 10/4 = 2.5 and 18/4 = 4.5.
    assert cells["overall-s"].value == pytest.approx(3.5)
    assert [(r.label, r.value, r.run) for r in cells["overall-s"].repeats] == [
        ("pass 1", 2.5, results[0].folder.relative_to(tmp_path / "runs").as_posix()),  # type: ignore[union-attr]
        ("pass 2", 4.5, results[1].folder.relative_to(tmp_path / "runs").as_posix()),  # type: ignore[union-attr]
    ]
    assert cells["encode-documents-s"].value == pytest.approx(0.6)
    assert cells["others-s"].value == pytest.approx(2.9)
    low, high = cells["overall-s"].interval or (0, 0)
    assert 2 <= low < 3.5 < high <= 6  # of 2, 2, 4, 6: no resample lies outside of them
    # Of all eight times 1 2 2 3 3 4 5 8: the middle is 3; the 90th lies at position 6.3, so 5 + 0.3 × 3.
    assert cells["overall-p50-s"].value == pytest.approx(3)
    assert cells["overall-p90-s"].value == pytest.approx(5.9)
    assert not cells["overall-p90-s"].repeats
    assert any("2 passes, 2.50–4.50 s each" in note and "slowest (query q4) 8.00" in note for note in table.notes)
    assert any(line.startswith("2 passes: every query was timed 2 times") for line in table.context)


def test_phases_and_costs_follow(tmp_path: Path, mirror: Path) -> None:
    asked, (first, second) = _two_passes(tmp_path, mirror)
    assert second.manifest is not None
    more = {**second.manifest["resources"], "peak_memory": {"bytes": 2**40, "of": "the process"}}
    second = replace(second, manifest={**second.manifest, "resources": more})
    tables = latency_tables(asked, [first, second], tmp_path / "runs")
    rows = {row.label: row.cells for row in tables["phases"].rows}
    assert rows["overall"][0].value == pytest.approx(3.5)
    assert [repeat.value for repeat in rows["the rest"][0].repeats] == pytest.approx([2.0, 3.8])
    assert rows["overall"][2].value == pytest.approx(5.9)
    costs = _cells(tables["costs"], "E2Rank-lexical")
    assert costs["calls"].value == 2.0  # documents and prompt, in each pass
    assert costs["peak-memory-mib"].value == 2**20  # the most of any pass


def test_a_pass_that_is_missing_leaves_no_mean(tmp_path: Path, mirror: Path) -> None:
    run(experiment(tmp_path, SYSTEM, ONE, name="once"), mirror, tmp_path / "runs")
    asked = experiment(tmp_path, SYSTEM, TWO)
    table = latency_tables(asked, stored(asked, mirror, tmp_path / "runs"), tmp_path / "runs")["table"]
    cell = _cells(table, "E2Rank-lexical")["overall-s"]
    assert (cell.status, cell.reason) == (Status.MISSING, "1 of 2 passes are there; pass 2: This cell was not run yet.")
    assert table.exit_code() == 4
    other = experiment(tmp_path, SYSTEM, f"{TWO}\ntimings: [throughput]", name="other")
    none = latency_tables(other, stored(other, mirror, tmp_path / "runs"), tmp_path / "runs")["table"]
    assert none.rows[0].cells[0].reason == "This cell was not run yet."


def test_passes_of_different_hardware_have_no_mean(tmp_path: Path, mirror: Path) -> None:
    asked, (first, second) = _two_passes(tmp_path, mirror)
    assert second.manifest is not None
    elsewhere = {**second.manifest, "environment": {"hardware": {"gpus": ["another"]}}}
    tables = latency_tables(asked, [first, replace(second, manifest=elsewhere)], tmp_path / "runs")
    cell = _cells(tables["table"], "E2Rank-lexical")["overall-s"]
    assert cell.status is Status.REFUSED
    assert cell.reason.startswith("passes of different settings have no mean: lexical")
    assert "on another" in cell.reason


# ---- many at once ----


def test_so_many_at_once_are_runs_of_their_own_beside_all_and_one(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, SYSTEM, BATCHES)
    results = run(asked, mirror, tmp_path / "runs")
    assert [r.manifest["batch_queries"] for r in results if r.manifest] == [1, 2, 4]
    assert results[1].manifest is not None
    assert results[2].manifest is not None
    assert results[1].manifest["identity"]["timed"] == {"as": "throughput", "warmup": 1, "at_once": 2}
    assert results[2].manifest["identity"]["timed"] == {"as": "throughput", "warmup": 1}
    _retime(results[0], _alone([1, 2, 3, 4]))
    _retime(results[1], {("q1", "q2"): [("rank", 1.5)], ("q3", "q4"): [("rank", 2.5)]})
    _retime(results[2], {("q1", "q2", "q3", "q4"): [("rank", 0.5)]})
    table = latency_tables(asked, results, tmp_path / "runs")["throughput"]
    assert [group.label for group in table.groups] == ["2 queries at once", "all queries at once"]
    values = [[cell.value for cell in row.cells] for row in table.rows]
    # One at a time all four take 10 s; two at a time 4 s, four at once 0.5 s. Five documents a query.
    assert values == [[1.0, 5.0, 4.0, 2.5], [8.0, 40.0, 0.5, 20.0]]
    assert all(cell.interval is None for _, _, cell in table.cells())


def test_batches_of_another_size_are_refused(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, SYSTEM, BATCHES)
    results = run(asked, mirror, tmp_path / "runs")
    _retime(results[1], {("q1", "q2", "q3"): [("rank", 1.5)], ("q4",): [("rank", 2.5)]})
    cell = latency_tables(asked, results, tmp_path / "runs")["throughput"].rows[0].cells[0]
    assert (cell.status, cell.reason) == (Status.REFUSED, "ranked in 2 parts: no throughput of 2 queries at once")


def test_throughput_of_passes_is_of_all_their_seconds_and_each_pass_has_its_ratio(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, SYSTEM, f"{TWO}\ntimings: [cold, throughput]")
    results = run(asked, mirror, tmp_path / "runs")
    order = [(r.cell.number, r.cell.timing) for r in results]
    assert order == [(1, "cold"), (1, "throughput"), (2, "cold"), (2, "throughput")]
    for result, seconds in zip(results[::2], (10.0, 14.0), strict=True):
        _retime(result, _alone([seconds / 4] * 4))
    for result, seconds in zip(results[1::2], (2.0, 4.0), strict=True):
        _retime(result, {("q1", "q2", "q3", "q4"): [("rank", seconds)]})
    cells = _cells(latency_tables(asked, results, tmp_path / "runs")["throughput"], "E2Rank-lexical")
    # 8 queries in 6 s, and 24 s one at a time; 10 / 2 and 14 / 4 are the ratios of the passes.
    assert cells["queries-per-s"].value == pytest.approx(8 / 6)
    assert [repeat.value for repeat in cells["queries-per-s"].repeats] == [2.0, 1.0]
    assert cells["to-one-at-a-time"].value == pytest.approx(24 / 6)
    assert [repeat.value for repeat in cells["to-one-at-a-time"].repeats] == [5.0, 3.5]


def test_without_its_queries_one_at_a_time_there_is_no_ratio(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, SYSTEM, f"{ONE}\ntimings: [cold, throughput]")
    cold, together = run(asked, mirror, tmp_path / "runs")
    assert cold.manifest is not None
    elsewhere = replace(cold, manifest={**cold.manifest, "environment": {"hardware": {"gpus": ["another"]}}})
    cell = _cells(latency_tables(asked, [elsewhere, together], tmp_path / "runs")["throughput"], "E2Rank-lexical")["to-one-at-a-time"]
    assert (cell.status, cell.reason) == (Status.REFUSED, "its queries were timed one at a time in another setting")
    alone = experiment(tmp_path, SYSTEM, f"{ONE}\ntimings: [throughput]", name="alone")
    table = latency_tables(alone, [together], tmp_path / "runs")["table"]
    assert "to-one-at-a-time" not in [column.name for column in table.columns]


# ---- variants of an engine ----


def test_variants_of_an_engine_are_rows_with_their_ratios(tmp_path: Path, mirror: Path) -> None:
    engine = "engine: {kind: 'test_latency_passes:Remembering', prefix_caching: false}"
    systems = (
        f"[{{name: E-tiny, ranker: {{kind: embedding}}, {engine}, swept: false}},"
        f" {{name: R-tiny, ranker: {{kind: listwise}}, {engine}, sweep: {{engine.prefix_caching: [false, true]}}}}]"
    )
    asked = experiment(tmp_path, systems, ONE.replace("warmup: 1", "warmup: 0"))
    results = run(asked, mirror, tmp_path / "runs")
    for result, seconds in zip(results, (1.0, 6.0, 3.0), strict=True):
        _retime(result, _alone([seconds] * 4))
    tables: dict[str, Any] = latency_tables(asked, results, tmp_path / "runs")
    assert [row.label for row in tables["table"].rows] == ["E-tiny", "R-tiny[prefix_caching=False]", "R-tiny[prefix_caching=True]"]
    ratios = [line.partition(" (95 %")[0] for line in tables["table"].context if " times as long as " in line]
    assert ratios == [
        "R-tiny[prefix_caching=False] takes 6.00 times as long as E-tiny",
        "R-tiny[prefix_caching=True] takes 3.00 times as long as E-tiny",
        "R-tiny[prefix_caching=True] takes 0.500 times as long as R-tiny[prefix_caching=False]",
    ]
    settings = [cell.notes[0] for row in tables["table"].rows for cell in row.cells[:1]]
    assert ["prefix caching" in said for said in settings] == [False, False, True]
    assert "R-tiny[prefix_caching=True]" in render(tables["phases"], "markdown")


# ---- configurations ----


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("passes: 2", "'passes' says how queries are timed, which layout 'latency' alone does"),
        (f"{ONE}\npasses: 0", "greater than or equal to 1"),
        (f"{ONE}\nat_once: [2]", "'at_once' says how many queries are timed together"),
        (f"{ONE}\ntimings: [throughput]\nat_once: [2, 2]", "'at_once' names a number twice"),
        (f"{ONE}\ntimings: [throughput]\nat_once: [1]", "greater than or equal to 2"),
    ],
)
def test_what_cannot_be_timed_is_refused(tmp_path: Path, more: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        experiment(tmp_path, SYSTEM, more)
