"""Built lists: the same question finds the same file, another never does; what cannot be built is missing with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from math import log2
from pathlib import Path

import orjson
import pytest

from beir_folder import DENSE, DOCUMENTS, QRELS, QUERIES, build_and_run, experiment, planner, write_beir, write_lists
from laboratory import Failing, TinyBenchmarks, Watched, write_mirror
from rerankbench.benchmarks.corpora import BeirCorpus
from rerankbench.candidates import Built
from rerankbench.config import Experiment, load_experiment
from rerankbench.errors import ConfigError, DataError, DataMismatch, EngineError, MissingData, MissingError, RerankbenchError, UsageError
from rerankbench.experiment import Result
from rerankbench.first_stages.dense import DenseFirstStage, DenseOptions
from rerankbench.first_stages.listfile import manifest_path, read_manifest
from rerankbench.plan import Planner
from rerankbench.records import CandidateList, Document

LEXICAL = "dense: {kind: dense, engine: lexical, dtype: float32}"
WATCHED = "dense: {kind: dense, engine: {kind: 'laboratory:Watched'}, dtype: float32}"


@pytest.fixture(autouse=True)
def beir(tmp_path: Path) -> Path:
    Watched.reset()
    Failing.fails_at = ""
    return write_beir(tmp_path / "beir")


def _built(asked: Experiment, runs: Path) -> Built:
    (outcome,) = _outcomes(asked, runs).values()
    if isinstance(outcome, RerankbenchError):
        raise outcome
    return outcome


def _outcomes(asked: Experiment, runs: Path) -> dict[str, Built | RerankbenchError]:
    planned = planner(asked, runs)
    return {d.name: outcome for d, outcome in planned.candidates.build_all(planned.definitions(asked))}


def _ids(lists: Sequence[CandidateList]) -> dict[str, list[str]]:
    return {c.query.id: [d.id for d in c.documents] for c in lists}


def _name(asked: Experiment, runs: Path) -> str:
    return _built(asked, runs).path.name


def _ndcg(result: Result) -> dict[str, float]:
    assert result.problem is None, result.problem
    return {m.query_id: m.value for m in result.measurements if m.measure == "nDCG@10"}


def test_lists_are_built_over_the_corpus_for_judged_queries_and_ranked(tmp_path: Path) -> None:
    asked = experiment(tmp_path, LEXICAL)
    (result,) = build_and_run(asked, tmp_path / "runs")
    built = _built(asked, tmp_path / "runs")
    assert _ids(built.lists) == DENSE  # q4 is not judged
    assert [d.text for d in built.lists[0].documents] == ["salmon", "salmon river", "salmon river heron"]
    # The relevant document at rank 2, at rank 1, and not among three.
    assert _ndcg(result) == pytest.approx({"q1": 1 / log2(3), "q2": 1.0, "q3": 0.0})
    assert result.manifest is not None
    candidates = result.manifest["data"]["candidates"]
    assert (candidates["place"], candidates["source"], candidates["sha256"]) == (built.path.name, "built: dense", built.sha256)
    assert candidates["made_with"]["facts"] == {"dense": "1", "lexical": "1"}


def test_lists_are_built_once_by_whatever_process_wants_them(tmp_path: Path) -> None:
    asked = experiment(tmp_path, WATCHED)
    first = _built(asked, tmp_path / "runs")
    assert not first.reused
    assert Watched.events == ["load 0", "close 0"]  # not kept in memory beside the next model
    Watched.reset()
    again = _built(asked, tmp_path / "runs")
    assert (again.reused, again.path, again.sha256) == (True, first.path, first.sha256)
    assert Watched.events == []
    manifest = read_manifest(first.path)
    assert manifest is not None
    assert (manifest.queries, manifest.depth_max, manifest.options) == (3, 3, first.identity)


@pytest.mark.parametrize(
    ("candidates", "more"),
    [
        (LEXICAL.replace("float32", "float16"), ""),
        (LEXICAL.replace("dtype", "query_template: 'find {text}', dtype"), ""),
        (LEXICAL.replace("dtype", "max_words: 2, dtype"), ""),
        (LEXICAL.replace("lexical", "{kind: lexical, dims: 8192}"), ""),
        (LEXICAL.replace("lexical", "scripted"), ""),
        ("dense: {kind: file, path: lists.jsonl}", ""),
        (LEXICAL, "sweep: {depth: [2]}"),
    ],
)
def test_another_question_has_another_file(tmp_path: Path, candidates: str, more: str) -> None:
    write_lists(tmp_path / "lists.jsonl")
    before = _name(experiment(tmp_path, LEXICAL), tmp_path / "runs")
    assert _name(experiment(tmp_path, candidates, more=more), tmp_path / "runs") != before


def test_another_corpus_or_other_judged_queries_have_another_file(tmp_path: Path, beir: Path) -> None:
    asked = experiment(tmp_path, LEXICAL)
    names = [_name(asked, tmp_path / "runs")]
    for documents, queries, qrels in (
        ({**DOCUMENTS, "a": "salmons"}, QUERIES, QRELS),
        (dict(reversed(DOCUMENTS.items())), QUERIES, QRELS),  # ties come in the corpus's order
        (DOCUMENTS, {**QUERIES, "q1": "salmon?"}, QRELS),
        (DOCUMENTS, QUERIES, {**QRELS, "q4": {"a": 1}}),
    ):
        write_beir(beir, documents, queries, qrels)
        names.append(_name(asked, tmp_path / "runs"))
    assert len(set(names)) == 5
    write_beir(beir, DOCUMENTS, {**QUERIES, "q4": "unjudged"}, {**QRELS, "q1": {"b": 1, "a": 0}})
    assert _name(asked, tmp_path / "runs") == names[0]  # what decides no list changes no name


def test_the_name_of_a_first_stage_is_in_the_files_name_and_nowhere_else(tmp_path: Path) -> None:
    one = _built(experiment(tmp_path, LEXICAL), tmp_path / "runs")
    two = _built(experiment(tmp_path, LEXICAL.replace("dense:", "other:")), tmp_path / "runs")
    assert one.path.name.replace("dense-", "other-", 1) == two.path.name
    assert (one.identity, one.sha256) == (two.identity, two.sha256)


def test_the_folder_of_a_model_and_of_a_file_decide_nothing(tmp_path: Path) -> None:
    if find_spec("sentence_transformers") is None:
        pytest.skip("sentence-transformers is not installed")
    identities = []
    for name in ("first", "second", "other"):
        model, lists = tmp_path / name, tmp_path / f"{name}.jsonl"
        model.mkdir()
        (model / "config.json").write_text("{}", encoding="utf-8")
        (model / "model.safetensors").write_bytes(b"other" if name == "other" else b"same")
        write_lists(lists)
        part = f"{{kind: dense, engine: {{kind: sentence_transformers, model: {model}}}}}"
        asked = experiment(tmp_path, f"f: {{kind: fusion, stages: [{part}, {{kind: file, path: {lists}}}]}}")
        planned = planner(asked, tmp_path / "runs")
        identities.append(planned.candidates.identity(planned.definitions(asked)[0]))
    assert identities[0] == identities[1]
    assert identities[0] != identities[2]


def test_a_file_of_lists_is_known_by_its_content(tmp_path: Path) -> None:
    asked = experiment(tmp_path, "mine: {kind: file, path: lists.jsonl}")
    write_lists(tmp_path / "lists.jsonl")
    before = _built(asked, tmp_path / "runs")
    assert _ids(before.lists) == DENSE
    write_lists(tmp_path / "lists.jsonl", {**DENSE, "q1": ["b", "a", "c"]})
    after = _built(asked, tmp_path / "runs")
    assert after.path != before.path
    assert _ids(after.lists)["q1"] == ["b", "a", "c"]


def test_a_bare_run_takes_its_texts_from_the_corpus_which_then_decides_the_lists(tmp_path: Path, beir: Path) -> None:
    (tmp_path / "run.trec").write_text("q1 Q0 a 1 2 t\nq2 Q0 d 1 2 t\nq3 Q0 e 1 2 t\n", encoding="utf-8")
    asked = experiment(tmp_path, "mine: {kind: file, path: run.trec}")
    before = _built(asked, tmp_path / "runs")
    assert before.lists[0].documents[0].text == "salmon"
    write_beir(beir, {**DOCUMENTS, "a": "another text"})
    after = _built(asked, tmp_path / "runs")
    assert after.lists[0].documents[0].text == "another text"


def test_a_file_that_was_changed_is_noticed_and_says_what_to_delete(tmp_path: Path) -> None:
    asked = experiment(tmp_path, LEXICAL)
    path = _built(asked, tmp_path / "runs").path
    path.write_bytes(path.read_bytes().replace(b"salmon", b"trout!"))
    with pytest.raises(DataMismatch, match="it was changed since") as raised:
        _built(asked, tmp_path / "runs")
    assert raised.value.hint == f"Delete {path} and make the lists again."
    (failed,) = build_and_run(asked, tmp_path / "runs")
    assert isinstance(failed.problem, DataMismatch)
    path.unlink()
    assert not _built(asked, tmp_path / "runs").reused


def test_an_unfinished_file_is_built_again(tmp_path: Path) -> None:
    asked = experiment(tmp_path, LEXICAL)
    path = _built(asked, tmp_path / "runs").path
    manifest_path(path).unlink()
    path.write_bytes(b"half")
    assert _ids(_built(asked, tmp_path / "runs").lists) == DENSE


def test_a_damaged_manifest_is_refused(tmp_path: Path) -> None:
    asked = experiment(tmp_path, LEXICAL)
    path = _built(asked, tmp_path / "runs").path
    manifest_path(path).write_bytes(b"{}")
    with pytest.raises(DataError, match="not a manifest of candidate lists"):
        _built(asked, tmp_path / "runs")


def test_without_the_documents_a_first_stage_is_missing_with_the_reason(tmp_path: Path, beir: Path) -> None:
    asked = experiment(tmp_path, LEXICAL, systems="[BM25, oracle]")
    (beir / "corpus.jsonl").unlink()
    outcome = _outcomes(asked, tmp_path / "runs")["dense"]
    assert isinstance(outcome, MissingData)
    results = build_and_run(asked, tmp_path / "runs")
    assert [r.problem.message for r in results if r.problem] == [f"{beir}: there is no corpus.jsonl of tiny."] * 2
    assert not (tmp_path / "runs" / "work").exists()


def test_a_plan_builds_nothing(tmp_path: Path) -> None:
    asked = experiment(tmp_path, WATCHED)
    (planned,) = planner(asked, tmp_path / "runs").plan(asked)
    assert planned.state == "missing"
    assert isinstance(planned.problem, MissingData)
    assert planned.problem.message == "The dense lists of tiny are not built yet."
    assert planned.problem.hint == "rerankbench candidates build CONFIG"
    assert not (tmp_path / "runs").exists()
    assert Watched.events == []


def test_a_first_stage_that_fails_leaves_the_others_alone_and_its_cells_say_why(tmp_path: Path) -> None:
    failing = "broken: {kind: dense, engine: {kind: 'laboratory:Failing'}}"
    asked = experiment(tmp_path, f"{failing}\n  {LEXICAL}")
    Failing.fails_at = "heron"
    broken, sound = build_and_run(asked, tmp_path / "runs")
    assert isinstance(broken.problem, EngineError)
    assert broken.problem.message == "the device is on fire"
    assert sound.problem is None
    assert Watched.events == ["load 0", "close 0"]  # also after a failure
    Failing.fails_at = ""
    assert all(r.problem is None for r in build_and_run(asked, tmp_path / "runs"))


def test_a_reason_is_forgotten_when_building_has_come_off(tmp_path: Path) -> None:
    asked = experiment(tmp_path, "broken: {kind: dense, engine: {kind: 'laboratory:Failing'}}")
    planned = planner(asked, tmp_path / "runs")
    Failing.fails_at = "heron"
    list(planned.candidates.build_all(planned.definitions(asked)))
    assert planned.plan(asked)[0].state == "failed"
    Failing.fails_at = ""
    list(planned.candidates.build_all(planned.definitions(asked)))
    assert planned.plan(asked)[0].state == "new"


def test_what_is_wrong_with_an_experiment_is_said_before_anything_is_built(tmp_path: Path) -> None:
    unable = "{name: x, ranker: {kind: listwise}, engine: {kind: sentence_transformers, model: m}}"
    for more, systems in (("measures: [nDCG@]", "[BM25]"), ("", f"[BM25, {unable}]")):
        asked = experiment(tmp_path, WATCHED, more=more, systems=systems)
        with pytest.raises(ConfigError):
            planner(asked, tmp_path / "runs").definitions(asked)


def test_a_corpus_is_hashed_once_however_many_cells_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = 0
    documents = BeirCorpus.documents

    def counted(self: BeirCorpus) -> Iterator[Document]:
        nonlocal reads
        reads += 1
        return documents(self)

    asked = experiment(tmp_path, LEXICAL, systems="[BM25, oracle]")
    _built(asked, tmp_path / "runs")
    monkeypatch.setattr(BeirCorpus, "documents", counted)
    planned = planner(asked, tmp_path / "runs")
    assert [p.state for p in planned.plan(asked)] == ["new", "new"]
    assert reads == 1


def test_every_depth_has_lists_of_its_own(tmp_path: Path) -> None:
    asked = experiment(tmp_path, LEXICAL, more="sweep: {depth: [1, 2]}")
    results = build_and_run(asked, tmp_path / "runs")
    assert [(r.cell.depth, r.manifest and r.manifest["identity"]["candidates"]["depth"]) for r in results] == [(1, 1), (2, 2)]
    assert _ndcg(results[0]) == pytest.approx({"q1": 0.0, "q2": 1.0, "q3": 0.0})


FUSED = {"q1": ["a", "b", "c"], "q2": ["d", "a", "c"], "q3": ["a", "e", "b"]}
"""Reciprocal rank fusion, 1/(60 + rank), of `DENSE` with `OTHER`; by hand below."""
OTHER = {"q1": ["a", "b", "c"], "q2": ["a", "d"], "q3": ["a"]}
# q2: d 1/61+1/62, a 1/63+1/61, c 1/62. q3: a 1/62+1/61, e 1/61, b 1/63.


def test_lists_are_fused_from_names_files_published_lists_and_first_stages(tmp_path: Path) -> None:
    write_lists(tmp_path / "other.jsonl", OTHER)
    other = "{kind: file, path: other.jsonl}"
    for name, stages in {
        "written": f"[{{kind: dense, engine: lexical}}, {other}]",
        "named": "[dense, other]",
        "nested": f"[{{kind: fusion, stages: [dense, dense]}}, {other}]",
    }.items():
        candidates = f"{name}: {{kind: fusion, stages: {stages}}}\n  {LEXICAL}\n  other: {other}"
        built = _built(experiment(tmp_path, candidates, more=f"first_stages: [{name}]"), tmp_path / "runs")
        assert _ids(built.lists) == FUSED, name


def test_fusing_files_needs_no_corpus(tmp_path: Path, beir: Path) -> None:
    write_lists(tmp_path / "dense.jsonl")
    write_lists(tmp_path / "other.jsonl", OTHER)
    (beir / "corpus.jsonl").unlink()
    stages = "[{kind: file, path: dense.jsonl}, {kind: file, path: other.jsonl}]"
    asked = experiment(tmp_path, f"f: {{kind: fusion, stages: {stages}}}")
    assert _ids(_built(asked, tmp_path / "runs").lists) == FUSED
    (result,) = build_and_run(asked, tmp_path / "runs")
    assert _ndcg(result) == pytest.approx({"q1": 1 / log2(3), "q2": 1.0, "q3": 0.0})
    before = _name(asked, tmp_path / "runs")
    write_lists(tmp_path / "other.jsonl", {**OTHER, "q3": ["b"]})
    assert _name(asked, tmp_path / "runs") != before


def test_published_lists_are_those_that_the_benchmark_has(tmp_path: Path) -> None:
    write_lists(tmp_path / "bm25.jsonl")
    write_lists(tmp_path / "splade.jsonl", {**OTHER, "q3": ["a", "b", "c"]})
    own = "own_benchmarks: {tiny: {folder: beir, candidates: {bm25: bm25.jsonl, splade: splade.jsonl}}}"
    stages = "{kind: published, first_stage: bm25}, {kind: published, first_stage: splade}"
    text = f"title: t\nbenchmarks: [tiny]\ndepth: 3\n{own}\ncandidates: {{f: {{kind: fusion, stages: [{stages}]}}}}\n"
    (tmp_path / "p.yaml").write_text(f"{text}first_stages: [f]\nsystems: [BM25]\n", encoding="utf-8")
    assert _ids(_built(load_experiment(str(tmp_path / "p.yaml")), tmp_path / "runs").lists)["q2"] == ["d", "a", "c"]
    (tmp_path / "splade.jsonl").unlink()
    with pytest.raises(MissingData, match=r"There is no file .*splade\.jsonl"):
        _built(load_experiment(str(tmp_path / "p.yaml")), tmp_path / "runs")


def test_published_parts_are_as_deep_as_the_fusion_asks(tmp_path: Path) -> None:
    mirror = write_mirror(tmp_path / "mirror")
    whole = (mirror / "retrieval_results" / "bm25" / "mini_top50.jsonl").read_bytes().splitlines()
    backwards, two = [], []
    for line in map(orjson.loads, whole):
        two.append(orjson.dumps({**line, "hits": line["hits"][:2]}))
        turned = [{**hit, "rank": r, "score": 10.0 - r} for r, hit in enumerate(reversed(line["hits"]), start=1)]
        backwards.append(orjson.dumps({**line, "hits": turned}))
    (mirror / "retrieval_results" / "bm25" / "mini_top2.jsonl").write_bytes(b"\n".join(two))
    (mirror / "retrieval_results" / "contriever").mkdir()
    (mirror / "retrieval_results" / "contriever" / "mini_top50.jsonl").write_bytes(b"\n".join(backwards))
    stages = "{kind: published, first_stage: bm25}, {kind: published, first_stage: contriever}"
    text = f"title: t\nbenchmarks: [mini]\ndepth: 2\ncandidates: {{f: {{kind: fusion, stages: [{stages}], part_depth: 5}}}}\n"
    (tmp_path / "p.yaml").write_text(f"{text}first_stages: [f]\nsystems: [BM25]\n", encoding="utf-8")
    asked = load_experiment(str(tmp_path / "p.yaml"))
    planned = Planner(TinyBenchmarks(mirror), tmp_path / "runs")
    ((_, built),) = planned.candidates.build_all(planned.definitions(asked))
    assert isinstance(built, Built)
    # d1 and d5 have 1/61 + 1/65, d2 and d4 1/62 + 1/64, which is less. From two of the first list alone d2 would come before d5.
    assert _ids(built.lists) == {q: ["d1", "d5"] for q in ("q1", "q2", "q3")}


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ("f: {kind: fusion, stages: [g, g]}", r"tiny\.yaml:6: key 'candidates\.f\.stages\.0': there is no first stage 'g' among"),
        ("f: {kind: fusion, stages: [f, f]}", r"key 'candidates\.f\.stages\.0': 'f' is made of itself: f → f"),
        ("f: {kind: fusion, stages: [1, 2]}", r"key 'candidates\.f\.stages\.0': should be an object, got 1"),
        ("f: {kind: dense, engine: lexicle}", r"key 'candidates\.f\.engine': there is no engine 'lexicle'\. Did you mean 'lexical'"),
        ("f: {kind: dens, engine: lexical}", r"key 'candidates\.f\.kind': There is no first stage 'dens'"),
        ("f: {kind: published}", r"key 'candidates\.f\.first_stage': this key is needed"),
    ],
)
def test_a_first_stage_that_is_none_is_refused_with_its_place(tmp_path: Path, candidates: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        experiment(tmp_path, candidates)


def test_an_engine_of_a_part_may_be_one_of_the_files_own(tmp_path: Path) -> None:
    engines = "engines: {words: {kind: lexical, dims: 512}}"
    asked = experiment(tmp_path, "f: {kind: fusion, stages: [{kind: dense, engine: words}, {kind: dense, engine: lexical}]}", more=engines)
    stages = asked.candidates["f"].as_data()["stages"]
    assert [stage["engine"]["dims"] for stage in stages] == [512, 4096]


def test_lucene_builds_lists_over_a_folder_of_ones_own(tmp_path: Path) -> None:
    asked = experiment(tmp_path, "bm25: {kind: lucene, heap: 512m}")
    outcome = _outcomes(asked, tmp_path / "runs")["bm25"]
    if isinstance(outcome, MissingError):
        pytest.skip(f"Anserini cannot run here: {outcome}")
    assert isinstance(outcome, Built), outcome
    assert _ids(outcome.lists) == {"q1": ["a", "b", "c"], "q2": ["d", "c"], "q3": ["e"]}  # shorter documents first
    assert outcome.identity["facts"].keys() == {"anserini"}
    assert outcome.identity["corpus"]


def test_a_querys_prompt_is_worded_for_the_benchmark_that_is_searched(tmp_path: Path) -> None:
    plainly = "kind: dense, engine: {kind: 'laboratory:Watched'}, dtype: float32, document_template: '{text}<|end|>'"
    asked = experiment(tmp_path, f"dense: {{{plainly}, query_prompt: e2rank-query}}")
    built = _built(asked, tmp_path / "runs")
    # `tiny` is no benchmark that the prompt words apart: the model card's instruction; the documents' end token ends the query too.
    wanted = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:{}<|end|>"
    assert [text for text in Watched.asked if text.startswith("Instruct")] == [wanted.format(QUERIES[q]) for q in ("q1", "q2", "q3")]
    assert {text for text in Watched.asked if not text.startswith("Instruct")} == {f"{text}<|end|>" for text in DOCUMENTS.values()}
    options = built.identity["first_stage"]
    assert (options["query_prompt"], options["query_template"]) == ("", wanted.format("{text}"))
    plain = experiment(tmp_path, f"dense: {{{plainly}}}")
    assert _name(plain, tmp_path / "runs") != built.path.name


@pytest.mark.parametrize(
    ("prompt", "message"),
    [("e2rank-listwise", "is a prompt of kind 'listwise', not a query's"), ("e2rank-quary", "There is no prompt 'e2rank-quary'")],
)
def test_a_prompt_that_words_no_query_is_refused(tmp_path: Path, prompt: str, message: str) -> None:
    asked = experiment(tmp_path, f"dense: {{kind: dense, engine: lexical, query_prompt: {prompt}}}")
    with pytest.raises(ConfigError, match=message):
        _built(asked, tmp_path / "runs")


def test_a_dense_first_stage_by_itself_cannot_word_a_prompt(tmp_path: Path) -> None:
    options = DenseOptions(engine={"kind": "lexical"}, query_prompt="e2rank-query")
    with pytest.raises(UsageError, match="does not know which benchmark words the prompt 'e2rank-query'"):
        DenseFirstStage(options, tmp_path)
