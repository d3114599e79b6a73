"""A task of mteb as an ordinary benchmark scores what mteb itself makes of the same engine and ranker, query by query."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli.calling import Caller, files_below, in_process_of_its_own
from mteb_suite.hub_cache import keep, offline, revision_of
from mteb_suite.made_tasks import Made, drawn, with_own_documents
from mteb_suite.test_evaluation import Silent, asked
from rerankbench.mteb_suite.evaluation import MtebLaboratory

mteb: Any = pytest.importorskip("mteb")

BY_QUERY = '{kind: embedding, mode: query-only, profile: plain-query, end_token: ""}'
E2RANK = '{kind: embedding, end_token: "", documents_in_prompt: 3}'
ROUNDED = 5.1e-6
"""mteb rounds its means to five digits."""


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Caller:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no-hub"))
    monkeypatch.setenv("RERANKBENCH_CACHE", str(tmp_path / "cache"))
    return Caller(capsys, monkeypatch)


@pytest.fixture
def know(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let mteb know made tasks, whatever it is asked to narrow them to."""

    def give(**tasks: Callable[[], Any]) -> None:
        def get_task(name: str, *, eval_splits: Any = None, hf_subsets: Any = None) -> Any:
            task = tasks[name]()
            if eval_splits:
                task.filter_eval_splits(eval_splits)
            return task.filter_languages(None, hf_subsets=hf_subsets)

        monkeypatch.setattr(mteb, "get_task", get_task)

    return give


def config(folder: Path, task: str, ranker: str, *, stage: str = "given", depth: int = 50, measures: str = "nDCG@10, AP@1000") -> str:
    text = f"""
title: T
benchmarks: [mine]
own_benchmarks: {{mine: {{mteb: {{task: {task}}}}}}}
first_stages: [{stage}]
candidates: {{dense: {{kind: dense, engine: {{kind: lexical}}, dtype: float32}}}}
depth: {depth}
measures: [{measures}]
systems: [{{name: s, ranker: {ranker}{"" if "identity" in ranker else ", engine: {kind: lexical}"}}}]
"""
    (folder / "ours.yaml").write_text(text, encoding="utf-8")
    return "ours.yaml"


