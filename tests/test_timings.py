"""Cold, with documents at hand, all at once: in runs and rows of their own, warmed up after every start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from laboratory import Failing, Remembering, experiment, plan, run, stored, write_mirror
from rerankbench.config import Experiment
from rerankbench.errors import ConfigError
from rerankbench.experiment import Result
from rerankbench.latency import latency_tables
from rerankbench.latency.phases import TOLD, UNTOLD, phases_table
from rerankbench.latency.runs import Timed, timed_run
from rerankbench.measures.latency import QueryTime
from rerankbench.records import Call, Ranked, Ranking
from rerankbench.report import Cell, Status, Table, render
from rerankbench.reporting import report_of, write_table

ALL = "depth: 5\nlayout: latency\nbatch_queries: 1\nwarmup: 2\ntimings: [cold, documents-warm, throughput]"
COLD = "depth: 5\nlayout: latency\nbatch_queries: 1\nwarmup: 2"
SYSTEMS = "[E2Rank-lexical, RankGPT-lexical]"


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Path]:
    yield write_mirror(tmp_path / "mirror")
    Failing.fails_at = ""


def _spans(result: Result) -> list[dict[str, Any]]:
    assert result.folder is not None
    return [orjson.loads(line) for line in (result.folder / "spans.jsonl").read_bytes().splitlines()]


def _ranked(result: Result, *, warmup: bool) -> list[list[str]]:
    return [span["query_ids"] for span in _spans(result) if span["name"] == "rank" and span["warmup"] is warmup]


def _tables(tmp_path: Path, mirror: Path, more: str = ALL) -> tuple[Experiment, list[Result], dict[str, Table]]:
    asked = experiment(tmp_path, SYSTEMS, more)
    results = run(asked, mirror, tmp_path / "runs")
    return asked, results, latency_tables(asked, results, tmp_path / "runs")


def test_every_timing_has_runs_of_its_own_where_it_makes_sense(tmp_path: Path, mirror: Path) -> None:
    asked, results, _ = _tables(tmp_path, mirror)
    assert [(r.cell.system.name, r.cell.timing) for r in results] == [
        ("E2Rank-lexical", "cold"),
        ("E2Rank-lexical", "documents-warm"),
        ("E2Rank-lexical", "throughput"),
        ("RankGPT-lexical", "cold"),  # it encodes no document apart from its prompts
        ("RankGPT-lexical", "throughput"),
    ]
    assert len({r.folder for r in results}) == 5
    assert [r.manifest["identity"]["timed"] for r in results if r.manifest][:2] == [
        {"as": "cold", "warmup": 2},
        {"as": "documents-warm", "warmup": 2},
    ]
    assert [r.manifest["batch_queries"] for r in results if r.manifest] == [1, 1, 4, 1, 4]
    assert {tuple(r.measurements) for r in results[:3]} == {tuple(results[0].measurements)}  # the order is the same
    assert {p.state for p in plan(asked, mirror, tmp_path / "runs")} == {"complete"}


def test_warm_up_is_ranked_first_and_told_apart(tmp_path: Path, mirror: Path) -> None:
    _, (cold, warm, at_once, *_), _ = _tables(tmp_path, mirror)
    alone = [["q1"], ["q2"], ["q3"], ["q4"]]
    assert (_ranked(cold, warmup=True), _ranked(cold, warmup=False)) == (alone[:2], alone)
    assert (_ranked(warm, warmup=True), _ranked(warm, warmup=False)) == (alone[:2], alone)
    assert (_ranked(at_once, warmup=True), _ranked(at_once, warmup=False)) == ([["q1", "q2"]], [["q1", "q2", "q3", "q4"]])
    assert cold.manifest is not None
    assert cold.manifest["seconds"] == pytest.approx(sum(s["seconds"] for s in _spans(cold) if s["name"] == "rank" and not s["warmup"]))


def test_answers_are_counted_without_the_warm_up_and_documents_at_hand_are_not_computed(tmp_path: Path, mirror: Path) -> None:
    _, (cold, warm, at_once, *_), _ = _tables(tmp_path, mirror)
    counts = [r.manifest["answers"]["embed"] for r in (cold, warm, at_once) if r.manifest]
    # Four queries of five documents and a prompt each; at once, documents 1 and 2 are asked for once.
    assert counts == [
        {"asked": 24, "preloaded": 0, "memory": 0, "disk": 0, "computed": 24},
        {"asked": 24, "preloaded": 20, "memory": 0, "disk": 0, "computed": 4},
        {"asked": 18, "preloaded": 0, "memory": 0, "disk": 0, "computed": 18},
    ]


def test_another_warm_up_is_another_run(tmp_path: Path, mirror: Path) -> None:
    run(experiment(tmp_path, "[E2Rank-lexical]", COLD), mirror, tmp_path / "runs")
    other = experiment(tmp_path, "[E2Rank-lexical]", COLD.replace("warmup: 2", "warmup: 1"))
    assert [r.manifest for r in stored(other, mirror, tmp_path / "runs")] == [None]


def test_a_model_that_is_loaded_again_is_warmed_up_again(tmp_path: Path, mirror: Path) -> None:
    system = "{name: x, ranker: {kind: embedding, end_token: ''}, engine: {kind: 'laboratory:Failing'}}"
    asked = experiment(tmp_path, f"[{system}]", COLD)
    Failing.fails_at = "what is q4"
    (stopped,) = run(asked, mirror, tmp_path / "runs")
    assert stopped.problem is not None
    Failing.fails_at = ""
    (resumed,) = run(asked, mirror, tmp_path / "runs")
    # The first two of what was left to do, which is q4 alone, so that it is ranked twice.
    assert _ranked(resumed, warmup=True) == [["q1"], ["q2"], ["q4"], ["q4"]]
    assert _ranked(resumed, warmup=False) == [["q1"], ["q2"], ["q3"], ["q4"]]
    assert resumed.manifest is not None
    assert resumed.manifest["queries_before_last_start"] == 3


def test_a_run_that_stops_in_its_warm_up_keeps_that_and_starts_over(tmp_path: Path, mirror: Path) -> None:
    system = "{name: x, ranker: {kind: embedding, end_token: ''}, engine: {kind: 'laboratory:Failing'}}"
    asked = experiment(tmp_path, f"[{system}]", COLD)
    Failing.fails_at = "what is q2"
    (stopped,) = run(asked, mirror, tmp_path / "runs")
    assert stopped.problem is not None
    Failing.fails_at = ""
    (done,) = run(asked, mirror, tmp_path / "runs")
    assert _ranked(done, warmup=True) == [["q1"], ["q2"]]
    assert len(_ranked(done, warmup=False)) == 4


def test_states_stand_in_row_groups_and_tables_of_their_own(tmp_path: Path, mirror: Path) -> None:
    _, _, tables = _tables(tmp_path, mirror)
    assert list(tables) == ["table", "phases", "costs", "throughput"]
    assert {name: [(g.label, [r.label for r in g.rows]) for g in tables[name].groups] for name in ("table", "costs", "throughput")} == {
        "table": [("cold", ["E2Rank-lexical", "RankGPT-lexical"]), ("documents at hand", ["E2Rank-lexical"])],
        "costs": [("cold", ["E2Rank-lexical", "RankGPT-lexical"]), ("documents at hand", ["E2Rank-lexical"])],
        "throughput": [("all queries at once", ["E2Rank-lexical", "RankGPT-lexical"])],
    }
    assert all(column.unit != "seconds" or column.name == "together-s" for column in tables["throughput"].columns)
    assert {cell.variant for _, _, cell in tables["table"].cells()} == {"", "documents at hand"}
    ratios = [line for line in tables["table"].context if line.startswith("RankGPT-lexical takes ")]
    assert ["(cold)" in line for line in ratios] == [True, False]
    assert ["(documents at hand)" in line for line in ratios] == [False, True]


def test_throughput_is_queries_by_the_seconds_of_all(tmp_path: Path, mirror: Path) -> None:
    asked, results, _ = _tables(tmp_path, mirror)
    cold, at_once = results[0], results[2]
    assert cold.folder is not None
    assert at_once.folder is not None
    alone = [{"name": "rank", "start_s": 0.0, "seconds": 0.5, "query_ids": [f"q{n}"], "warmup": False} for n in (1, 2, 3, 4)]
    (cold.folder / "spans.jsonl").write_bytes(b"".join(orjson.dumps(span) + b"\n" for span in alone))
    spans = [
        {"name": "rank", "start_s": 0.0, "seconds": 99.0, "query_ids": ["q1", "q2"], "warmup": True},
        {"name": "rank", "start_s": 99.0, "seconds": 0.5, "query_ids": ["q1", "q2", "q3", "q4"], "warmup": False},
    ]
    (at_once.folder / "spans.jsonl").write_bytes(b"".join(orjson.dumps(span) + b"\n" for span in spans))
    table = latency_tables(asked, results, tmp_path / "runs")["throughput"]
    values = {c.name: cell.value for row, c, cell in table.cells() if row.label == "E2Rank-lexical"}
    assert values == {"queries-per-s": 8.0, "documents-per-s": 40.0, "together-s": 0.5, "to-one-at-a-time": 4.0}
    spans[1:] = [{**spans[1], "query_ids": ["q1", "q2"]}, {**spans[1], "query_ids": ["q3", "q4"]}]
    (at_once.folder / "spans.jsonl").write_bytes(b"".join(orjson.dumps(span) + b"\n" for span in spans))
    refused = latency_tables(asked, results, tmp_path / "runs")["throughput"]
    assert refused.rows[0].cells[0].status is Status.REFUSED
    assert refused.rows[0].cells[0].reason == "ranked in 2 parts: no throughput of all queries at once"
    assert report_of(asked, results, tmp_path / "runs").exit_code() == 4


def test_documents_that_were_not_at_hand_are_refused(tmp_path: Path, mirror: Path) -> None:
    asked, results, _ = _tables(tmp_path, mirror)
    manifest = results[1].manifest
    assert manifest is not None
    manifest["answers"]["embed"].update(preloaded=17, computed=7)  # of 20 documents
    cell = latency_tables(asked, results, tmp_path / "runs")["table"].groups[1].rows[0].cells[0]
    assert cell.status is Status.REFUSED
    assert cell.reason == "of 20 documents 17 alone were at hand: the times are neither cold nor warm"


def test_phases_are_those_of_the_spans_and_single_calls_stand_below(tmp_path: Path, mirror: Path) -> None:
    asked, results, _ = _tables(tmp_path, mirror, COLD)
    for result in results:
        assert result.folder is not None
        spans = [
            {"name": name, "start_s": 0.0, "seconds": seconds, "query_ids": [f"q{n}"], "warmup": False}
            for n in (1, 2, 3, 4)
            for name, seconds in (("build prompt", 0.1), ("generate", n), ("rank", n + 0.5))
        ]
        (result.folder / "spans.jsonl").write_bytes(b"".join(orjson.dumps(span) + b"\n" for span in spans))
    table = latency_tables(asked, results, tmp_path / "runs")["phases"]
    assert [group.label for group in table.groups] == ["E2Rank-lexical", "RankGPT-lexical"]
    rows = {row.label: [cell.value for cell in row.cells] for row in table.groups[1].rows}
    # Of 1, 2, 3, 4 the mean and the middle are 2.5; the 90th lies at position 2.7, the 99th at 2.97.
    assert rows["generate"] == pytest.approx([2.5, 2.5, 3.7, 3.97])
    assert rows["overall"] == pytest.approx([3.0, 3.0, 4.2, 4.47])
    assert rows["the rest"] == pytest.approx([0.4, 0.4, 0.4, 0.4])
    assert list(rows)[-1] == "call: window 1-5"


def _called(first_token_s: Sequence[float], **more: Any) -> Ranked:
    return Ranked(Ranking("q", ("d1",)), tuple(Call(9, 9, 2.0, phase="window 1-5", first_token_s=s, **more) for s in first_token_s))


def _timed(result: Result, ranked: Sequence[Ranked]) -> Timed:
    times = [QueryTime("q", 5.0, {"build prompt": 0.5, "generate": 4.0}) for _ in ranked]
    return Timed(result, Cell("s", "overall-s", Status.DONE, 5.0), tuple(times), ranked=tuple(ranked))


def test_generating_is_told_apart_into_reading_and_writing_where_every_call_tells(tmp_path: Path, mirror: Path) -> None:
    asked, results, _ = _tables(tmp_path, mirror, COLD)
    timed = _timed(results[0], [_called([0.5, 0.75]), _called([1.0, 1.25])])
    table = phases_table(asked, [timed])
    rows = {row.label: [cell.value for cell in row.cells] for row in table.groups[0].rows}
    assert list(rows)[1:4] == ["generate", "generate: reading the prompts", "generate: writing the answers"]
    # 0.5 + 0.75 and 1.0 + 1.25: mean and middle 1.75, the 90th 1.25 + 0.9, the 99th 1.25 + 0.99; of 4 s each query leaves the rest.
    assert rows["generate: reading the prompts"] == pytest.approx([1.75, 1.75, 2.15, 2.24])
    assert rows["generate: writing the answers"] == pytest.approx([2.25, 2.25, 2.65, 2.74])
    assert rows["the rest"] == pytest.approx([0.5] * 4), "the two are within their phase, and not subtracted twice"
    assert TOLD in table.context
    assert UNTOLD not in table.context


@pytest.mark.parametrize(
    "second", [_called([0.5, 0.0]), _called([0.5, 0.5], batch_size=2)], ids=["a call does not tell", "prompts were read together"]
)
def test_generating_stays_one_where_its_parts_are_not_known_of_every_call(tmp_path: Path, mirror: Path, second: Ranked) -> None:
    asked, results, _ = _tables(tmp_path, mirror, COLD)
    table = phases_table(asked, [_timed(results[0], [_called([0.5]), second])])
    assert not any(row.label.startswith("generate: ") for row in table.groups[0].rows)
    assert UNTOLD in table.context
    assert TOLD not in table.context


def test_costs_leave_out_what_not_every_engine_tells_and_say_so(tmp_path: Path, mirror: Path) -> None:
    _, results, tables = _tables(tmp_path, mirror, COLD)
    assert [column.name for column in tables["costs"].columns] == ["calls", "peak-memory-mib"]
    assert [row.cells[0].value for row in tables["costs"].rows] == [2.0, 1.0]  # documents and prompt; one window
    assert "no tokens: the engine of E2Rank-lexical does not count them" in tables["costs"].notes
    assert any(note.startswith("no energy: ") for note in tables["costs"].notes)
    assert any(line.startswith("metered of the process") for line in tables["costs"].context)
    for result in results:
        assert result.manifest is not None
        assert result.manifest["resources"]["peak_memory"]["bytes"] > 0


def test_every_table_is_written_in_every_format(tmp_path: Path, mirror: Path) -> None:
    asked, results, _ = _tables(tmp_path, mirror)
    report = report_of(asked, results, tmp_path / "runs")
    names = {path.name for path in write_table(report, tmp_path / "report")}
    assert names == {f"{name}.{end}" for name in ("table", "phases", "costs", "throughput") for end in ("md", "csv", "tex", "html")}
    assert "documents at hand" in render(report.table, "csv", report.shape)


@pytest.mark.parametrize(
    ("systems", "more", "expected"),
    [
        ("[BM25]", "warmup: 3", "'warmup' says how queries are timed, which layout 'latency' alone does"),
        ("[BM25]", "timings: [cold]", "'timings' says how queries are timed"),
        ("[BM25]", "layout: latency\nbatch_queries: 1\ntimings: [cold, cold]", "'timings' names one of them twice"),
        ("[BM25]", "layout: latency\nbatch_queries: 1\ntimings: [hot]", "'cold', 'documents-warm' or 'throughput'"),
        ("[BM25]", "layout: latency\nbatch_queries: 1\nwarmup: -1", "greater than or equal to 0"),
        (
            "[BM25]",
            "layout: latency\nbatch_queries: 1\ntable: 12\ntimings: [throughput]",
            "beside the paper's seconds stand cold ones alone",
        ),
    ],
)
def test_timings_that_make_no_sense_are_refused(tmp_path: Path, systems: str, more: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        experiment(tmp_path, systems, more)


def test_documents_at_hand_of_no_system_are_refused(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, "[RankGPT-lexical]", "depth: 5\nlayout: latency\nbatch_queries: 1\ntimings: [documents-warm]")
    with pytest.raises(ConfigError, match="no system here encodes documents apart from its prompts"):
        plan(asked, mirror, tmp_path / "runs")


@pytest.mark.parametrize(
    ("timing", "expected"),
    # Two calls a query, documents and prompt; a warm-up of two queries; four queries.
    [("cold", ["work"] * 4 + ["forget", "work", "work"] * 4), ("throughput", ["work"] * 2 + ["forget", "work", "work"])],
)
def test_before_every_batch_that_is_timed_inputs_are_forgotten_and_the_manifest_says_so(
    tmp_path: Path, mirror: Path, timing: str, expected: list[str]
) -> None:
    Remembering.events.clear()
    more = f"depth: 5\nlayout: latency\nbatch_queries: 1\nwarmup: 2\ntimings: [{timing}]"
    (result,) = run(
        experiment(tmp_path, "[{name: remembers, base: E2Rank-lexical, engine: {kind: 'laboratory:Remembering'}}]", more),
        mirror,
        tmp_path / "runs",
    )
    assert Remembering.events == expected
    assert result.manifest is not None
    assert result.manifest["inputs_forgotten"] is True


def test_a_run_whose_inputs_were_forgotten_is_not_flawed_by_its_warm_up(tmp_path: Path, mirror: Path) -> None:
    asked, results, _ = _tables(tmp_path, mirror, COLD)
    assert results[0].manifest is not None
    manifest = {**results[0].manifest, "system": {"engine": {"kind": "vllm", "prefix_caching": True}}}
    kept, forgot = (timed_run(replace(results[0], manifest={**manifest, "inputs_forgotten": f}), asked, tmp_path) for f in (False, True))
    assert kept.flaws == ("prefix caching: the engine had read the 2 queries of the warm-up before it was timed on them",)
    assert forgot.flaws == ()
    assert any("prefix caching, forgotten before every batch of queries" in note for note in forgot.cell.notes)
