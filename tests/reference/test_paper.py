"""The paper's numbers as the package holds them."""

from __future__ import annotations

import csv
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from rerankbench.errors import ConfigError, DataError
from rerankbench.reference import paper as paper_module
from rerankbench.reference.paper import PaperNumbers, load, read

FOLDER = Path(paper_module.__file__).parent

AVERAGES = {
    "3": "bright-avg", "17": "bright-avg", "19": "bright-avg", "22": "bright-avg", "16": "beir-avg", "18": "beir-avg",
    "4": "mteb-eng-v1-avg", "14": "mteb-eng-v1-avg", "15": "mteb-eng-v2-avg", "20": "mteb-eng-v2-avg",
}  # fmt: skip


@pytest.fixture(scope="module")
def paper() -> PaperNumbers:
    return load()


def _value(paper: PaperNumbers, table: str, system: str, column: str, variant: str = "", first_stage: str = "") -> str:
    cell = paper.cell(table, system, column, variant, first_stage)
    assert cell is not None
    return cell.value


def test_numbers_read_off_the_paper_by_hand_are_there(paper: PaperNumbers) -> None:
    assert _value(paper, "1", "E2Rank-8B", "dl19") == "72.95"
    assert _value(paper, "2", "E2Rank-8B", "dl19") == "72.65"  # the paper contradicts itself
    assert _value(paper, "1", "BM25", "dbpedia") == "31.80"  # with its trailing zero
    assert _value(paper, "3", "E2Rank-8B", "bright-avg") == "33.4"
    assert _value(paper, "4", "E2Rank-8B", "mteb-eng-v1-summarization") == "30.23"
    assert _value(paper, "6", "E2Rank-0.6B", "mteb-eng-v2-avg", variant="w/o Stage I") == "60.61"
    assert _value(paper, "11", "E2Rank-4B", "beir-avg-7") == "55.71"
    assert _value(paper, "12", "E2Rank-8B", "overall-s") == "3.40"
    assert _value(paper, "15", "E2Rank-4B", "SICK-R", variant="stage1") == "81.92"
    assert _value(paper, "21", "E2Rank-8B", "dl20", first_stage="splade-pp-ed") == "80.08"
    assert _value(paper, "22", "ERank-4B", "bright-pony") == "31.6"


def test_every_value_is_the_one_of_the_extracted_tables(paper: PaperNumbers, data_dir: Path) -> None:
    source = data_dir.parent / "paper" / "paper_tables.csv"
    if not source.is_file():
        pytest.skip(f"the extracted tables of the paper are not at {source}")
    with source.open(encoding="utf-8", newline="") as lines:
        extracted = list(csv.DictReader(lines))
    assert len(extracted) == len(paper.cells) == 2048
    for line in extracted:
        first_stage, column = _our_column(line["table"], line["column"])
        cell = paper.cell(line["table"], line["system"], column, line["variant"], first_stage)
        assert cell is not None, line
        assert cell.value == line["value"], line


def _our_column(table: str, column: str) -> tuple[str, str]:
    """The independent statement of how names were changed."""
    if table == "21":
        first_stage, _, benchmark = column.partition("/")
        return first_stage, benchmark
    if column == "avg":
        return "", AVERAGES[table]
    if table in {"3", "17", "19", "22"}:
        return "", f"bright-{column}"
    if table == "4":
        return "", f"mteb-eng-v1-{column}"
    return "", {"avg7": "beir-avg-7", "avg8": "beir-avg"}.get(column, column)


def test_cells_without_a_number_say_whether_they_were_lost_or_are_a_dash(paper: PaperNumbers) -> None:
    absent = Counter((cell.table, cell.absent) for cell in paper.cells.values() if not cell.value)
    assert absent == {("3", "lost"): 2, ("5", "lost"): 6, ("11", "dash"): 10, ("17", "lost"): 3}
    lost = paper.cell("3", "E2Rank-4B", "bright-pony")
    assert lost is not None
    assert lost.number is None
    assert all(cell.number == Decimal(cell.value) for cell in paper.cells.values() if cell.value)


