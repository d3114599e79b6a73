"""Tables of seconds: by hand from the spans of runs, refused where they tell no latency, judged only on the paper's own device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from laboratory import experiment, plan, run, stored, write_mirror
from rerankbench.config import Experiment, load_experiment
from rerankbench.errors import ConfigError, UsageError
from rerankbench.experiment import Result
from rerankbench.latency import latency_table, short
from rerankbench.plan import Cell as PlannedCell
from rerankbench.records import Call, Measurement, Ranked, Ranking, Span
from rerankbench.reference.verdict import Verdict
from rerankbench.report import Cell, Status, Table, render
from rerankbench.reporting import report_of
from rerankbench.store import RunFolder

MORE = "depth: 5\nlayout: latency\nbatch_queries: 1"
SYSTEMS = "[E2Rank-lexical, RankGPT-lexical]"
A100 = "NVIDIA A100-SXM4-80GB"


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return write_mirror(tmp_path / "mirror")


def _retime(result: Result, times: Mapping[str, Sequence[tuple[str, float]]]) -> None:
    """Give each query of a run these phases and, last, its whole."""
    assert result.folder is not None
    spans = [
        {"name": name, "start_s": 0.0, "seconds": seconds, "query_ids": [query], "warmup": False}
        for query, of in times.items()
        for name, seconds in of
    ]
    (result.folder / "spans.jsonl").write_bytes(b"".join(orjson.dumps(span) + b"\n" for span in spans))


def _cells(table: Table) -> dict[tuple[str, str], Cell]:
    return {(row.system, column.name): cell for row, column, cell in table.cells()}


ENCODING = {"q1": 0.5, "q2": 0.3, "q3": 0.4, "q4": 0.4}
OVERALL = {"q1": 0.7, "q2": 0.5, "q3": 0.6, "q4": 0.6}


def _two_systems(tmp_path: Path, mirror: Path) -> tuple[Experiment, list[Result]]:
    asked = experiment(tmp_path, SYSTEMS, MORE)
    e2rank, rankgpt = results = run(asked, mirror, tmp_path / "runs")
    _retime(e2rank, {q: [("build prompt", 0.05), ("encode documents", ENCODING[q]), ("rank", OVERALL[q])] for q in OVERALL})
    _retime(rankgpt, {q: [("generate", 1.0), ("rank", 3 * OVERALL[q])] for q in OVERALL})
    return asked, results


def test_every_number_is_that_by_hand(tmp_path: Path, mirror: Path) -> None:
    asked, results = _two_systems(tmp_path, mirror)
    table = latency_table(asked, results, tmp_path / "runs")
    assert [c.name for c in table.columns] == [
        "encode-documents-s",
        "others-s",
        "overall-s",
        "overall-p50-s",
        "overall-p90-s",
        "overall-p99-s",
    ]
    assert {c.unit for c in table.columns} == {"seconds"}
    values = {place: cell.value for place, cell in _cells(table).items()}
    assert values == pytest.approx(
        {
            ("E2Rank-lexical", "encode-documents-s"): 0.4,  # (0.5 + 0.3 + 0.4 + 0.4) / 4
            ("E2Rank-lexical", "others-s"): 0.2,
            ("E2Rank-lexical", "overall-s"): 0.6,
            ("E2Rank-lexical", "overall-p50-s"): 0.6,
            ("E2Rank-lexical", "overall-p90-s"): 0.67,
            ("E2Rank-lexical", "overall-p99-s"): 0.697,  # at position 0.99 × 3 = 2.97, so 0.6 + 0.97 × 0.1
            ("RankGPT-lexical", "encode-documents-s"): 0.0,
            ("RankGPT-lexical", "others-s"): 1.8,
            ("RankGPT-lexical", "overall-s"): 1.8,
            ("RankGPT-lexical", "overall-p50-s"): 1.8,
            ("RankGPT-lexical", "overall-p90-s"): 2.01,
            ("RankGPT-lexical", "overall-p99-s"): 2.091,
        }
    )
    assert all(cell.unit == "seconds" and cell.queries == 4 and cell.verdict is None for cell in _cells(table).values())
    assert _cells(table)["E2Rank-lexical", "others-s"].interval == pytest.approx((0.2, 0.2))
    assert table.exit_code() == 0


def test_a_ratio_of_two_systems_of_one_size_stands_above_the_table(tmp_path: Path, mirror: Path) -> None:
    asked, results = _two_systems(tmp_path, mirror)
    table = latency_table(asked, results, tmp_path / "runs")
    # Each query takes three times as long, so that no resample has another ratio.
    assert "RankGPT-lexical takes 3.00 times as long as E2Rank-lexical (95 % interval 3.00–3.00)" in table.context


def test_systems_on_different_hardware_have_no_ratio(tmp_path: Path, mirror: Path) -> None:
    asked, (e2rank, rankgpt) = _two_systems(tmp_path, mirror)
    assert rankgpt.manifest is not None
    elsewhere = {**rankgpt.manifest, "environment": {"hardware": {"gpus": [A100]}}}
    table = latency_table(asked, [e2rank, replace(rankgpt, manifest=elsewhere)], tmp_path / "runs")
    assert "no ratio of RankGPT-lexical to E2Rank-lexical: hardware or engine differ" in table.context
    assert any("different hardware" in line for line in render(table, "markdown").splitlines())


def test_a_row_says_what_its_columns_leave_out(tmp_path: Path, mirror: Path) -> None:
    asked, results = _two_systems(tmp_path, mirror)
    about = latency_table(asked, results, tmp_path / "runs").notes[0]
    assert about.startswith("E2Rank-lexical: 0.600 s (")
    assert "p50 0.600, p90 0.670, p99 0.697, slowest (query q1) 0.700" in about
    assert "mean by phase: build prompt 0.0500, encode documents 0.400, the rest 0.150" in about


def test_setting_and_caveat_stand_at_every_cell(tmp_path: Path, mirror: Path) -> None:
    asked, results = _two_systems(tmp_path, mirror)
    for (system, column), cell in _cells(latency_table(asked, results, tmp_path / "runs")).items():
        assert any("lexical is not a language model" in remark for remark in cell.remarks)
        assert any(remark.startswith("lexical; on ") for remark in cell.remarks)
        no_documents = (system, column) == ("RankGPT-lexical", "encode-documents-s")
        assert ("it encodes no document apart from its prompts" in cell.remarks) == no_documents


def test_warm_up_is_left_out_and_its_absence_is_said(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, "[E2Rank-lexical]", MORE)
    (result,) = run(asked, mirror, tmp_path / "runs")
    _retime(result, {q: [("encode documents", 0.1), ("rank", 0.2)] for q in OVERALL})
    before = latency_table(asked, [result], tmp_path / "runs")
    assert "no warm-up: the first query counts like any other" in before.context
    assert result.folder is not None
    warm = {"name": "rank", "start_s": 0.0, "seconds": 99.0, "query_ids": ["q1"], "warmup": True}
    with (result.folder / "spans.jsonl").open("ab") as file:
        file.write(orjson.dumps(warm) + b"\n")
    after = latency_table(asked, [result], tmp_path / "runs")
    assert "warm-up is left out: 3 queries, ranked before the clock counted, after every start" in after.context
    assert _cells(after)["E2Rank-lexical", "overall-s"].value == pytest.approx(0.2)


def test_queries_that_were_ranked_together_are_refused_with_what_to_do(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, "[E2Rank-lexical]", MORE)
    (result,) = run(asked, mirror, tmp_path / "runs")
    assert result.folder is not None
    together = {"name": "rank", "start_s": 0.0, "seconds": 4.0, "query_ids": list(OVERALL), "warmup": False}
    (result.folder / "spans.jsonl").write_bytes(orjson.dumps(together) + b"\n")
    table = latency_table(asked, [result], tmp_path / "runs")
    for cell in _cells(table).values():
        assert (cell.status, cell.reason) == (Status.REFUSED, "4 queries at a time: throughput, not latency")
        assert "rerankbench run tiny with another --runs" in cell.hint
    assert table.exit_code() == 4


def test_spans_that_are_lost_or_damaged_fail_the_row_and_name_no_place_of_this_machine(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, "[E2Rank-lexical]", MORE)
    (result,) = run(asked, mirror, tmp_path / "runs")
    assert result.folder is not None
    for content, expected in ((b"", "4 queries were not timed exactly once"), (b"{}\n", "holds a line that is no span")):
        (result.folder / "spans.jsonl").write_bytes(content)
        cell = _cells(latency_table(asked, [result], tmp_path / "runs"))["E2Rank-lexical", "overall-s"]
        assert cell.status is Status.FAILED
        assert expected in cell.reason
        assert str(tmp_path) not in cell.reason


def _with_answers(result: Result, **counts: int) -> Result:
    assert result.manifest is not None
    answers = {"embed": {"asked": 24, "preloaded": 0, "memory": 0, "disk": 0, "computed": 24, **counts}}
    return replace(result, manifest={**result.manifest, "answers": answers})


def test_answers_from_elsewhere_are_no_latency_and_kept_vectors_are_counted(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, "[E2Rank-lexical]", MORE)
    (result,) = run(asked, mirror, tmp_path / "runs")
    from_disk = _cells(latency_table(asked, [_with_answers(result, disk=6)], tmp_path / "runs"))["E2Rank-lexical", "overall-s"]
    assert from_disk.status is Status.REFUSED
    assert from_disk.reason.startswith("6 of 24 answers were kept from elsewhere")
    kept = _cells(latency_table(asked, [_with_answers(result, memory=3)], tmp_path / "runs"))["E2Rank-lexical", "overall-s"]
    assert kept.done
    assert any(remark.startswith("3 of 24 texts were not encoded") for remark in kept.remarks)


def test_an_engine_without_a_longest_input_of_its_own_names_none(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, "[E2Rank-lexical]", MORE)
    (result,) = run(asked, mirror, tmp_path / "runs")
    assert result.manifest is not None
    engine = {"kind": "sentence_transformers", "dtype": "auto", "max_tokens": None}
    other = replace(result, manifest={**result.manifest, "system": {**result.manifest["system"], "engine": engine}})
    cell = _cells(latency_table(asked, [other], tmp_path / "runs"))["E2Rank-lexical", "overall-s"]
    assert cell.notes[0].startswith("sentence_transformers, dtype auto; on ")


def test_a_run_that_was_resumed_says_so(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, "[E2Rank-lexical]", MORE)
    (result,) = run(asked, mirror, tmp_path / "runs")
    assert result.manifest is not None
    resumed = replace(result, manifest={**result.manifest, "queries_before_last_start": 2})
    cell = _cells(latency_table(asked, [resumed], tmp_path / "runs"))["E2Rank-lexical", "overall-s"]
    assert "stopped after 2 of 4 queries and continued: the model was loaded twice" in cell.remarks


def test_latency_has_runs_of_its_own_that_keep_nothing_between_queries(tmp_path: Path, mirror: Path) -> None:
    plain = experiment(tmp_path, "[E2Rank-lexical]", "depth: 5\nbatch_queries: 1", name="plain")
    timed = experiment(tmp_path, "[E2Rank-lexical]", MORE, name="timed")
    (warm,) = run(plain, mirror, tmp_path / "runs")
    (not_yet,) = stored(timed, mirror, tmp_path / "runs")
    assert not_yet.problem is not None
    (cold,) = run(timed, mirror, tmp_path / "runs")
    assert warm.folder != cold.folder
    assert warm.manifest is not None
    assert cold.manifest is not None
    # Each query has five documents and a prompt; documents 1 and 2 are the same for all four.
    assert warm.manifest["answers"]["embed"]["memory"] == 2 * 3
    assert cold.manifest["answers"]["embed"] == {"asked": 24, "preloaded": 0, "memory": 0, "disk": 0, "computed": 24}
    assert warm.measurements == cold.measurements
    assert [p.state for p in plan(timed, mirror, tmp_path / "runs")] == ["complete"]


def test_queries_are_not_timed_with_a_cache_of_answers(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, "[E2Rank-lexical]", MORE)
    with pytest.raises(UsageError, match="An answer that is kept takes no time") as refused:
        run(asked, mirror, tmp_path / "runs", cache=tmp_path / "cache")
    assert "RERANKBENCH_ANSWERS" in refused.value.hint
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("layout: latency", "layout 'latency' needs batch_queries: 1; 32 queries at a time tell throughput, not latency"),
        ("layout: latency\nbatch_queries: 1\nreuse_embeddings: true", "leave 'reuse_embeddings' out"),
    ],
)
def test_a_configuration_that_cannot_tell_latency_is_refused(tmp_path: Path, more: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        experiment(tmp_path, "[BM25]", more)


def test_candidate_lists_are_kept_apart_and_repeats_do_not_share_a_row(tmp_path: Path, mirror: Path) -> None:
    asked = experiment(tmp_path, "[E2Rank-lexical]", "sweep: {depth: [3, 5]}\nlayout: latency\nbatch_queries: 1")
    results = run(asked, mirror, tmp_path / "runs")
    table = latency_table(asked, results, tmp_path / "runs")
    assert [group.label for group in table.groups] == ["mini, bm25 top 3", "mini, bm25 top 5"]
    assert [note.partition(":")[0] for note in table.notes] == [f"E2Rank-lexical (mini, bm25 top {n})" for n in (3, 5)]
    with pytest.raises(ConfigError, match="shows one run of a system, and here are several of 'E2Rank-lexical'"):
        latency_table(asked, [*results, results[0]], tmp_path / "runs")


# ---- beside the paper ----


def _covid(folder: Path, asked: Experiment, times: Mapping[str, Sequence[float]], gpu: str = A100, kind: str = "vllm") -> list[Result]:
    """Runs of 50 queries each on TREC-COVID: system → seconds of a query, of which a tenth does not encode documents."""
    results = []
    for system in asked.systems:
        path = folder / system.name
        ranked, spans = [], []
        for n in range(50):
            seconds = times[system.name][n % len(times[system.name])]
            ranked.append(Ranked(Ranking(str(n), ("d",)), (Call(900, 0, 0.1), Call(100, 20, 0.1))))
            spans += [Span("encode documents", 0.0, 0.9 * seconds, (str(n),)), Span("rank", 0.0, seconds, (str(n),))]
        with RunFolder(path, {}) as run_folder:
            run_folder.append(ranked, spans, 1.0)
        manifest = {
            "queries": 50,
            "queries_before_last_start": 0,
            "seconds": 9.0,
            "defects": {},
            "identity": {},
            "answers": {"embed": {"asked": 5050, "preloaded": 0, "memory": 0, "disk": 0, "computed": 5050}},
            "caveat": "",
            "system": {"engine": {"kind": kind, "dtype": "auto", "max_tokens": 32768, "prefix_caching": False}},
            "environment": {"hardware": {"gpus": [gpu], "cpu": "a processor", "cores": 4}},
        }
        measured = tuple(Measurement(str(n), "nDCG@10", 0.5) for n in range(50))
        results.append(Result(PlannedCell(system, "trec-covid", "bm25", 100), path, manifest, measured))
    return results


SECONDS = {"E2Rank-0.6B": (0.63,), "E2Rank-4B": (2.4,), "E2Rank-8B": (3.0, 3.9)}


def test_on_the_papers_own_device_seconds_are_judged_by_their_interval_alone(tmp_path: Path) -> None:
    asked = load_experiment("table12")
    table = report_of(asked, _covid(tmp_path, asked, SECONDS), tmp_path).table
    overall = {system: cell for (system, column), cell in _cells(table).items() if column == "overall-s"}
    assert (overall["E2Rank-0.6B"].printed, overall["E2Rank-0.6B"].verdict) == ("0.63", Verdict.MATCH)
    assert (overall["E2Rank-4B"].printed, overall["E2Rank-4B"].verdict) == ("2.17", Verdict.DIFFERENT)  # an interval of no width
    # 25 queries of 3.0 s and as many of 3.9 s: 3.45 on average, ±0.12 by the bootstrap; the paper has 3.40.
    assert (overall["E2Rank-8B"].printed, overall["E2Rank-8B"].verdict) == ("3.40", Verdict.CLOSE)
    assert table.exit_code() == 0
    assert {cell.notes for cell in overall.values()} == {(f"vllm, dtype auto, at most 32,768 tokens; on {A100}",)}
    assert any(note.startswith("E2Rank-0.6B: ") and note.endswith("1,000 tokens in and 20 out") for note in table.notes)


@pytest.mark.parametrize(
    ("gpu", "kind", "expected"),
    [
        ("NVIDIA H100 80GB HBM3", "vllm", "measured on NVIDIA H100 80GB HBM3 with vllm, by the paper on one NVIDIA A100 80G with vLLM"),
        (A100, "transformers", f"measured on {A100} with transformers, by the paper on one NVIDIA A100 80G with vLLM"),
        ("NVIDIA A100-PCIE-40GB", "vllm", "measured on NVIDIA A100-PCIE-40GB with vllm, by the paper on one NVIDIA A100 80G with vLLM"),
    ],
)
def test_elsewhere_seconds_are_shown_and_not_judged(tmp_path: Path, gpu: str, kind: str, expected: str) -> None:
    asked = load_experiment("table12").only(["E2Rank-0.6B"])
    cell = _cells(latency_table(asked, _covid(tmp_path, asked, SECONDS, gpu, kind), tmp_path))["E2Rank-0.6B", "overall-s"]
    assert cell.value == pytest.approx(0.63)
    assert (cell.printed, cell.verdict, cell.not_judged) == ("0.63", None, expected)


def test_random_weights_and_limits_are_never_judged(tmp_path: Path) -> None:
    asked = load_experiment("table12").only(["E2Rank-0.6B"])
    (result,) = _covid(tmp_path, asked, SECONDS)
    assert result.manifest is not None
    random = replace(result, manifest={**result.manifest, "caveat": "weights are random: for speed only"})
    cell = _cells(latency_table(asked, [random], tmp_path))["E2Rank-0.6B", "overall-s"]
    assert (cell.verdict, cell.not_judged) == (None, "weights are random: for speed only")
    limited = replace(result, cell=replace(result.cell, limit=50))
    assert _cells(latency_table(asked, [limited], tmp_path))["E2Rank-0.6B", "overall-s"].not_judged == "first 50 queries only"


def test_table_13_has_the_whole_alone(tmp_path: Path) -> None:
    asked = load_experiment("table13").only(["RankQwen3-8B"])
    table = report_of(asked, _covid(tmp_path, asked, {"RankQwen3-8B": (16.93,)}), tmp_path).table
    cells = _cells(table)
    assert set(cells) == {(f"RankQwen3-{size}", "overall-s") for size in ("0.6B", "4B", "8B")}
    assert (cells["RankQwen3-8B", "overall-s"].printed, cells["RankQwen3-8B", "overall-s"].verdict) == ("16.93", Verdict.MATCH)
    assert cells["RankQwen3-4B", "overall-s"].hint == "name it in the configuration, or leave --systems out"
    assert not any("encoding documents" in line for line in table.context)


def test_the_papers_ratio_stands_beside_ours(tmp_path: Path) -> None:
    text = (
        "title: t\nbenchmarks: [trec-covid]\nlayout: latency\nbatch_queries: 1\n"
        "engines: {e: {kind: vllm, model: Alibaba-NLP/E2Rank-8B}, r: {kind: vllm, model: RankQwen3-8B}}\n"
        "systems: [{base: E2Rank-8B, engine: e}, {base: RankQwen3-8B, engine: r}]\n"
    )
    (tmp_path / "both.yaml").write_text(text, encoding="utf-8")
    asked = load_experiment(str(tmp_path / "both.yaml"))
    table = latency_table(asked, _covid(tmp_path, asked, {"E2Rank-8B": (1.0,), "RankQwen3-8B": (6.0,)}, "NVIDIA H100"), tmp_path)
    # 16.93 / 3.40 = 4.979
    assert "RankQwen3-8B takes 6.00 times as long as E2Rank-8B (95 % interval 6.00–6.00; by the paper 4.98)" in table.context


def test_a_table_of_scores_has_no_seconds(tmp_path: Path) -> None:
    text = "title: t\ntable: 1\nbenchmarks: [dl19]\nlayout: latency\nbatch_queries: 1\nsystems: [BM25]\n"
    (tmp_path / "scores.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"scores\.yaml:2: key 'table': Table 1 of the paper has a column 'dl19', which shows no seconds"):
        latency_table(load_experiment(str(tmp_path / "scores.yaml")), [], tmp_path)


@pytest.mark.parametrize("config", ["table12", "table13"])
def test_the_shipped_tables_have_the_papers_setting(config: str) -> None:
    asked = load_experiment(config)
    assert (asked.file.table, asked.benchmarks, asked.first_stages, asked.depths) == (int(config[5:]), ("trec-covid",), ("bm25",), (100,))
    assert asked.times_queries
    assert {system.engine.kind for system in asked.systems if system.engine} == {"vllm"}
    assert {system.engine.as_data()["prefix_caching"] for system in asked.systems if system.engine} == {False}
    assert [s.name.partition("-")[2] for s in asked.systems] == ["0.6B", "4B", "8B"]


@pytest.mark.parametrize(("seconds", "expected"), [(16.93, "16.9"), (0.63, "0.630"), (0.00123456, "0.00123"), (123.4, "123"), (0.0, "0")])
def test_seconds_are_written_with_three_figures(seconds: float, expected: str) -> None:
    assert short(seconds) == expected


def test_every_format_shows_it(tmp_path: Path, mirror: Path) -> None:
    asked, results = _two_systems(tmp_path, mirror)
    made: Any = report_of(asked, results, tmp_path / "runs")
    assert made.shape == "paper"
    for format_ in ("markdown", "latex", "csv"):
        assert "E2Rank-lexical" in render(made.table, format_, made.shape)
    assert "0.60" in render(made.table, "markdown", made.shape)
