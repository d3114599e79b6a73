"""A table that is wider than a page is set in blocks of columns under each other; nothing of it is lost."""

from __future__ import annotations

import re

import pytest

from report.making import done
from rerankbench.report import Column, Table, experiment_table, render


def _table(columns: int, label: int) -> Table:
    made = [Column(f"c{n}", f"{n:x>{label}}") for n in range(columns)]
    return experiment_table("wide", "Wide", made, [done("s", f"c{n}", n / 100) for n in range(columns)])


def _blocks(table: Table) -> list[str]:
    return re.findall(r"\\begin\{tabular\}.*?\\end\{tabular\}", render(table, "latex", "paper"), flags=re.DOTALL)


@pytest.mark.parametrize("columns", [3, 13, 14])
def test_a_table_with_as_many_columns_as_the_papers_widest_is_one_block(columns: int) -> None:
    assert len(_blocks(_table(columns, 25))) == 1


def test_more_columns_go_into_blocks_that_fit_a_page() -> None:
    blocks = _blocks(_table(41, 25))
    assert len(blocks) == 11  # four headings of 25 characters each, in room for 100
    headings = [re.findall(r"x+\d+", block) for block in blocks]
    assert [len(of) for of in headings] == [4] * 10 + [1]
    numbers = [number for block in blocks for number in re.findall(r"\b\d+\.\d\d\b", block)]
    assert numbers == [f"{n}.00" for n in range(41)]
    assert all(block.count("s &") == 1 for block in blocks)  # the row is named in each