def test_table_1_is_laid_out_as_printed(paper: PaperNumbers) -> None:
    assert [row.label for row in paper.rows("1")] == [
        "BM25", "RankQwen3-0.6B", "E²Rank-0.6B", "RankQwen3-4B", "E²Rank-4B", "RankQwen3-8B", "E²Rank-8B",
    ]  # fmt: skip
    assert [c.label for c in paper.columns("1")] == [
        "DL19", "DL20", "Covid", "NFCorpus", "Touche", "DBPedia", "SciFact", "Signal", "News", "Robust", "Avg.",
    ]  # fmt: skip
    assert paper.table("1").bold == "group"  # "We bold the best performance for each task with each base LLM."
    assert [len(g.rows) for g in paper.table("1").groups] == [1, 2, 2, 2]
    assert paper.columns("1")[-1].members == tuple(c.name for c in paper.columns("1")[2:-1])


def test_units_and_measures_are_those_of_the_column(paper: PaperNumbers) -> None:
    measures = {(c.table, c.column): c.measure for c in paper.cells.values()}
    assert measures["6", "dl20"] == "nDCG@10"
    assert measures["6", "mteb-eng-v2-avg"] == "main score"
    assert {c.unit for c in paper.columns("12")} == {"seconds"}


def test_table_14_repeats_table_15_though_its_caption_says_v1(paper: PaperNumbers) -> None:
    for cell in paper.cells.values():
        if cell.table == "15":
            column = {"mteb-eng-v2-avg": "mteb-eng-v1-avg"}.get(cell.column, cell.column)
            assert _value(paper, "14", cell.system, column, cell.variant) == cell.value


def test_an_unknown_cell_is_none_and_an_unknown_table_an_error_with_the_nearest_name(paper: PaperNumbers) -> None:
    assert paper.cell("1", "BM25", "dl21") is None
    assert paper.cell("1", "BM26", "dl19") is None
    with pytest.raises(ConfigError, match=r"no table 'one' of numbers"):
        paper.cell("one", "BM25", "dl19")


def test_the_numbers_cannot_be_changed_by_a_caller(paper: PaperNumbers) -> None:
    with pytest.raises(AttributeError):
        paper.cells.clear()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("line", "replacement", "message"),
    [
        (1, "table,system,variant,column,value", r":1: expected the header"),
        (2, "1,BM25,,,dl19,50.58", r":2: expected 7 fields"),
        (2, "1,BM25,,,dl91,50.58,", r":2: unknown column 'dl91'.*Did you mean 'dl19'"),
        (2, "1,BM52,,,dl19,50.58,", r":2: unknown system 'BM52'"),
        (2, "7,BM25,,,dl19,50.58,", r":2: unknown table '7'"),
        (2, "1,BM25,,,dl19,50.58%,", r":2: '50.58%' is not a number"),
        (2, "1,BM25,,,dl19,,", r":2: a cell without a value must say why"),
        (2, "1,BM25,,,dl19,50.58,lost", r":2: a cell with the value '50.58' cannot be 'lost'"),
        (3, "1,BM25,,,dl19,50.58,", r":3: the cell 1 / BM25 / dl19 stands here a second time"),
        (3, None, r"1 cells of table 1 are missing, first 1 / BM25 / dl20"),
        (2, '1,"BM25,,,dl19,50.58,', r"not a line of CSV|expected 7 fields"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(tmp_path: Path, line: int, replacement: str | None, message: str) -> None:
    lines = (FOLDER / "paper.csv").read_text(encoding="utf-8").splitlines()
    lines[line - 1 : line] = [] if replacement is None else [replacement]
    damaged = tmp_path / "paper.csv"
    damaged.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read(damaged, FOLDER / "tables.yaml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cells: 77", "cells: 78", "table 1 has 77 cells by its rows and columns, expected 78"),
        ("columns: [dl19, dl20, beir, beir-avg]", "columns: [dl19, dl20, bier, beir-avg]", "there is no column 'bier'"),
        ("mean_of: beir}", "mean_of: bier}", "there is no set 'bier'"),
        ("rows: [ReasonIR]", "rows: [ReasonIR, ReasonIR]", "the row 'ReasonIR' stands there twice"),
        ("bold: group", "bolt: group", "unknown key 'bolt'"),
        ("sets:", "sets: [", "not valid YAML"),
    ],
)
def test_a_damaged_layout_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    layout = (FOLDER / "tables.yaml").read_text(encoding="utf-8")
    assert old in layout
    damaged = tmp_path / "tables.yaml"
    damaged.write_text(layout.replace(old, new), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read(FOLDER / "paper.csv", damaged)
