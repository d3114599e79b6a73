"""Bars have the table's cells in its order, beside every number that the paper prints in that column."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from rerankbench.config import Experiment, load_experiment
from rerankbench.config.schema import BarsChoice
from rerankbench.errors import ConfigError
from rerankbench.figures.bars import bars_of
from rerankbench.reference.paper import load
from rerankbench.reference.verdict import Verdict
from rerankbench.report import Cell, Status, Table, paper_table
from rerankbench.report.marks import Mark

# Table 2 of the paper, column Avg.
PRINTED = ["43.43", "47.16", "51.36", "52.50", "53.00", "51.15", "53.67", "53.09", "51.16", "52.09", "54.14", "54.35"]
FIRST_AND_LAST = ("BM25", "E²Rank-8B")


def _asked(order: str = "table") -> tuple[BarsChoice, Experiment]:
    return BarsChoice(kind="bars", column="beir-avg", order=order), load_experiment("figure1b")  # type: ignore[arg-type]


def _table(cells: Sequence[Cell] = ()) -> Table:
    return paper_table(load(), "2", cells)


def _ours(system: str, value: float) -> Cell:
    return Cell(system, "beir-avg", Status.DONE, value, interval=(round(value - 0.01, 5), round(value + 0.02, 5)), members=(8, 8))


def _of(marks: Sequence[Mark], source: str) -> list[Mark]:
    return [mark for mark in marks if mark.source == source]


def test_the_paper_is_there_when_nothing_of_ours_is() -> None:
    figure = bars_of(*_asked(), _table())
    paper, ours = _of(figure.marks, "paper"), _of(figure.marks, "ours")
    assert [str(mark.y) for mark in paper] == PRINTED
    assert (paper[0].series, paper[-1].series) == FIRST_AND_LAST
    assert [mark.y for mark in ours] == [None] * 12
    assert figure.exit_code() == 4


def test_groups_and_rows_are_those_of_the_table() -> None:
    groups = bars_of(*_asked(), _table()).groups
    assert [heading for heading, _ in groups] == ["", *(g.label for g in load().table("2").groups[1:])]
    assert groups[0] == ("", ("BM25",))
    assert groups[-1][1] == ("E²Rank-0.6B", "E²Rank-4B", "E²Rank-8B")


def test_our_value_has_its_interval_and_its_verdict() -> None:
    figure = bars_of(*_asked(), _table([_ours("BM25", 0.43425), _ours("E2Rank-8B", 0.6)]))
    ours = {mark.series: mark for mark in _of(figure.marks, "ours")}
    assert (ours["BM25"].y, ours["BM25"].low, ours["BM25"].high) == (Decimal("43.425"), Decimal("42.425"), Decimal("45.425"))
    assert (ours["BM25"].verdict, ours["E²Rank-8B"].verdict) == (Verdict.MATCH, Verdict.DIFFERENT)
    label = load().columns("2")[-1].label
    assert figure.caption == (
        f"The paper's values: its Table 2, column {label.rstrip('.')}."
        " Error bars: 95 % interval of the average, its members taken as independent. = equal to the paper as printed; ≠ different."
    )
    assert figure.x_label == f"nDCG@10, {label}"


def test_the_best_may_come_first_by_our_value_else_by_the_papers() -> None:
    (group,) = bars_of(*_asked("value"), _table([_ours("BM25", 0.6), _ours("E2Rank-8B", 0.1)])).groups
    assert group[1][:3] == ("BM25", "E²Rank-4B", "RankQwen3 (14B)")  # 60, 54.14, 53.67
    assert group[1][-1] == "E²Rank-8B"


def test_a_column_that_the_table_has_not_is_refused_with_its_place(tmp_path: Path) -> None:
    choice = BarsChoice(kind="bars", column="trec-covid")
    with pytest.raises(ConfigError, match=r"figure1b\.yaml:\d+: key 'figure\.column': the table has no column 'trec-covid'"):
        bars_of(choice, load_experiment("figure1b"), _table())
