"""`reproduction` says how well a run reproduces another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.calling import Caller


def _write(path: Path, **orders: str) -> None:
    lines = [f"{query} Q0 {doc} {rank} {-rank} t\n" for query, order in orders.items() for rank, doc in enumerate(order, start=1)]
    path.write_text("".join(lines), encoding="utf-8")


@pytest.fixture
def files(tmp_path: Path) -> None:
    _write(tmp_path / "base", q1="yxz", q2="yzx")
    _write(tmp_path / "a", q1="xyz", q2="xzy")
    _write(tmp_path / "b", q1="yxz", q2="xyz")
    _write(tmp_path / "less", q1="yxz")
    (tmp_path / "qrels").write_text("q1 0 x 1\nq2 0 x 1\n", encoding="utf-8")


BASELINES = ("--qrels", "qrels", "--measure", "RR", "--baseline-a", "base", "--baseline-b", "base")


@pytest.mark.usefixtures("files")
def test_orders_values_and_effects_are_all_told(call: Caller) -> None:
    found = call("reproduction", "a", "b", *BASELINES, "--cutoffs", "2,10", "--per-query", "--json").data()
    # By hand in tests/measures/test_reproduction.py.
    assert found["queries"] == 2
    assert found["tau_union"] == pytest.approx({"2": 0.0, "10": 1 / 3})
    assert found["rmse"] == pytest.approx(0.125**0.5)
    assert found["effect_ratio"] == pytest.approx(7 / 4)
    assert found["delta_relative_improvement"] == pytest.approx(-3 / 5)
    assert found["means"] == {"a": 1.0, "b": 0.75}
    assert [(same["same"], same["identical"]) for same in found["same_orders"]] == [(0, False), (0, False), (1, False)]
    assert found["per_query"]["q1"]["values"] == {"a": 1.0, "b": 0.5}
    assert found["per_query"]["q2"]["gains"] == pytest.approx({"a": 2 / 3, "b": 2 / 3})
    said = call("reproduction", "a", "b", *BASELINES, "--per-query").out
    assert "1.7500" in said  # the effect ratio
    assert "-0.6000" in said
    assert "B has the order of baseline B on 1 of 2 queries." in said


@pytest.mark.usefixtures("files")
def test_orders_alone_need_no_judgement(call: Caller) -> None:
    found = call("reproduction", "a", "b", "--json").data()
    assert {"measure", "rmse", "effect_ratio", "per_query"} & set(found) == set()
    assert found["rbo"] == pytest.approx((1.44 + 2.04) / 2 / 2.44)


@pytest.mark.usefixtures("files")
def test_a_run_that_changed_nothing_is_flagged(call: Caller) -> None:
    said = call("reproduction", "base", "b", *BASELINES).out
    assert "A is identical to baseline A: the same documents in the same order for every query." in said
    assert "A gains nothing over its baseline on any query: a rerank that failed?" in said
    assert "B is identical" not in said


@pytest.mark.usefixtures("files")
def test_queries_that_one_run_lacks_stop_or_are_left_out(call: Caller) -> None:
    done = call("reproduction", "a", "less")
    assert done.code == 1
    assert "A has 2 and B 1; 1 in A alone: 'q2'." in done.err
    assert call("reproduction", "a", "less", "--missing", "skip", "--json").data()["queries"] == 1


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (("a", "b", "--baseline-a", "base", "--qrels", "qrels"), 2, "need --baseline-a, --baseline-b and --qrels"),
        (("a", "b", "--baseline-a", "base", "--baseline-b", "base"), 2, "need --baseline-a, --baseline-b and --qrels"),
        (("a", "b", "--cutoffs", "10,1"), 2, "whole numbers of at least 2"),
        (("a", "b", "--cutoffs", ""), 2, "whole numbers of at least 2"),
        (("a", "b", "--p", "1"), 1, "p lies between 0 and 1"),
        (("a", "none"), 3, "There is no file none."),
    ],
)
def test_what_cannot_be_measured_says_why(call: Caller, arguments: tuple[str, ...], code: int, expected: str) -> None:
    done = call("reproduction", *arguments)
    assert (done.code, done.out) == (code, "")
    assert expected in done.err


def test_a_real_failed_rerank_is_flagged(call: Caller, data_dir: Path) -> None:
    folder = data_dir / "runs" / "rank_llm"
    base, qrels = folder / "BM25.trec_results_dl19.txt", data_dir / "topics_and_qrels" / "qrels.dl19-passage.txt"
    runs = (folder / "reranked" / name for name in ("vicuna-7b-noop.bm25.dl19.txt", "rankvicuna.bm25.dl19.txt"))
    said = call("reproduction", *runs, "--qrels", qrels, "--baseline-a", base, "--baseline-b", base).out
    assert "A has the order of baseline A on 28 of 43 queries." in said
    assert "A gains nothing over its baseline on any query: a rerank that failed?" in said
    assert "B gains nothing" not in said
