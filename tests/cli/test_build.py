"""`candidates build` makes lists by a configuration or by options, says what they score, and ends with the code that fits."""

from __future__ import annotations

from math import log2
from pathlib import Path

import pytest

from beir_folder import QRELS, write_beir, write_lists
from cli.calling import Caller, files_below
from laboratory import EXCLUSIONS, Excluding, write_mirror
from rerankbench.plan import Planner

TEXT = """title: t
benchmarks: [tiny]
depth: 3
first_stages: [{stages}]
own_benchmarks: {{tiny: {{folder: beir}}}}
candidates:
  dense: {{kind: dense, engine: lexical}}
  mine: {{kind: file, path: mine.jsonl}}
  broken: {{kind: dense, engine: {{kind: 'laboratory:CannotLoad'}}}}
{more}
systems: [{systems}]
"""
NDCG = (1 / log2(3) + 1) / 3
"""The relevant documents stand at rank 2, at rank 1 and nowhere."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    write_beir(tmp_path / "beir")
    return tmp_path


def _config(folder: Path, stages: str = "dense", systems: str = "BM25", more: str = "") -> Path:
    path = folder / "own.yaml"
    path.write_text(TEXT.format(stages=stages, systems=systems, more=more), encoding="utf-8")
    return path


def test_a_configurations_lists_are_built_measured_and_reused(call: Caller, tmp_path: Path) -> None:
    done = call("candidates", "build", _config(tmp_path), "--json")
    assert done.code == 0
    (row,) = done.data()["lists"]
    assert (row["benchmark"], row["first_stage"], row["depth"], row["queries"], row["documents"]) == ("tiny", "dense", 3, 3, 9)
    assert (row["nDCG@10"], row["R@3"]) == pytest.approx((NDCG, 2 / 3))
    assert row["reused"] is False
    assert (tmp_path / row["file"]).parent == tmp_path / "runs" / "work" / "lists" / "tiny"
    checked = call("candidates", "check", row["file"], "--qrels", "beir/qrels/test.tsv", "--json")
    assert checked.code == 0
    assert checked.data()["measures"]["nDCG@10"] == pytest.approx(NDCG)
    kept = files_below(tmp_path / "runs")
    (again,) = call("candidates", "build", "own.yaml", "--json").data()["lists"]
    assert again == {**row, "reused": True}
    assert files_below(tmp_path / "runs") == kept
    said = call("candidates", "build", "own.yaml").out
    assert f"nDCG@10 {NDCG:.4f}" in said
    assert "reused" in said


def test_a_run_ranks_what_was_built_and_builds_what_was_not(call: Caller, tmp_path: Path) -> None:
    own = _config(tmp_path, "dense, mine", "BM25, oracle")
    write_lists(tmp_path / "mine.jsonl")
    planned = call("run", own, "--dry-run", "--json").data()["cells"]
    assert {cell["reason"] for cell in planned} == {f"The {name} lists of tiny are not built yet." for name in ("dense", "mine")}
    assert not (tmp_path / "runs").exists()
    assert call("report", own).code == 4
    assert not (tmp_path / "runs").exists()
    ran = call("run", own, "--json")
    assert ran.code == 0
    assert [cell["queries"] for cell in ran.data()["cells"]] == [3, 3, 3, 3]
    assert "built the dense lists of tiny, top 3" in ran.err
    assert "built the" not in call("run", own).err
    assert call("report", own).code == 0
    call("candidates", "build", own)
    assert {cell["state"] for cell in call("run", own, "--dry-run", "--json").data()["cells"]} == {"complete"}


def test_control_c_while_lists_are_built_ends_as_shells_expect(call: Caller, tmp_path: Path) -> None:
    own = _config(tmp_path, "broken")
    done = call("run", own, "--set", "candidates.broken.engine.kind=laboratory:Interrupted")
    assert done.code == 130
    assert "the same command goes on from there" in done.err
    assert not list(tmp_path.rglob("*.jsonl.manifest.json"))


def test_paths_start_where_the_configuration_lies(call: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lists(tmp_path / "mine.jsonl")
    _config(tmp_path, "dense, mine")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    done = call("candidates", "build", "../own.yaml", "--json")
    assert [row.get("problem") for row in done.data()["lists"]] == [None, None]


def test_what_cannot_be_built_says_why_and_the_rest_is_built(call: Caller, tmp_path: Path) -> None:
    own = _config(tmp_path, "mine, dense")
    done = call("candidates", "build", own, "--json")
    assert done.code == 3
    missing, built = done.data()["lists"]
    assert missing["problem"].startswith("There is no file ")
    assert "nDCG@10" in built
    said = call("candidates", "build", own)
    assert said.code == 3
    assert "mine over tiny: There is no file" in said.out
    failed = call("candidates", "build", _config(tmp_path, "mine, broken"), "--json")
    assert failed.code == 1
    assert failed.data()["lists"][1]["problem"] == "not enough memory"


def test_one_first_stage_over_one_benchmark_needs_no_configuration(call: Caller, tmp_path: Path) -> None:
    done = call("candidates", "build", "--benchmark", "scifact", "--first-stage", "lucene", "--data", tmp_path, "--json")
    assert done.code == 3
    (row,) = done.data()["lists"]
    assert (row["benchmark"], row["first_stage"], row["depth"]) == ("scifact", "lucene", 100)
    assert row["problem"]


def test_the_options_say_how_deep(call: Caller, tmp_path: Path) -> None:
    arguments = ("candidates", "build", "--benchmark", "scifact", "--first-stage", "lucene", "--depth", "7", "--data", tmp_path, "--json")
    assert call(*arguments).data()["lists"][0]["depth"] == 7


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "Name a configuration, or --benchmark and --first-stage."),
        (("--benchmark", "scifact"), "Name a configuration, or --benchmark and --first-stage."),
        (("own.yaml", "--benchmark", "scifact"), "not both"),
        (("own.yaml", "--depth", "7"), "--set depth=7"),
        (("--benchmark", "scifact", "--first-stage", "lucene", "--set", "depth=7"), "--set goes with a configuration"),
        (("demo",), "demo defines no first stage of its own"),
        (("none.yaml",), "There is no configuration file 'none.yaml'"),
        (("--benchmark", "scifakt", "--first-stage", "lucene"), "There is no benchmark 'scifakt'. Did you mean 'scifact'"),
        (("--benchmark", "scifact", "--first-stage", "lucine"), "There is no first stage 'lucine'. Did you mean 'lucene'"),
        (("--benchmark", "scifact", "--first-stage", "dense"), "--first-stage dense: engine: this key is needed"),
        (("own.yaml", "--set", "measures=[nDCG@]"), "key 'measures.0'"),
        (("own.yaml", "--set", "own_benchmarks.tiny.splt=dev"), "own.yaml:5: key 'own_benchmarks.tiny.splt': unknown key 'splt'"),
        (("own.yaml", "--set", "own_benchmarks.tiny={}"), "own.yaml:5: key 'own_benchmarks.tiny': name a 'folder' in BEIR form"),
    ],
)
def test_a_contradiction_is_refused_before_anything_is_built(
    call: Caller, tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    _config(tmp_path)
    done = call("candidates", "build", *arguments)
    assert done.code == 2
    assert expected in done.err
    assert done.out == ""
    assert not (tmp_path / "runs").exists()


def test_own_lists_and_judgements_without_a_folder_are_ranked_and_titled(call: Caller, tmp_path: Path) -> None:
    write_lists(tmp_path / "mine.jsonl")
    (tmp_path / "judged.txt").write_text("".join(f"{q} 0 {d} {g}\n" for q, j in QRELS.items() for d, g in j.items()), encoding="utf-8")
    files = "candidates: {splade: mine.jsonl}, qrels: judged.txt"
    text = f"title: t\nbenchmarks: [mine, again]\ndepth: 3\nown_benchmarks:\n  mine: {{{files}, title: My own set}}\n  again: {{{files}}}\n"
    more = "first_stages: [splade]\nmeasures: [nDCG@10, R@3]\nsystems: [BM25, oracle]\n"
    (tmp_path / "lists.yaml").write_text(text + more, encoding="utf-8")
    assert call("run", "lists.yaml").code == 0
    reported = call("report", "lists.yaml", "--json")
    assert reported.code == 0
    assert [column["label"] for column in reported.data()["columns"]] == ["My own set", "again"]
    cells = {(c["system"], c["benchmark"]): c["value"] for c in reported.data()["cells"]}
    both = {("BM25", name): NDCG for name in ("mine", "again")} | {("oracle", name): 2 / 3 for name in ("mine", "again")}
    assert cells == pytest.approx(both)
    deep = call("run", "lists.yaml", "--set", "depth=4", "--dry-run", "--json").data()["cells"]
    assert {(cell["reason"], cell["hint"]) for cell in deep} == {
        (f"The splade lists of {name} are 3 deep, not 4.", "Set depth: 3") for name in ("mine", "again")
    }
    other = call("run", "lists.yaml", "--set", "first_stages=[bm25]", "--dry-run", "--json").data()["cells"]
    assert all("names no bm25 lists" in cell["reason"] for cell in other)


def test_a_benchmark_of_ones_own_hides_the_catalogs_of_that_name(call: Caller, tmp_path: Path) -> None:
    text = (
        "title: t\nbenchmarks: [dl19]\ndepth: 3\nown_benchmarks: {dl19: {folder: beir, candidates: {bm25: mine.jsonl}}}\nsystems: [BM25]\n"
    )
    write_lists(tmp_path / "mine.jsonl")
    (tmp_path / "dl.yaml").write_text(text, encoding="utf-8")
    (cell,) = call("run", "dl.yaml", "--json").data()["cells"]
    assert cell["queries"] == 3
    assert call("report", "dl.yaml", "--json").data()["cells"][0]["value"] == pytest.approx(NDCG)


def test_first_stages_are_drawn_beside_each_other(call: Caller, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    write_lists(tmp_path / "mine.jsonl")
    own = _config(tmp_path, "dense, mine", "BM25, oracle, E2Rank-lexical", "layout: first-stages")
    call("run", own)
    reported = call("report", own, "--json")
    assert reported.code == 0
    assert [Path(f).name for f in reported.data()["files"]] == [
        "table.md",
        "table.csv",
        "table.tex",
        "table.html",
        "figure.svg",
        "figure.pdf",
        "figure.png",
        "figure.csv",
    ]


def test_scores_leave_out_what_the_benchmark_excludes_or_say_that_they_cannot(
    call: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = write_mirror(tmp_path / "mirror")
    monkeypatch.setattr("rerankbench.cli.build.open_planner", lambda *_: Planner(Excluding(mirror), tmp_path / "runs"))
    lists = mirror / "retrieval_results" / "bm25" / "mini_top50.jsonl"
    text = f"title: t\nbenchmarks: [mini]\ndepth: 5\nfirst_stages: [mine]\ncandidates: {{mine: {{kind: file, path: {lists}}}}}\n"
    (tmp_path / "mini.yaml").write_text(f"{text}systems: [BM25]\n", encoding="utf-8")
    (unknown,) = call("candidates", "build", "mini.yaml", "--json").data()["lists"]
    assert "nDCG@10" not in unknown
    assert unknown["not_measured"].startswith("mini excludes documents from some queries, and which is not known here")
    said = call("candidates", "build", "mini.yaml")
    assert said.code == 0
    assert "mine over mini was not measured: mini excludes" in said.out
    (mirror / "topics_and_qrels" / EXCLUSIONS).write_text("q1 d1\n", encoding="utf-8")
    for rule, best in (("after", 1.0), ("none", 1 / log2(3))):  # of q1; those of q2 and q3 stand at rank 1 and 5
        (row,) = call("candidates", "build", "mini.yaml", "--set", f"exclusions={rule}", "--json").data()["lists"]
        assert row["nDCG@10"] == pytest.approx((best + 1 + 1 / log2(6)) / 3)


def test_the_other_commands_of_lists_and_data_are_there(call: Caller, tmp_path: Path) -> None:
    one, two = write_lists(tmp_path / "a.jsonl"), write_lists(tmp_path / "b.jsonl", {"q1": ["b", "a"]})
    assert call("candidates", "check", one, "--json").data()["is_right"] is True
    assert call("candidates", "diff", one, two, "--json").data()["only_in_a"] == ["q2", "q3"]
    audited = call("data", "audit", "mini", "--first-stages", "bm25", "--json")
    assert audited.code == 0
    assert audited.data()["benchmark"] == "mini"
    assert call("data", "audit", tmp_path / "beir", "--json").data()["lists"] == []
    assert call("candidates", "check", "none.jsonl").code == 3
    assert call("data", "audit", "minni").code == 2
