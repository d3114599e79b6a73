"""Quality per query and its mean: values by hand, and what is refused."""

from __future__ import annotations

from math import log2

import pytest

from rerankbench.errors import ConfigError, MeasureError
from rerankbench.measures import measure, quality
from rerankbench.measures.quality import Missing
from rerankbench.records import Measurement, Ranking
from rerankbench.trec import Run
from rerankbench.trec.text import as_text

QRELS = {"q1": {"a": 1, "b": 0}, "q2": {"c": 2, "d": 1}}
# q1: its one relevant document at rank 2. q2: the better document at rank 1, the other one missing, x and y unjudged.
RUN = Run.of([Ranking("q1", ("b", "a")), Ranking("q2", ("c", "x", "y"))])
Q1 = 1 / log2(3)
Q2 = 2 / (2 + 1 / log2(3))


def one(run: Run, qrels: dict[str, dict[str, int]], name: str) -> float:
    means = measure(run, qrels, [name]).means
    assert len(means) == 1
    return next(iter(means.values()))


def test_each_query_is_measured_first_and_the_mean_is_taken_second() -> None:
    measured = measure(RUN, QRELS, ["nDCG@10"])
    assert measured.values("nDCG@10") == pytest.approx({"q1": Q1, "q2": Q2})
    assert measured.means == {"nDCG@10": pytest.approx((Q1 + Q2) / 2)}
    assert (measured.queries, measured.missing, measured.unjudged) == (2, (), ())


def test_measurements_come_measure_by_measure_and_queries_in_the_order_of_the_qrels() -> None:
    measured = measure(RUN, {"q2": QRELS["q2"], "q1": QRELS["q1"]}, ["RR@10", "P@2"])
    # P@2: one of two relevant in both.
    assert measured.measurements == (
        Measurement("q2", "RR@10", 1.0),
        Measurement("q1", "RR@10", 0.5),
        Measurement("q2", "P@2", 0.5),
        Measurement("q1", "P@2", 0.5),
    )


@pytest.mark.parametrize(
    ("name", "q1", "q2"),
    [
        ("nDCG@1", 0, 1),
        ("AP", 1 / 2, 1 / 2),
        ("AP(rel=2)", 0, 1),
        ("R@100", 1, 1 / 2),
        ("RR", 1 / 2, 1),
        ("RR@1", 0, 1),
        ("P@10", 1 / 10, 1 / 10),
        ("Success@1", 0, 1),
        ("Judged@10", 1, 1 / 3),
        ("nDCG(judged_only=True)@10", Q1, Q2),
        ("nDCG(dcg='exp-log2')@10", Q1, 3 / (3 + 1 / log2(3))),  # gains 2^2 - 1 and 2^1 - 1
        ("nDCG(gains={1:4})@10", Q1, 2 / (4 + 2 / log2(3))),  # d becomes the best, c stays 2
    ],
)
def test_each_measure_has_the_value_worked_out_by_hand(name: str, q1: float, q2: float) -> None:
    measured = measure(RUN, QRELS, [name])
    ((printed, mean),) = measured.means.items()
    assert measured.values(printed) == pytest.approx({"q1": q1, "q2": q2})
    assert mean == pytest.approx((q1 + q2) / 2)


def test_measures_do_not_disturb_each_other() -> None:
    # Evaluated together by ir_measures 0.4.3, one of the two nDCG below comes out as 0.
    names = ["nDCG(gains={1:4})@10", "nDCG@10", "nDCG(dcg='exp-log2')@10", "P(rel=2)@10", "P@10", "AP"]
    alone = {k: v for name in names for k, v in measure(RUN, QRELS, [name]).means.items()}
    assert measure(RUN, QRELS, names).means == alone
    assert len(set(alone.values())) == len(names)


def test_a_measure_named_twice_counts_once() -> None:
    assert len(measure(RUN, QRELS, ["MRR@10", "RR@10", "RR@10"]).measurements) == 2


def test_chunks_of_queries_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measure(RUN, QRELS, ["nDCG@10", "AP", "Judged@10"])
    monkeypatch.setattr(quality, "_CHUNK", 1)
    assert measure(RUN, QRELS, ["nDCG@10", "AP", "Judged@10"]) == whole


@pytest.mark.parametrize(("name", "value"), [("nDCG@1", 0), ("RR@1", 0), ("RR", 1 / 2), ("Judged@1", 0), ("Judged@2", 1 / 2)])
def test_every_provider_sees_equal_scores_in_the_order_of_trec_eval(name: str, value: float) -> None:
    # b and a tie in single precision, so b is first; ir_measures' own order of ties would put a first for RR@k and Judged.
    run = Run.from_text(as_text("mem", b"q Q0 a 1 1.000000001 t\nq Q0 b 2 1.0 t\n"))
    assert one(run, {"q": {"a": 1}}, name) == pytest.approx(value)


