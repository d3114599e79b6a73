"""`run` and `report` from end to end: files, numbers, filters, exit codes, and what is said where something is missing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cli.calling import Caller, files_below, in_process_of_its_own

MINI_QRELS = Path(__file__).parents[2] / "eval/rerankbench/benchmarks/mini/topics_and_qrels/qrels.mini.txt"
FIGURES = ["figure.svg", "figure.pdf", "figure.png", "figure.csv"]
RUN_FILES = {"config.yaml", "manifest.json", "measurements.jsonl", "rankings.jsonl", "run.trec", "spans.jsonl", ".lock"}


def _own(folder: Path, systems: str, more: str = "", name: str = "own.yaml") -> Path:
    path = folder / name
    path.write_text(f"title: Own\nbenchmarks: [mini]\ndepth: 50\n{more}\nsystems: {systems}\n", encoding="utf-8")
    return path


def _cells(table: Any) -> dict[tuple[str, str], Any]:
    return {(cell["system"], cell["benchmark"]): cell for cell in table["cells"]}


def test_the_demo_runs_and_its_table_has_the_numbers_of_its_run_files(call: Caller, tmp_path: Path) -> None:
    ran = call("run", "demo")
    assert ran.code == 0
    assert ran.out == ""
    folders = {p.parent for p in (tmp_path / "runs").rglob("manifest.json")}
    assert sorted(f.name.rpartition("-")[0] for f in folders) == ["BM25", "E2Rank-lexical", "RankGPT-lexical", "oracle"]
    assert all({p.name for p in folder.iterdir()} == RUN_FILES for folder in folders)

    reported = call("report", "demo", "--json")
    assert reported.code == 0
    table = reported.data()
    assert [Path(f).name for f in table["files"]] == ["table.md", "table.csv", "table.tex", "table.html"]
    assert all((tmp_path / f).is_file() for f in table["files"])
    for cell in table["cells"]:
        measured = call("measure", tmp_path / "runs" / cell["run"], "--qrels", MINI_QRELS, "--json").data()
        assert cell["value"] == pytest.approx(measured["measures"]["nDCG@10"], abs=1e-12)
        assert cell["queries"] == measured["queries"] == 27


def test_the_demos_numbers_are_those_of_pytrec_eval(call: Caller, tmp_path: Path) -> None:
    pytrec_eval = pytest.importorskip("pytrec_eval")
    call("run", "demo", "--json")
    qrels: dict[str, dict[str, int]] = {}
    for line in MINI_QRELS.read_text(encoding="utf-8").splitlines():
        query, _, document, grade = line.split("\t") if "\t" in line else (*line.split(" ", 2)[:2], *line.split(" ", 2)[2].rsplit(" ", 1))
        qrels.setdefault(query, {})[document] = int(grade)
    for cell in call("report", "demo", "--json").data()["cells"]:
        run: dict[str, dict[str, float]] = {}
        for line in (tmp_path / "runs" / cell["run"] / "run.trec").read_text(encoding="utf-8").splitlines():
            query, _, rest = line.split(" ", 2)
            document, _, score, _ = rest.rsplit(" ", 3)
            run.setdefault(query, {})[document] = float(score)
        found = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10"}).evaluate(run)
        values = [found[query]["ndcg_cut_10"] for query in qrels]
        assert cell["value"] == pytest.approx(sum(values) / len(values), abs=1e-9)


def test_a_second_run_reuses_everything_and_changes_no_file(call: Caller, tmp_path: Path) -> None:
    call("run", "demo")
    before = files_below(tmp_path)
    again = call("run", "demo", "--json")
    assert [cell["reused"] for cell in again.data()["cells"]] == [True] * 4
    assert files_below(tmp_path) == before
    assert call("report", "demo").code == 0
    written = files_below(tmp_path / "reports")
    call("report", "demo")
    assert files_below(tmp_path / "reports") == written


def test_a_report_of_what_was_not_run_says_how_and_exits_with_4(call: Caller) -> None:
    reported = call("report", "demo", "--limit", "3")
    assert reported.code == 4
    assert "This cell was not run yet." in reported.out
    assert "rerankbench run demo --limit 3, with the options of this report" in reported.out


@pytest.mark.parametrize("more", [(), ("--json",), ("--limit", "2"), ("--systems", "BM25")])
def test_a_dry_run_writes_nothing(call: Caller, tmp_path: Path, more: tuple[str, ...]) -> None:
    done = call("run", "demo", "--dry-run", *more)
    assert done.code == 0
    assert list(tmp_path.iterdir()) == []
    if "--json" in more:
        cells = {cell["system"]: cell for cell in done.data()["cells"]}
        assert cells["E2Rank-lexical"]["state"] == "new"
        assert cells["E2Rank-lexical"]["prompts"] == cells["BM25"]["queries"] == 28
        assert cells["RankGPT-lexical"]["tokens_out_at_most"] > 0


def test_a_dry_run_shows_every_number_whole(call: Caller) -> None:
    out = call("run", "demo", "--dry-run").out
    assert "1,362" in out  # 27 lists of 50 documents and one of 12
    assert "≈ tokens in" in out
    assert "…" not in out


def test_filters_take_names_and_families_of_variants(call: Caller, tmp_path: Path) -> None:
    system = "{name: E2Rank-0.6B, ranker: {kind: embedding}, engine: lexical, sweep: {ranker.documents_in_prompt: [1, 2]}}"
    own = _own(tmp_path, f"[BM25, {system}]")
    cells = call("run", own, "--dry-run", "--json", "--systems", "E2Rank-0.6B").data()["cells"]
    assert [cell["system"] for cell in cells] == ["E2Rank-0.6B[documents_in_prompt=1]", "E2Rank-0.6B[documents_in_prompt=2]"]
    one = call("run", own, "--dry-run", "--json", "--systems", "E2Rank-0.6B[documents_in_prompt=2],BM25").data()["cells"]
    assert [cell["system"] for cell in one] == ["BM25", "E2Rank-0.6B[documents_in_prompt=2]"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("run", "demo", "--systems", "E2Rank-lexica"), "no system 'E2Rank-lexica'. Did you mean 'E2Rank-lexical'"),
        (("run", "table1", "--benchmarks", "dl91"), "no benchmark 'dl91'. Did you mean 'dl19'"),
        (("run", "demmo"), "no configuration file 'demmo'. Did you mean 'demo'?"),
        (("report", "demo", "--data", "nowhere"), "The data folder 'nowhere' does not exist."),
        (("run", "demo", "--set", "depht=3"), "unknown key 'depht'. Did you mean 'depth'?"),
        (("run", "demo", "--set", "depth"), "expected KEY=VALUE"),
        (("run", "demo", "--set", "²=1"), "unknown key '²'"),
        (("run", "demo", "--set", "benchmarks=[mini, mini]"), "'mini' stands here a second time"),
        (("run", "demo", "--set", "sweep={depth: [-5]}"), "expected values like 50, got -5"),
        (("run", "demo", "--set", "engines.typo={kind: lexical}"), "no system uses the engine 'typo'"),
        (("run", "demo", "--set", "systems.0={name: x, ranker: {kind: 'laboratory:NoOptions'}}"), "'laboratory:NoOptions' is no ranker"),
    ],
)
def test_what_is_written_wrong_exits_with_2_and_the_nearest_name(
    call: Caller, tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    done = call(*arguments)
    assert done.code == 2
    assert expected in done.err
    assert done.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("title: t\n\tbenchmarks: [mini]\n", "not valid YAML"),
        ("a: &a [*a]\n", "an alias (*name) stands inside of what it names"),
        ("? [a]\n: b\n", "a list or mapping cannot be a key"),
        ("", "expected a mapping of keys at the top level, found nothing"),
        ("title: t\nbenchmarks: [mini]\nsystems: null\n", "key 'systems'"),
        ("title: t\nbenchmarks: [mini]\ndepth: 50.0\nsystems: [BM25]\n", "key 'depth': should be a valid integer"),
        ("title: [t]\nbenchmarks: [mini]\nsystems: [BM25]\n", "key 'title'"),
        ("title: t\nbenchmarks: [mini]\ndepth: 1" + "0" * 30 + "\nsystems: [BM25]\n", "odd.yaml"),
    ],
)
def test_odd_configurations_are_refused_without_a_stack_trace(call: Caller, tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "odd.yaml").write_text(text, encoding="utf-8")
    done = call("run", "odd.yaml")
    assert done.code == 2
    assert done.err.startswith("error: odd.yaml")
    assert expected in done.err


def test_dates_byte_order_marks_and_carriage_returns_are_no_problem(call: Caller, tmp_path: Path) -> None:
    text = "\ufefftitle: 2024-01-01\r\nbenchmarks: [mini]\r\ndepth: 50\r\nsystems: [BM25]\r\n"
    (tmp_path / "windows.yaml").write_bytes(text.encode())
    call("run", "windows.yaml")
    assert call("report", "windows.yaml", "--json").data()["title"] == "2024-01-01"


def test_a_key_with_dots_is_set_as_a_whole(call: Caller, tmp_path: Path) -> None:
    done = call("run", "table1", "--systems", "E2Rank-0.6B", "--dry-run", "--json", "--set", "engines.e2rank-0.6b.nothing=1")
    assert done.code == 2
    assert "unknown key 'nothing'" in done.err


def test_a_systems_file_beside_a_configuration_is_the_one_that_counts(call: Caller, tmp_path: Path) -> None:
    (tmp_path / "systems.yaml").write_text("systems: {mine: {ranker: {kind: identity}}}\n", encoding="utf-8")
    assert call("run", _own(tmp_path, "[mine]"), "--json").data()["cells"][0]["queries"] == 28
    assert "there is no system 'BM25'" in call("run", _own(tmp_path, "[BM25]")).err


def test_a_failing_cell_is_named_with_its_reason_and_exits_with_4(call: Caller, tmp_path: Path) -> None:
    own = _own(tmp_path, "[BM25, {name: x, ranker: {kind: embedding}, engine: 'laboratory:CannotLoad'}]")
    done = call("run", own)
    assert done.code == 4
    assert "x on mini (bm25 top 50): FAILED: not enough memory" in done.err
    assert "1 of 2 cells have no result, 1 of them failed (see above)." in done.err


def test_control_c_keeps_what_was_ranked_and_exits_as_shells_expect(call: Caller, tmp_path: Path) -> None:
    done = call("run", _own(tmp_path, "[{name: x, ranker: {kind: embedding}, engine: 'laboratory:Interrupted'}]"))
    assert done.code == 130
    assert "What was ranked is kept" in done.err


def test_folders_that_cannot_be_made_are_named(call: Caller, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = call("run", "demo", "--runs", "file", "--systems", "BM25")
    assert done.code == 4
    assert "cannot be written: Not a directory" in done.err
    assert call("run", "demo", "--runs", "file", "--dry-run").code == 0
    reported = call("report", "demo", "--reports", "file")
    assert reported.code == 1
    assert reported.err.startswith("error: file/demo")


def test_a_configuration_name_that_no_file_system_takes_is_an_error_of_one_line(call: Caller) -> None:
    done = call("run", "x" * 300)
    assert done.code == 1
    assert len(done.err.splitlines()) == 1


def test_a_sweep_is_drawn_and_the_runs_may_lie_anywhere(call: Caller, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    system = "{name: x, ranker: {kind: embedding}, engine: lexical, sweep: {ranker.documents_in_prompt: [1, 2]}}"
    own, runs = _own(tmp_path, f"[BM25, {system}]", "figure: ranker.documents_in_prompt"), tmp_path / "some where é"
    call("run", own, "--systems", "BM25", "--runs", runs)
    without = call("report", own, "--runs", runs, "--json")
    assert without.code == 4
    assert len(without.data()["files"]) == 8  # the points that are missing are marked as missing
    call("run", own, "--runs", runs)
    drawn = call("report", own, "--runs", runs, "--json")
    assert drawn.code == 0
    assert [Path(f).name for f in drawn.data()["files"]][4:] == FIGURES


def test_without_matplotlib_the_table_is_there_all_the_same(call: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    system = "{name: x, ranker: {kind: embedding}, engine: lexical, sweep: {ranker.documents_in_prompt: [1, 2]}}"
    own = _own(tmp_path, f"[{system}]", "figure: ranker.documents_in_prompt")
    call("run", own)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = call("report", own)
    assert done.code == 3
    assert "documents_in_prompt=1" in done.out
    assert "pip install 'rerankbench[figures]'" in done.err


def test_what_only_the_figure_lacks_is_said_and_makes_the_code_4(call: Caller, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    system = "{name: x, ranker: {kind: embedding}, engine: lexical}"
    own = _own(tmp_path, f"[RankGPT-lexical, {system}]", "figure: {kind: scores}")
    call("run", own)
    done = call("report", own)
    assert done.code == 4
    assert "Incomplete" not in done.out
    assert "Not in the figure: RankGPT-lexical: its rankings hold no finite native scores: it gives an order alone" in done.out
    assert call("report", own, "--systems", "x").code == 0


@pytest.mark.parametrize("name", ["figure1b", "figure1c", "figure2", "figure3"])
def test_the_papers_figures_are_drawn_without_anything_at_hand(call: Caller, tmp_path: Path, name: str) -> None:
    pytest.importorskip("matplotlib")
    done = call("report", name, "--data", tmp_path, "--json")
    assert done.code == 4
    assert [Path(f).name for f in done.data()["files"]][4:] == FIGURES


def test_results_do_not_depend_on_the_hash_seed_or_the_folder(tmp_path: Path) -> None:
    found = []
    for seed, name in (("1", "here"), ("2", "da hin é")):
        (tmp_path / name).mkdir()
        done = in_process_of_its_own(["run", "demo", "--json"], tmp_path / name, PYTHONHASHSEED=seed)
        assert done.code == 0
        kept = files_below(tmp_path / name / "runs")
        found.append({k: v for k, v in kept.items() if k.endswith((".trec", "measurements.jsonl", "config.yaml"))})
    assert len(found[0]) == 3 * 4
    assert found[0] == found[1]


PAPER = {"dl19": 50.58, "dl20": 47.96, "trec-covid": 59.47, "trec-news": 39.52}


def test_table_1_has_what_the_mirror_allows_and_explains_the_rest(call: Caller, data_dir: Path, tmp_path: Path) -> None:
    ran = call("run", "table1", "--data", data_dir)
    assert ran.code == 4
    assert "66 of 70 cells have no result." in ran.err
    reported = call("report", "table1", "--data", data_dir, "--json")
    assert reported.code == 4
    table = reported.data()
    plain = {place: cell for place, cell in _cells(table).items() if place[1] != "beir-avg"}
    done = {place: cell for place, cell in plain.items() if cell["status"] == "done"}
    assert {place[1]: round(100 * cell["value"], 2) for place, cell in done.items()} == PAPER
    assert {(place[0], cell["verdict"]) for place, cell in done.items()} == {("BM25", "MATCH")}
    missing = [cell for cell in plain.values() if cell["status"] == "missing"]
    assert len(missing) == 66
    assert all(cell["reason"] and cell["hint"] and cell["verdict"] == "MISSING" for cell in missing)
    averages = [cell for place, cell in _cells(table).items() if place[1] == "beir-avg"]
    assert {cell["status"] for cell in averages} == {"refused"}
    assert averages[0]["members"] == [2, 8]
    assert str(data_dir) not in reported.out
    assert not [name for name, content in files_below(tmp_path / "reports").items() if str(data_dir).encode() in content]


def test_the_environment_names_the_mirror_and_the_option_goes_first(
    call: Caller, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RERANKBENCH_DATA", str(data_dir))
    only = ("run", "table1", "--systems", "BM25", "--benchmarks", "dl19", "--dry-run", "--json")
    assert call(*only).data()["cells"][0]["state"] == "new"
    assert call(*only, "--data", tmp_path).data()["cells"][0]["state"] == "missing"


def test_without_data_every_cell_says_why_and_the_exit_code_is_4(call: Caller) -> None:
    done = call("report", "table1", "--json")
    assert done.code == 4
    reasons = {cell["reason"] for cell in done.data()["cells"] if cell["status"] == "missing"}
    assert len(reasons) == 10
    assert all("the environment says offline" in reason for reason in reasons)


def test_runs_of_another_host_stand_in_the_same_cells_with_their_spread(call: Caller, tmp_path: Path) -> None:
    for runs in ("here", "there"):
        call("run", "demo", "--runs", tmp_path / runs, "--systems", "BM25")
    options = ("report", "demo", "--runs", tmp_path / "here", "--systems", "BM25", "--reports", tmp_path / "reports")
    ended = call(*options, "--elsewhere", tmp_path / "there", "--json")
    assert ended.code == 0
    (cell,) = ended.data()["cells"]
    assert [repeat["label"] for repeat in cell["repeats"]] == ["here", "there"]
    assert cell["value"] == cell["repeats"][0]["value"] == cell["repeats"][1]["value"]  # a first stage is the same everywhere
    nowhere = call(*options, "--elsewhere", tmp_path / "nowhere")
    assert nowhere.code == 3
    assert "There is no folder of runs" in nowhere.err


def test_a_dry_run_tells_how_long_it_will_take_once_a_run_of_the_engine_was_timed(call: Caller, tmp_path: Path) -> None:
    runs = ("--runs", tmp_path / "runs")
    before = call("run", "demo", *runs, "--dry-run")
    assert "How long it will take is not known" in before.out
    call("run", "demo", *runs, "--set", "batch_queries=4", "--systems", "RankGPT-lexical")  # 28 queries: seven points
    again = ("run", "demo", *runs, "--set", "depth=40", "--systems", "BM25,RankGPT-lexical", "--dry-run")
    told = call(*again)
    assert re.search(r"About (< 1|\d+) s on this machine, ± \d+ % by what such predictions were off \(median\), 1 more cells", told.out)
    bm25, rankgpt = call(*again, "--json").data()["cells"]
    assert (bm25["expected_seconds"], bm25["expected_error"]) == (None, None)
    assert 0 < rankgpt["expected_seconds"] < 60
    assert 0 <= rankgpt["expected_error"] < 10
    assert "Told from queries of " in told.out
    assert (rankgpt["extrapolated"], "extrapolated" in told.out) == ([], False)
    shallow = call("run", "demo", *runs, "--set", "depth=5", "--systems", "RankGPT-lexical", "--dry-run")
    assert re.search(r"\* extrapolated, RankGPT-lexical: \d+ words a query, timed were [\d,–]+", shallow.out)
    assert "may be off by a factor of two" in shallow.out
