"""Reproductions: small ones by hand, a real one against repro_eval's own figures."""

from __future__ import annotations

from math import sqrt
from pathlib import Path

import pytest

from rerankbench.errors import MeasureError
from rerankbench.measures.reproduction import reproduce
from rerankbench.records import Qrels, Ranking
from rerankbench.trec import Run, read_qrels, read_run

QRELS: Qrels = {"q1": {"x": 1}, "q2": {"x": 1}}


def _run(**rankings: str) -> Run:
    return Run.of(Ranking(query, tuple(documents)) for query, documents in rankings.items())


BASE = _run(q1="yxz", q2="yzx")  # RR: 1/2, 1/3
FIRST = _run(q1="xyz", q2="xzy")  # RR: 1, 1
SECOND = _run(q1="yxz", q2="xyz")  # RR: 1/2, 1


def test_a_reproduction_by_hand() -> None:
    found = reproduce(FIRST, SECOND, qrels=QRELS, baselines=(BASE, BASE), measure="RR", cutoffs=[2, 10])
    first, second = found.orders
    # q1: x y and y x swap; of three documents one of three pairs is swapped.
    assert first.tau == pytest.approx({2: -1.0, 10: 1 / 3})
    # q2: x z and x y are numbers 0 1 and 0 2.
    assert second.tau == pytest.approx({2: 1.0, 10: 1 / 3})
    assert found.mean_tau(2) == 0.0
    assert found.mean_tau(10) == pytest.approx(1 / 3)
    # q1 shares 0 of 1, 2 of 2, 3 of 3; q2 1, 1 of 2, 3 of 3; weights 1, 0.8, 0.64.
    assert found.mean_rbo == pytest.approx(((0.8 + 0.64) + (1 + 0.4 + 0.64)) / 2 / 2.44)
    assert found.values is not None
    assert found.effect is not None
    assert found.values.means == (1.0, 0.75)
    assert found.values.rmse == pytest.approx(sqrt(0.25 / 2))
    # Baseline 5/12; gains 7/12 and 4/12.
    assert found.effect.means == pytest.approx((7 / 12, 4 / 12))
    assert found.effect.effect_ratio == pytest.approx(7 / 4)
    assert found.effect.delta_relative_improvement == pytest.approx(4 / 5 - 7 / 5)
    assert found.effect.b == pytest.approx({"q1": 0.0, "q2": 2 / 3})
    assert [(s.names, s.same) for s in found.same] == [(("A", "B"), 0), (("A", "baseline A"), 0), (("B", "baseline B"), 1)]


def test_a_run_reproduces_itself() -> None:
    found = reproduce(FIRST, FIRST, qrels=QRELS, baselines=(BASE, BASE), measure="RR")
    assert found.values is not None
    assert found.effect is not None
    assert (found.mean_tau(10), found.mean_rbo, found.values.rmse) == (1.0, 1.0, 0.0)
    assert (found.effect.effect_ratio, found.effect.delta_relative_improvement) == (1.0, 0.0)
    assert found.same[0].is_identical
    assert found.orders[0].is_same


def test_without_a_gain_of_the_original_there_is_no_ratio() -> None:
    found = reproduce(FIRST, BASE, qrels=QRELS, baselines=(BASE, BASE), measure="RR")
    assert found.effect is not None
    assert found.effect.effect_ratio is None
    assert found.effect.delta_relative_improvement == pytest.approx(-7 / 5)
    nothing: Qrels = {query: {"elsewhere": 1} for query in QRELS}
    found = reproduce(FIRST, BASE, qrels=nothing, baselines=(BASE, BASE), measure="RR")
    assert found.effect is not None
    assert found.effect.delta_relative_improvement is None


def test_orders_need_no_judgement() -> None:
    found = reproduce(_run(q7="ab", q8="a"), _run(q8="a", q7="ab"))
    assert [order.query_id for order in found.orders] == ["q7", "q8"]
    assert (found.values, found.effect) == (None, None)
    assert found.orders[1].tau == {10: None, 100: None}  # a single document has no order
    assert found.mean_tau(10) == 1.0
    assert reproduce(_run(q="a"), _run(q="a")).mean_tau(10) is None


def test_queries_that_do_not_fit_are_refused_or_left_out() -> None:
    with pytest.raises(MeasureError, match="A has 2 and B 1; 1 in A alone: 'q2'"):
        reproduce(FIRST, _run(q1="xy"), qrels=QRELS)
    found = reproduce(FIRST, _run(q1="xy"), qrels=QRELS, missing="skip")
    assert [order.query_id for order in found.orders] == ["q1"]
    with pytest.raises(MeasureError, match="cannot count as zero"):
        reproduce(FIRST, SECOND, qrels=QRELS, missing="zero")


@pytest.mark.parametrize("options", [{"cutoffs": [1]}, {"persistence": 1.0}, {"baselines": (BASE, BASE)}])
def test_arguments_out_of_range_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(MeasureError):
        reproduce(FIRST, SECOND, **options)  # type: ignore[arg-type]


def test_a_real_reproduction_has_repro_evals_figures(data_dir: Path) -> None:
    folder = data_dir / "runs" / "rank_llm"
    base = read_run(folder / "BM25.trec_results_dl19.txt")
    a, b = (read_run(folder / "reranked" / f"rankgpt-3.5.bm25.dl19.repeat{n}.txt") for n in (2, 1))
    found = reproduce(a, b, qrels=read_qrels(data_dir / "topics_and_qrels" / "qrels.dl19-passage.txt"), baselines=(base, base))
    assert found.values is not None
    assert found.effect is not None
    # repro_eval 0.5.0 on the same files: KTU with trim_thresh 10 and 100, RBO with p 0.8 and depth 100, RMSE, ER, DRI of nDCG@10.
    assert found.mean_tau(10, by_id=True) == pytest.approx(0.7167958656330748)
    assert found.mean_tau(100, by_id=True) == pytest.approx(0.6901667841202724)
    assert found.mean_rbo == pytest.approx(0.9206352189377334)
    assert found.values.rmse == pytest.approx(0.04563123132334216)
    assert found.effect.effect_ratio == pytest.approx(0.9641751417306674)
    assert found.effect.delta_relative_improvement == pytest.approx(0.012330038060930137)


def test_a_rerank_that_failed_is_told_by_its_baseline(data_dir: Path) -> None:
    folder = data_dir / "runs" / "rank_llm"
    base = read_run(folder / "BM25.trec_results_dl19.txt")
    noop, vicuna = (read_run(folder / "reranked" / name) for name in ("vicuna-7b-noop.bm25.dl19.txt", "rankvicuna.bm25.dl19.txt"))
    found = reproduce(noop, vicuna, qrels=read_qrels(data_dir / "topics_and_qrels" / "qrels.dl19-passage.txt"), baselines=(base, base))
    assert found.effect is not None
    assert found.effect.effect_ratio == 0.0
    assert not any(found.effect.a.values())
    assert [same.same for same in found.same] == [0, 28, 0]  # as diff of the files' columns 1 and 3 has it
