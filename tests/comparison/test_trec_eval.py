"""Our numbers beside those of trec_eval: pytrec_eval on the same runs, its own printed output, and published figures.

The files are parsed here by a parser that shares nothing with ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import pytrec_eval
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rerankbench.measures import measure
from rerankbench.trec import Run, read_qrels, read_run
from rerankbench.trec.text import as_text

Grades = dict[str, dict[str, int]]
Scores = dict[str, dict[str, float]]

QRELS = {
    "dl19": "dl19-passage",
    "dl20": "dl20-passage",
    "covid": "beir-v1.0.0-trec-covid.test",
    "news": "beir-v1.0.0-trec-news.test",
    **{
        name: f"bright-{name.replace('_', '-')}.test"
        for name in (
            "aops",
            "biology",
            "earth_science",
            "economics",
            "leetcode",
            "pony",
            "psychology",
            "robotics",
            "stackoverflow",
            "sustainable_living",
            "theoremqa_questions",
            "theoremqa_theorems",
        )
    },
}

# nDCG@10 in hundredths: from the README and the protocol page of the data, which have them from the papers and repositories.
# The BRIGHT figures are over all queries, without dropping excluded documents: of leetcode, whose exclusions are at hand, no
# excluded document is in the run.
PUBLISHED = {
    "rank_llm/BM25.trec_results_dl19.txt": 50.58,
    "rank_llm/BM25.trec_results_dl20.txt": 47.96,
    "rank_llm/BM25.trec_results_covid.txt": 59.47,
    "rank_llm/BM25.trec_results_news.txt": 39.52,
    "rank_llm/reranked/rankvicuna.bm25.dl19.txt": 66.82,
    "rank_llm/reranked/rankvicuna.bm25.dl20.txt": 65.49,
    "rank_llm/reranked/rankgpt-3.5.bm25.dl19.repeat2.txt": 67.37,  # the lowest of five repeats
    "rank_llm/reranked/rankgpt-3.5.bm25.dl19.repeat4.txt": 69.38,  # the highest
    "rank_llm/reranked/vicuna-7b-noop.bm25.dl19.txt": 50.58,
    "bright-reasonir/biology.reasonir_gpt4cot_top100.txt": 43.49,
    "bright-reasonir/earth_science.reasonir_gpt4cot_top100.txt": 43.00,
    "bright-reasonir/economics.reasonir_gpt4cot_top100.txt": 32.65,
    "bright-reasonir/psychology.reasonir_gpt4cot_top100.txt": 39.57,
    "bright-reasonir/robotics.reasonir_gpt4cot_top100.txt": 20.82,
    "bright-reasonir/stackoverflow.reasonir_gpt4cot_top100.txt": 30.96,
    "bright-reasonir/sustainable_living.reasonir_gpt4cot_top100.txt": 27.34,
    "bright-reasonir/leetcode.reasonir_gpt4cot_top100.txt": 31.68,
    "bright-reasonir/pony.reasonir_gpt4cot_top100.txt": 19.55,
    "bright-reasonir/aops.reasonir_gpt4cot_top100.txt": 7.37,
    "bright-reasonir/theoremqa_questions.reasonir_gpt4cot_top100.txt": 33.93,
    "bright-reasonir/theoremqa_theorems.reasonir_gpt4cot_top100.txt": 36.68,
}


def runs(data_dir: Path) -> Iterator[tuple[Path, Path]]:
    """Every run of the data with its qrels."""
    for path in sorted((data_dir / "runs").rglob("*.txt")):
        name = next(n for n in QRELS if n in re.split(r"[./]|results_", path.name))
        yield path, data_dir / "topics_and_qrels" / f"qrels.{QRELS[name]}.txt"


def parsed_run(path: Path) -> Scores:
    run: Scores = {}
    for line in path.read_text("utf-8").splitlines():
        found = re.fullmatch(r"(\S+) Q0 (.+) \d+ (\S+) \S+", line)
        assert found is not None
        run.setdefault(found[1], {})[found[2]] = float(found[3])
    return run


def parsed_qrels(path: Path) -> Grades:
    qrels: Grades = {}
    for line in path.read_text("utf-8").splitlines():
        found = re.fullmatch(r"(\S+)\s+\S+\s+(.+?)\s+(-?\d+)", line)
        assert found is not None
        qrels.setdefault(found[1], {})[found[2]] = int(found[3])
    return qrels


def trec_eval(run: Scores, qrels: Grades, name: str) -> dict[str, float]:
    values = pytrec_eval.RelevanceEvaluator(qrels, {name}).evaluate(run)
    return {query: of[name] for query, of in values.items()}


def test_every_run_of_the_data_measures_as_pytrec_eval_measures_it(data_dir: Path) -> None:
    names = {"nDCG@10": "ndcg_cut_10", "AP": "map", "R@100": "recall_100", "P@10": "P_10", "RR": "recip_rank"}
    seen = 0
    for path, qrels_path in runs(data_dir):
        run, qrels = parsed_run(path), parsed_qrels(qrels_path)
        ours = measure(read_run(path), read_qrels(qrels_path), list(names))
        assert not ours.unjudged
        for name, theirs in names.items():
            assert ours.values(name) == trec_eval(run, qrels, theirs), (path.name, name)
        seen += 1
    assert seen == 24  # twelve of BRIGHT, twelve of rank_llm


def test_published_figures_come_out_to_the_last_printed_digit(data_dir: Path) -> None:
    paths = {path.relative_to(data_dir / "runs").as_posix(): (path, qrels) for path, qrels in runs(data_dir)}
    figures = {}
    for name in PUBLISHED:
        run, qrels = paths[name]
        figures[name] = round(100 * measure(read_run(run), read_qrels(qrels), ["nDCG@10"]).means["nDCG@10"], 2)
    assert figures == PUBLISHED
    bright = [v for name, v in figures.items() if name.startswith("bright-reasonir/")]
    assert round(float(np.mean(bright)), 2) == 30.59


@pytest.mark.parametrize(
    ("run", "reference", "ap"),
    [
        # MS MARCO's passages count as relevant from grade 2 where grades are made binary.
        ("runs/rank_llm/BM25.trec_results_dl19.txt", "run.msmarco-v1-passage.bm25-default.dl19.eval", "AP(rel=2)@10"),
        ("runs/rank_llm/BM25.trec_results_dl20.txt", "run.msmarco-v1-passage.bm25-default.dl20.eval", "AP(rel=2)@10"),
        ("runs/rank_llm/BM25.trec_results_covid.txt", "run.beir.bm25-flat.trec-covid.eval", "AP@10"),
        ("retrieval_results/bm25/covid_top100.trec", "run.beir.bm25-flat.trec-covid.eval", "AP@10"),
    ],
)
def test_every_query_has_the_value_that_trec_eval_printed(data_dir: Path, run: str, reference: str, ap: str) -> None:
    # trec_eval saw the first 1,000 documents, we the first 100, from another search: the first 10 are the same for every query
    # (further down, near-ties fall otherwise for a handful of queries, so that nDCG@100 is not compared).
    names = {"ndcg_cut_10": "nDCG@10", "map_cut_10": ap}
    printed: dict[str, dict[str, str]] = {name: {} for name in names.values()}
    for line in (data_dir / "trec_eval_reference" / reference).read_text().splitlines():
        theirs, query, value = line.split()
        if theirs in names:
            printed[names[theirs]][query] = value
    qrels = next(data_dir / "topics_and_qrels" / f"qrels.{file}.txt" for name, file in QRELS.items() if name in run)
    ours = measure(read_run(data_dir / run), read_qrels(qrels), list(printed))
    for name, values in printed.items():
        assert f"{ours.means[name]:.4f}" == values.pop("all")
        assert {query: f"{value:.4f}" for query, value in ours.values(name).items()} == values


# Few scores and many documents make ties; among the scores are some that tie in single precision only.
TIED = st.one_of(st.sampled_from([1.0, 1.000000001, 0.999999999, 0.5, 0.0, -0.0, 1e-50, 3e300, 1e300]), st.floats(-10, 10))
IDS = st.text(st.sampled_from("ab é日\u00a0Z0"), min_size=1, max_size=3).filter(lambda text: text == text.strip(" "))
QUERY = st.dictionaries(IDS, st.tuples(st.one_of(st.none(), TIED), st.one_of(st.none(), st.integers(0, 3))), min_size=1, max_size=30)


@settings(max_examples=200, deadline=None)
@given(collection=st.dictionaries(st.text("qé1", min_size=1, max_size=3), QUERY, min_size=1, max_size=4))
def test_random_runs_full_of_ties_measure_as_pytrec_eval_measures_them(
    collection: dict[str, dict[str, tuple[float | None, int | None]]],
) -> None:
    run: Scores = {q: {d: s for d, (s, _) in of.items() if s is not None} for q, of in collection.items()}
    qrels: Grades = {q: {d: g for d, (_, g) in of.items() if g is not None} for q, of in collection.items()}
    run, qrels = {q: of for q, of in run.items() if of}, {q: of for q, of in qrels.items() if of}
    assume(run.keys() & qrels.keys())
    lines = [f"{q} Q0 {d} 0 {score!r} t\n" for q, of in run.items() for d, score in of.items()]
    read = Run.from_text(as_text("mem", "".join(lines).encode()))
    ours = measure(read, qrels, ["nDCG@10", "AP"], missing="skip")
    cut = measure(read, qrels, ["nDCG@3"], missing="skip")  # hands over three documents a query
    assert ours.values("nDCG@10") == trec_eval(run, qrels, "ndcg_cut_10")
    assert ours.values("AP") == trec_eval(run, qrels, "map")
    assert cut.values("nDCG@3") == trec_eval(run, qrels, "ndcg_cut_3")
