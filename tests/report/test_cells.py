"""Cells, averages and their verdicts, with values worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report.making import absent, done
from rerankbench.errors import MeasureError
from rerankbench.reference import PaperCell, Verdict
from rerankbench.report import Cell, Status, average


def printed(value: str) -> PaperCell:
    return PaperCell("1", "S", "", "", "dl19", "nDCG@10", value)


def test_an_average_is_the_mean_of_unrounded_members() -> None:
    # (50.004 + 50.004 + 50.007) / 3 = 50.005, printed 50.01; the mean of the rounded members, 50.00 50.00 50.01, prints 50.00.
    cell = average("S", "avg", [done("S", "a", 0.50004), done("S", "b", 0.50004), done("S", "c", 0.50007)])
    assert cell.value == 0.50005
    assert cell.judged(printed("50.01")).verdict is Verdict.MATCH
    assert cell.members == (3, 3)


@pytest.mark.parametrize("status", [Status.MISSING, Status.FAILED, Status.REFUSED])
def test_an_average_refuses_as_soon_as_one_member_has_no_number(status: Status) -> None:
    cell = average("S", "avg", [done("S", "a", 0.5), Cell("S", "b", status, reason="why"), done("S", "c", 0.5)])
    assert (cell.status, cell.value, cell.members) == (Status.REFUSED, None, (2, 3))
    assert "2 of 3" in cell.reason
    assert "missing: b" in cell.reason
    assert cell.judged(printed("50.00")).verdict is Verdict.MISSING


def test_an_average_over_nothing_is_refused() -> None:
    assert average("S", "avg", []).status is Status.REFUSED


def test_the_interval_of_an_average_takes_its_members_as_independent() -> None:
    # half-widths below 0.03 and 0.04, above 0.06 and 0.08: sqrt(.03² + .04²) / 2 = 0.025, sqrt(.06² + .08²) / 2 = 0.05
    cell = average("S", "avg", [done("S", "a", 0.5, interval=(0.47, 0.56)), done("S", "b", 0.7, interval=(0.66, 0.78))])
    assert cell.interval == pytest.approx((0.6 - 0.025, 0.6 + 0.05))
    assert average("S", "avg", [done("S", "a", 0.5, interval=(0.4, 0.6)), done("S", "b", 0.5)]).interval is None


@given(st.lists(st.floats(0.01, 0.2), min_size=2, max_size=8))
def test_equal_half_widths_shrink_with_the_root_of_the_number_of_members(widths: list[float]) -> None:
    h = widths[0]
    cell = average("S", "avg", [done("S", str(i), 0.5, interval=(0.5 - h, 0.5 + h)) for i in range(len(widths))])
    assert cell.interval == pytest.approx((0.5 - h / sqrt(len(widths)), 0.5 + h / sqrt(len(widths))))


def test_what_is_not_clean_about_a_member_is_not_clean_about_the_average() -> None:
    members = [
        done("S", "a", 0.5, limit=9, queries=9, expected_queries=43, defects={"missing": 2}, seconds=1.0, hardware="H1"),
        done("S", "b", 0.5, limit=5, queries=5, expected_queries=54, defects={"missing": 1, "repeated": 4}, seconds=2.5, hardware="H2"),
        done("S", "c", 0.5, missing_rule="zero", caveat="not a language model", resumed=True, notes=("odd",)),
    ]
    cell = average("S", "avg", members)
    assert dict(cell.defects) == {"missing": 3, "repeated": 4}
    assert cell.remarks == (
        "first 5 queries only",
        "judged queries without a ranking count as zero",
        "not a language model",
        "odd",
    )
    assert cell.resumed
    assert (cell.queries, cell.seconds, cell.hardware) == (None, None, "H1 + H2")
    assert cell.judged(printed("50.00")).verdict is None


def test_the_same_digits_are_asked_of_first_stages_and_the_measured_noise_of_models() -> None:
    ours = done("S", "dl19", 0.5065)  # 0.07 off the printed 50.58
    assert replace(ours, deterministic=True).judged(printed("50.58"), floor=0.3).verdict is Verdict.DIFFERENT
    assert ours.judged(printed("50.58"), floor=0.3).verdict is Verdict.CLOSE
    assert ours.judged(printed("50.58"), floor=0.05).verdict is Verdict.DIFFERENT
    assert replace(ours, interval=(0.50, 0.51)).judged(printed("50.58"), floor=0.05).verdict is Verdict.CLOSE  # half-width 0.5


@pytest.mark.parametrize(
    "unfit",
    [
        {"limit": 5},
        {"queries": 42, "expected_queries": 43},
        {"caveat": "not a language model"},
        {"other_model": "all-MiniLM-L6-v2"},
        {"not_judged": "another first stage"},
    ],
)
def test_a_number_that_is_not_comparable_gets_a_reason_in_place_of_a_verdict(unfit: dict[str, object]) -> None:
    cell = replace(done("S", "dl19", 0.5058), **unfit).judged(printed("50.58"))  # type: ignore[arg-type]
    assert cell.verdict is None
    assert cell.not_judged
    assert cell.difference is None
    assert cell.printed == "50.58"
    assert cell.not_judged in cell.remarks


def test_a_number_of_the_paper_that_was_lost_is_neither_missing_nor_not_printed() -> None:
    lost = PaperCell("3", "S", "", "", "dl19", "nDCG@10", "", "lost")
    assert done("S", "dl19", 0.5).judged(lost).verdict is None
    assert "lost" in done("S", "dl19", 0.5).judged(lost).not_judged
    dash = replace(lost, absent="dash")
    assert done("S", "dl19", 0.5).judged(dash).verdict is Verdict.NOT_IN_PAPER
    assert done("S", "dl19", 0.5).judged(None).verdict is Verdict.NOT_IN_PAPER


def test_seconds_are_not_turned_into_percent() -> None:
    cell = done("S", "overall-s", 3.4, unit="seconds").judged(replace(printed("3.40"), measure="latency per query"))
    assert cell.verdict is Verdict.MATCH
    assert str(cell.points) == "3.4"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cell("S", "dl19", Status.DONE), "come together"),
        (lambda: Cell("S", "dl19", Status.MISSING, 0.5, reason="x"), "come together"),
        (lambda: Cell("S", "dl19", Status.FAILED), "says no reason"),
        (lambda: done("S", "dl19", float("nan")), "expected a finite number"),
        (lambda: done("S", "dl19", 0.5, interval=(0.4, float("inf"))), "expected a finite number"),
    ],
)
def test_a_cell_that_contradicts_itself_cannot_be_made(make: object, message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        make()  # type: ignore[operator]


def test_an_absent_cell_says_why() -> None:
    assert absent("S", "dl19", hint="hf download x").hint == "hf download x"