def test_a_cutoff_that_divides_a_tie_takes_the_right_documents() -> None:
    # 26 documents with one score: z, y, x … are first, so of the two relevant ones only y is among the first three.
    lines = "".join(f"q Q0 {chr(97 + n)} 1 0.5 t\n" for n in range(26))
    run = Run.from_text(as_text("mem", lines.encode()))
    for others in ([], ["AP"]):  # with AP the whole ranking is handed over
        assert measure(run, {"q": {"y": 1, "b": 1}}, ["R@3", *others]).means["R@3"] == 0.5


MORE = {**QRELS, "q3": {"e": 1}, "q4": {"f": 0}}


def test_a_judged_query_without_a_ranking_is_an_error() -> None:
    with pytest.raises(MeasureError, match=r"2 of 4 judged queries have no ranking: 'q3', 'q4'\.") as caught:
        measure(RUN, MORE, ["nDCG@10"])
    assert "missing: zero" in caught.value.hint


@pytest.mark.parametrize(("missing", "queries"), [("zero", 4), ("skip", 2)])
def test_a_judged_query_without_a_ranking_counts_as_zero_or_not_at_all_where_that_is_said(missing: Missing, queries: int) -> None:
    measured = measure(RUN, MORE, ["nDCG@10"], missing=missing)
    assert measured.means == {"nDCG@10": pytest.approx((Q1 + Q2) / queries)}
    assert measured.queries == len(measured.values("nDCG@10")) == queries
    assert measured.missing == ("q3", "q4")


def test_queries_without_judgements_are_listed_and_do_not_count() -> None:
    measured = measure(RUN, {"q2": QRELS["q2"]}, ["nDCG@10"])
    assert measured.means == {"nDCG@10": pytest.approx(Q2)}
    assert measured.unjudged == ("q1",)


@pytest.mark.parametrize("missing", ["error", "zero", "skip"])
def test_a_run_of_another_benchmark_is_an_error_even_where_queries_may_be_missing(missing: Missing) -> None:
    with pytest.raises(MeasureError, match="share no query: the run has 'q1', 'q2', the qrels have 'x'"):
        measure(RUN, {"x": {"a": 1}}, ["nDCG@10"], missing=missing)


@pytest.mark.parametrize("grades", [{"a": 0}, {"a": -1}, {"a": -2, "b": -1}, {}])
def test_a_query_without_a_relevant_document_counts_as_zero(grades: dict[str, int]) -> None:
    # trec_eval ends the process where all grades are negative.
    assert measure(RUN, {"q1": grades, "q2": {"c": 1}}, ["nDCG@10", "AP"]).means == {"nDCG@10": 0.5, "AP": 0.5}


def test_a_negative_grade_is_no_gain_and_no_loss() -> None:
    # Relevant at rank 2, below a document graded -2.
    for name in ("nDCG@10", "nDCG(dcg='exp-log2')@10"):
        assert one(RUN, {"q1": {"b": -2, "a": 1}}, name) == pytest.approx(Q1)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("ndcg@10", "There is no measure 'ndcg@10'. Did you mean 'nDCG'"),
        ("nDGC@10", "Did you mean 'nDCG'"),
        ("nDCG@@10", "cannot be read"),
        ("nDCG@0", "a cutoff is at least 1"),
        ("R", "cannot be computed: invalid param cutoff"),
        ("P@'x'", "cannot be computed: invalid param cutoff='x'"),
        ("P(rel=0)@10", "cannot be computed"),
        ("nDCG(dgc='log2')@10", "unsupported params found"),
        ("nDCG(gains={1:0.5})@10", "cannot be computed"),
        ("NumRet", "is a sum over queries, not a mean"),
        ("ERR@20", "cannot be computed here"),
        ("Accuracy", "cannot be computed here"),
    ],
)
def test_a_measure_that_is_no_mean_over_all_queries_or_unknown_is_refused(name: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        measure(RUN, QRELS, ["nDCG@10", name])
    assert problem in str(caught.value)


def test_a_gain_that_trec_eval_has_no_room_for_is_refused() -> None:
    with pytest.raises(MeasureError, match="a gain of 1073741823 is more than trec_eval takes"):
        measure(RUN, {"q1": {"a": 30}, "q2": {"c": 1}}, ["nDCG(dcg='exp-log2')@10"])