def measured(folder: Path, runs: str = "runs", benchmark: str = "*") -> dict[str, dict[str, float]]:
    """Measure → query → value, of the one run in a folder."""
    (file,) = (folder / runs).glob(f"{benchmark}/*/*/measurements.jsonl")
    found: dict[str, dict[str, float]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        found.setdefault(row["measure"], {})[row["query_id"]] = row["value"]
    return found


def mean(values: Mapping[str, float]) -> float:
    return sum(values.values()) / len(values)


def by_query(made: Made, measure: str) -> dict[str, float]:
    return {query: scores[measure] for query, scores in made.scores.items()}


@pytest.mark.parametrize(("ranker", "row"), [(BY_QUERY, ""), (E2RANK, "")])
def test_own_candidates_are_ranked_as_mteb_has_them_ranked(call: Caller, tmp_path: Path, ranker: str, row: str) -> None:
    assert call("run", config(tmp_path, "LocalReranking", ranker)).code == 0
    ours = measured(tmp_path)
    (tmp_path / "theirs.yaml").write_text(
        f"layout: mteb\ntitle: T\nbenchmark: local\ntasks: [LocalReranking]\n"
        f"systems: [{{name: s, engine: {{kind: lexical}}, reranks: true, ranker: {ranker}{row}}}]\n",
        encoding="utf-8",
    )
    assert call("mteb", "run", "theirs.yaml").code == 0
    (file,) = tmp_path.glob("runs/mteb_results/results/*/*/LocalReranking.json")
    theirs = json.loads(file.read_bytes())["scores"]["test"][0]
    assert mean(ours["nDCG@10"]) == pytest.approx(theirs["ndcg_at_10"], abs=ROUNDED)
    assert mean(ours["AP@1000"]) == pytest.approx(theirs["map_at_1000"], abs=ROUNDED)
    assert len(ours["nDCG@10"]) == 27


def test_the_shipped_configuration_runs_on_word_counts(call: Caller, tmp_path: Path) -> None:
    done = call("run", "mteb-candidates", "--systems", "as-they-come,words,E2Rank-rule-on-words,oracle")
    assert done.code == 0, done.err
    assert len(list(tmp_path.glob("runs/re*/*/*/manifest.json"))) == 8


def test_a_search_of_all_documents_scores_as_mteb_s_does(call: Caller, tmp_path: Path) -> None:
    assert call("run", config(tmp_path, "LocalMiniRetrieval", "{kind: identity}", stage="dense")).code == 0
    (tmp_path / "theirs.yaml").write_text(
        "layout: mteb\ntitle: T\nbenchmark: local\ntasks: [LocalMiniRetrieval]\nsystems: [{name: s, engine: {kind: lexical}}]\n",
        encoding="utf-8",
    )
    (theirs,) = call("mteb", "run", "theirs.yaml", "--json").data()["tasks"]
    assert mean(measured(tmp_path)["nDCG@10"]) == pytest.approx(theirs["score"], abs=ROUNDED)


@pytest.mark.parametrize("ranker", [BY_QUERY, E2RANK])
def test_what_real_data_has_counts_as_in_mteb_for_every_query(call: Caller, know: Callable[..., None], tmp_path: Path, ranker: str) -> None:
    made = drawn(reranking=True)
    know(MadeReranking=lambda: made.task("MadeReranking", "Reranking"))
    done = call("run", config(tmp_path, "MadeReranking", ranker))
    assert done.code == 0, done.err
    row = f"{{name: s, engine: {{kind: lexical}}, reranks: true, ranker: {ranker}}}"
    (outcome,) = MtebLaboratory(tmp_path / "out").run(asked(tmp_path, row), [made.task("MadeReranking", "Reranking")], Silent())
    ours = measured(tmp_path)
    assert ours["nDCG@10"] == pytest.approx(by_query(made, "ndcg_cut_10"), abs=1e-9)
    assert ours["AP@1000"] == pytest.approx(by_query(made, "map_cut_1000"), abs=1e-9)
    assert outcome.score == pytest.approx(mean(ours["nDCG@10"]), abs=ROUNDED)
    # q2 has nothing relevant and counts as 0; q6 and q7 have no judgement, and one judged query has no text: mteb counts none of them.
    assert ours["nDCG@10"].keys() == {f"q{n}" for n in range(6)}
    assert ours["nDCG@10"]["q2"] == 0
    assert 0 < mean(ours["nDCG@10"]) < 1


def test_a_search_of_such_data_scores_as_mteb_s_does_for_every_query(call: Caller, know: Callable[..., None], tmp_path: Path) -> None:
    made = drawn(1)
    know(MadeRetrieval=lambda: made.task("MadeRetrieval", "Retrieval"))
    # The empty document's vector is zero, as are those of documents without a word of the query: equal scores are beyond the tenth place.
    assert call("run", config(tmp_path, "MadeRetrieval", "{kind: identity}", stage="dense", depth=40)).code == 0
    MtebLaboratory(tmp_path / "out").run(
        asked(tmp_path, "{name: s, engine: {kind: lexical}}"), [made.task("MadeRetrieval", "Retrieval")], Silent()
    )
    assert measured(tmp_path)["nDCG@10"] == pytest.approx(by_query(made, "ndcg_cut_10"), abs=1e-9)


@pytest.mark.parametrize("exclusions", ["after", "before"])
def test_a_query_s_own_document_does_not_count_where_mteb_does_not_count_it(
    call: Caller, know: Callable[..., None], tmp_path: Path, exclusions: str
) -> None:
    made = with_own_documents(drawn(1))
    know(MadeArguments=lambda: made.task("MadeArguments", "Retrieval"))
    path = config(tmp_path, "MadeArguments", "{kind: identity}", stage="dense", depth=47, measures="nDCG@10")
    assert call("run", path, "--set", f"exclusions={exclusions}").code == 0
    MtebLaboratory(tmp_path / "out").run(
        asked(tmp_path, "{name: s, engine: {kind: lexical}}"), [made.task("MadeArguments", "Retrieval")], Silent()
    )
    ours, theirs = measured(tmp_path)["nDCG@10"], by_query(made, "ndcg_cut_10")
    assert ours == pytest.approx(theirs, abs=1e-9)
    assert call("run", path, "--set", "exclusions=none", "--runs", "kept").code == 0
    assert measured(tmp_path, "kept")["nDCG@10"] != pytest.approx(theirs, abs=1e-3)


def test_a_stored_run_is_measured_again_without_a_query_s_own_document(call: Caller, know: Callable[..., None], tmp_path: Path) -> None:
    made = with_own_documents(drawn(1))
    know(MadeStored=lambda: made.task("MadeStored", "Retrieval"))
    assert call("run", config(tmp_path, "MadeStored", "{kind: identity}", stage="dense", depth=47, measures="nDCG@10")).code == 0
    (run,) = (tmp_path / "runs" / "mine").glob("*/*")
    unnamed = call("rescore", run)
    assert (unnamed.code, "--qrels test.tsv, below" in unnamed.err) == (2, True)
    (qrels,) = tmp_path.glob("cache/mteb-tasks/*/MadeStored/*/*/*/qrels/test.tsv")
    (again,) = call("rescore", run, "--qrels", qrels, "--json").data()["runs"]
    assert again["default"] == pytest.approx(mean(measured(tmp_path)["nDCG@10"]), abs=1e-9)
    (tmp_path / "test.tsv").write_bytes(qrels.read_bytes())
    elsewhere = call("rescore", run, "--qrels", "test.tsv")
    assert (elsewhere.code, "excludes documents from some queries, and which is not known here" in elsewhere.err) == (3, True)


def test_a_run_goes_on_where_it_was_stopped(call: Caller, tmp_path: Path) -> None:
    path = config(tmp_path, "LocalReranking", E2RANK)
    assert call("run", path).code == 0
    (run,) = (tmp_path / "runs" / "mine" / "given").glob("*")
    whole = (run / "run.trec").read_bytes()
    journal = (run / "rankings.jsonl").read_bytes().splitlines(keepends=True)
    for name in ("manifest.json", "run.trec", "measurements.jsonl"):
        (run / name).unlink()
    (run / "rankings.jsonl").write_bytes(b"".join(journal[:10]))
    assert call("run", path).code == 0
    assert (run / "run.trec").read_bytes() == whole
    manifest = json.loads((run / "manifest.json").read_bytes())
    assert manifest["queries_before_last_start"] == 10
    assert manifest["data"]["candidates"]["source"].startswith("mteb LocalReranking@")


def test_what_is_not_at_hand_is_a_missing_cell_and_breaks_nothing(call: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = config(tmp_path, "AskUbuntuDupQuestions", BY_QUERY)
    planned = call("run", path, "--dry-run")
    assert planned.code == 0
    assert "The data of AskUbuntuDupQuestions is not at hand" in planned.out + planned.err
    assert call("run", path).code == 4
    assert call("report", path).code == 4
    monkeypatch.setattr("rerankbench.mteb_suite.find_spec", lambda _: None)
    bare = call("run", path, "--dry-run", "--set", "own_benchmarks.mine.mteb.task=SciDocsRR")
    assert bare.code == 0
    assert "pip install 'rerankbench[mteb]'" in bare.out + bare.err
    assert call("list", "configs").code == 0
    assert call("run", path, "--set", "own_benchmarks.mine.mteb.task=LocalSTS").code == 2


def test_instructions_stand_behind_their_queries(call: Caller, know: Callable[..., None], tmp_path: Path) -> None:
    plain = drawn(2, reranking=True)
    made = replace(plain, queries=[(id_, text, f"zaran kopax {id_}" if id_ != "q0" else "") for id_, text, _ in plain.queries], scores={})
    know(MadeInstructed=lambda: made.task("MadeInstructed", "InstructionReranking"))
    assert call("run", config(tmp_path, "MadeInstructed", BY_QUERY)).code == 0
    row = f"{{name: s, engine: {{kind: lexical}}, reranks: true, ranker: {BY_QUERY}}}"
    MtebLaboratory(tmp_path / "out").run(asked(tmp_path, row), [made.task("MadeInstructed", "InstructionReranking")], Silent())
    assert measured(tmp_path)["nDCG@10"] == pytest.approx(by_query(made, "ndcg_cut_10"), abs=1e-9)
    (lists,) = tmp_path.glob("cache/mteb-tasks/*/MadeInstructed/*/*/*/queries.jsonl")
    texts = {row["_id"]: row["text"] for row in map(json.loads, lists.read_text(encoding="utf-8").splitlines())}
    assert texts["q1"] == f"{plain.queries[1][1]} zaran kopax q1"
    assert texts["q0"] == plain.queries[0][1]


def _hub_cache(home: Path, revision: str = "") -> None:
    """SciFact and ArguAna as the hub's client leaves them; the arguments' own documents are in the corpus."""
    made = with_own_documents(drawn(1))
    for task, repo in (("SciFact", "mteb/scifact"), ("ArguAna", "mteb/arguana")):
        commit = revision or revision_of(task)
        corpus = {name: [document[n] for document in made.documents] for n, name in enumerate(("_id", "title", "text"))}
        queries = {"_id": [query[0] for query in made.queries], "text": [query[1] for query in made.queries]}
        pairs = [(query, document, grade) for query, judged in made.qrels.items() for document, grade in judged.items()]
        qrels = {name: [pair[n] for pair in pairs] for n, name in enumerate(("query-id", "corpus-id", "score"))}
        keep(home, repo, "corpus", {"corpus": corpus}, commit)
        keep(home, repo, "queries", {"queries": queries}, commit)
        keep(home, repo, "default", {"test": qrels}, commit)


OURS = """
title: T
benchmarks: [scifact-of-mteb, arguana]
own_benchmarks: {scifact-of-mteb: {mteb: {task: SciFact}}, arguana: {mteb: {task: ArguAna}}}
first_stages: [dense]
candidates: {dense: {kind: dense, engine: {kind: lexical}, dtype: float32}}
depth: 46
systems: [{name: s, ranker: {kind: identity}}]
"""
THEIRS = "layout: mteb\ntitle: T\nbenchmark: local\ntasks: [SciFact, ArguAna]\nsystems: [{name: s, engine: {kind: lexical}}]\n"


def test_tasks_of_a_datasets_cache_are_read_once_and_then_need_neither_mteb_nor_the_cache(tmp_path: Path) -> None:
    _hub_cache(tmp_path / "home")
    (tmp_path / "ours.yaml").write_text(OURS, encoding="utf-8")
    (tmp_path / "theirs.yaml").write_text(THEIRS, encoding="utf-8")
    home = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_CACHE": str(tmp_path / "home" / "hub")}
    home |= {"HF_DATASETS_CACHE": str(tmp_path / "home" / "datasets"), "RERANKBENCH_CACHE": str(tmp_path / "cache")}
    theirs = in_process_of_its_own(["mteb", "run", "theirs.yaml", "--json"], tmp_path, **home)
    assert theirs.code == 0, theirs.err
    scores = {task["task"]: task["score"] for task in theirs.data()["tasks"]}
    done = in_process_of_its_own(["run", "ours.yaml"], tmp_path, **home)
    assert done.code == 0, done.err
    science, arguments = (mean(measured(tmp_path, benchmark=name)["nDCG@10"]) for name in ("scifact-of-mteb", "arguana"))
    assert science == pytest.approx(scores["SciFact"], abs=ROUNDED)
    assert arguments == pytest.approx(scores["ArguAna"], abs=ROUNDED)
    assert arguments != pytest.approx(science, abs=1e-3)  # the same data, in which a query's own document counts here and not there
    # Another machine: what was written is there, mteb and the datasets cache are not.
    (tmp_path / "without" / "mteb").mkdir(parents=True)
    (tmp_path / "without" / "mteb" / "__init__.py").write_text("raise ImportError('no mteb here')", encoding="utf-8")
    away = {**home, "HF_DATASETS_CACHE": str(tmp_path / "nothing"), "PYTHONPATH": os.pathsep.join([str(tmp_path / "without"), _source()])}
    again = in_process_of_its_own(["run", "ours.yaml", "--runs", "others"], tmp_path, **away)
    assert again.code == 0, again.err
    assert _orders(tmp_path / "others") == _orders(tmp_path / "runs")


def test_another_revision_in_the_cache_is_refused_though_the_library_is_to_be_silent(tmp_path: Path) -> None:
    _hub_cache(tmp_path, "0" * 40)
    (tmp_path / "ours.yaml").write_text(OURS, encoding="utf-8")
    home = {"HF_HOME": str(tmp_path), "HF_DATASETS_CACHE": str(tmp_path / "datasets"), "DATASETS_VERBOSITY": "error"}
    done = in_process_of_its_own(["run", "ours.yaml", "--dry-run"], tmp_path, **home, RERANKBENCH_CACHE=str(tmp_path / "cache"))
    assert "the datasets cache has another revision of the data than the task names" in " ".join((done.out + done.err).split())
    assert not list((tmp_path / "cache").rglob("task.json"))


RERANKING = """
import json, sys
from pathlib import Path
from rerankbench.benchmarks import MtebTask
from rerankbench.benchmarks.mteb_task import MtebCollection
from rerankbench.benchmarks.own import OwnBenchmark
from rerankbench.mteb_suite.task_files import TaskFiles
asked = MtebTask(task=sys.argv[1])
mine = MtebCollection("mine", OwnBenchmark(mteb=asked), asked, TaskFiles(None, Path(sys.argv[2])))
lists = {c.query.id: [c.query.text, {d.id: d.contents for d in c.documents}] for c in mine.candidates("given", 1000)}
print(json.dumps({"lists": lists, "qrels": mine.qrels()}))
"""


@pytest.mark.parametrize(("task", "instructed"), [("AskUbuntuDupQuestions", False), ("Core17InstructionRetrieval", True)])
def test_mteb_s_own_loader_of_candidates_and_instructions_is_understood(tmp_path: Path, task: str, instructed: bool) -> None:
    metadata = mteb.get_task(task).metadata
    repo, revision = metadata.dataset["path"], metadata.dataset["revision"]
    parts: dict[str, Mapping[str, Any]] = {
        "corpus": {"_id": ["d1", "d 2", "d3"], "title": ["Ants", "", ""], "text": ["They are small. ", "It rains.", "Sun."]},
        "queries": {"_id": ["q1", "q2"], "text": ["how big are ants", "not judged"]},
        "default": {"query-id": ["q1", "q1"], "corpus-id": ["d1", "d 2"], "score": [1, 0]},
        "top_ranked": {"query-id": ["q1", "q2"], "corpus-ids": [["d1", "d 2"], ["d3"]]},
    }
    if instructed:
        parts["instruction"] = {"query-id": ["q1", "q2"], "instruction": ["Only insects.", "None."]}
    for name, columns in parts.items():
        keep(tmp_path, repo, name, {"test": columns}, revision)
    command = [sys.executable, "-c", RERANKING, task, str(tmp_path / "cache")]
    environment = {**offline(tmp_path), "PYTHONPATH": _source()}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    query = "how big are ants Only insects." if instructed else "how big are ants"
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "lists": {"q1": [query, {"d1": "Ants They are small.", "d 2": "It rains."}]},
        "qrels": {"q1": {"d1": 1, "d 2": 0}},
    }


def _source() -> str:
    return str(Path(__file__).parents[2] / "eval")


def _orders(runs: Path) -> dict[str, bytes]:
    return {name: data for name, data in files_below(runs).items() if name.endswith("run.trec")}
