"""Tables: completeness, verdict counts, emphasis, and what stands under them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from report.making import absent, done
from rerankbench.errors import ConfigError, MeasureError
from rerankbench.reference import Verdict, load
from rerankbench.report import Cell, Column, Group, Row, Status, Table, experiment_table, paper_table
from rerankbench.report.appendix import appendix

BM25 = {
    # nDCG@10 of Anserini's flat BM25 as PROTOCOL.md prints them; all but nfcorpus equal the paper's row.
    "dl19": 0.5058, "dl20": 0.4796, "trec-covid": 0.5947, "nfcorpus": 0.3218, "touche2020": 0.4422, "dbpedia": 0.3180,
    "scifact": 0.6789, "signal1m": 0.3305, "trec-news": 0.3952, "robust04": 0.4070,
}  # fmt: skip


def bm25(**changed: Cell | None) -> list[Cell]:
    cells = {name: done("BM25", name, value, deterministic=True) for name, value in BM25.items()}
    return [c for name, old in cells.items() if (c := changed.get(name.replace("-", "_"), old)) is not None]


def test_table_1_with_the_bm25_row_alone_counts_its_verdicts_and_is_incomplete() -> None:
    table = paper_table(load(), "1", bm25())
    # Nine benchmarks as printed, nfcorpus 1.43 off; six systems × ten benchmarks not run.
    assert table.verdicts() == {Verdict.MATCH: 9, Verdict.DIFFERENT: 1, Verdict.MISSING: 60}
    # (59.47 + 32.18 + 44.22 + 31.80 + 67.89 + 33.05 + 39.52 + 40.70) / 8 = 348.83 / 8 = 43.60375, printed 43.43
    assert table.rows[0].cells[-1].value == 0.4360375
    assert table.verdicts(averages=True) == {Verdict.DIFFERENT: 1, Verdict.MISSING: 6}
    assert len(table.missing()) == 60
    assert table.exit_code() == 4
    under = appendix(table)
    assert under.verdicts == (
        "Against the paper: MATCH 9, CLOSE 0, DIFFERENT 1, MISSING 60",
        "Averages: MATCH 0, CLOSE 0, DIFFERENT 1, MISSING 6",
    )
    assert under.complete == "Incomplete: 60 of 70 cells have no number."


def test_an_average_with_one_member_missing_shows_so_many_of_how_many() -> None:
    table = paper_table(load(), "1", bm25(signal1m=None))
    assert table.rows[0].cells[-1].members == (7, 8)
    assert table.rows[0].cells[-1].status is Status.REFUSED
    assert table.verdicts(averages=True) == {Verdict.MISSING: 7}


def test_an_average_whose_members_are_not_in_the_table_is_taken_as_given() -> None:
    table = paper_table(load(), "2", [done("BM25", "beir-avg", 0.4343, deterministic=True)])
    assert table.rows[0].cells[-1].verdict is Verdict.MATCH


def test_a_complete_table_exits_zero_and_a_failed_cell_does_not() -> None:
    columns = [Column("dl19", "DL19"), Column("dl20", "DL20")]
    whole = experiment_table("x", "X", columns, [done("S", "dl19", 0.5), done("S", "dl20", 0.5)])
    assert (whole.exit_code(), whole.missing(), appendix(whole).complete) == (0, [], "")
    failed = Cell("S", "dl20", Status.FAILED, reason="out of memory")
    broken = experiment_table("x", "X", columns, [done("S", "dl19", 0.5), failed])
    assert (broken.exit_code(), broken.missing()) == (4, [failed])
    assert appendix(broken).missing[0].text == "failed: out of memory"


def test_missing_cells_share_a_note_when_reason_and_hint_are_the_same() -> None:
    columns = [Column(name, name.upper()) for name in ("dl19", "dl20", "scifact")]
    cells = [absent("A", c.name, "no weights", "get them") for c in columns]
    cells += [absent("B", c.name, "no weights", "get them") for c in columns]
    cells += [done("C", "dl19", 0.5), absent("C", "dl20", "no text", "fetch"), absent("C", "scifact", "no weights", "get others")]
    first, second, third = appendix(experiment_table("x", "X", columns, cells)).missing
    assert (first.number, first.count, first.where) == (1, 6, ("A, B: all 3 columns",))
    assert (second.number, second.text, second.hint, second.where) == (2, "no text", "fetch", ("C: dl20",))
    assert (third.number, third.text, third.hint) == (3, "no weights", "get others")


def test_all_that_is_not_clean_is_said_under_the_table() -> None:
    columns = [Column("dl19", "DL19")]
    cells = [
        done("A", "dl19", 0.5, limit=5, missing_rule="skip", seconds=1.0, hardware="H1", resumed=True),
        done("B", "dl19", 0.5, defects={"missing": 2, "repeated": 1}, seconds=1.0, hardware="H2", caveat="not a language model"),
    ]
    under = appendix(experiment_table("x", "X", columns, cells, caveats=["a stand-in"]))
    assert [note.text for note in under.remarks] == [
        "first 5 queries only; judged queries without a ranking are left out",
        "not a language model",
    ]
    assert under.defects == ("B: dl19 2 missing, 1 repeated",)
    assert under.caveats == ("a stand-in",)
    assert under.notes == (
        "Seconds were measured on different hardware and are not to be compared. H1: A; H2: B",
        "* Resumed after a stop, so that the seconds are a sum of parts. A: dl19",
    )


def test_one_kind_of_hardware_needs_no_warning() -> None:
    cells = [done(s, "dl19", 0.5, seconds=1.0, hardware="H1") for s in "AB"]
    assert appendix(experiment_table("x", "X", [Column("dl19", "DL19")], cells)).notes == ()


def _emphasis(values: list[list[float | None]], within: str, unit: str = "percent") -> dict[tuple[int, int], str]:
    column = Column("a", "A", unit=unit)  # type: ignore[arg-type]
    groups = []
    for g, group in enumerate(values):
        cells = [done(f"{g}{i}", "a", v) if v is not None else absent(f"{g}{i}", "a") for i, v in enumerate(group)]
        groups.append(Group("", tuple(Row(c.system, c.system, (c,)) for c in cells)))
    return dict(Table("x", "X", (column,), tuple(groups), bold=within, underline=within).emphasis())  # type: ignore[arg-type]


def test_the_best_of_each_group_is_bold_and_the_second_best_underlined() -> None:
    assert _emphasis([[0.9], [0.3, 0.5, 0.4]], "group") == {(2, 0): "bold", (3, 0): "underline"}
    assert _emphasis([[0.9], [0.3, 0.5, 0.4]], "table") == {(0, 0): "bold", (2, 0): "underline"}
    assert _emphasis([[0.9], [0.3, 0.5, 0.4]], "none") == {}


def test_values_that_show_equal_are_emphasised_alike_and_a_lacking_one_leaves_the_best_unknown() -> None:
    assert _emphasis([[0.50001, 0.50004, 0.3]], "group") == {(0, 0): "bold", (1, 0): "bold", (2, 0): "underline"}
    assert _emphasis([[0.9, 0.3, None]], "group") == {}


def test_fewer_seconds_are_better() -> None:
    assert _emphasis([[3.4, 0.6]], "table", unit="seconds") == {(1, 0): "bold", (0, 0): "underline"}


def test_every_table_of_the_paper_can_be_laid_out_without_any_cell_of_ours() -> None:
    paper = load()
    for id_, layout in paper.tables.items():
        table = paper_table(paper, id_, [], hint=lambda row, column: f"{row.system} {column.name}")
        cells = list(table.cells())
        assert len(cells) == layout.cells
        printed = {(c.system, c.variant, c.first_stage, c.column): c.value for c in paper.cells.values() if c.table == id_ and c.value}
        assert {(c.system, c.variant, c.first_stage, c.column): c.printed for _, _, c in cells if c.printed} == printed
        assert table.exit_code() == 4


def test_table_21_keeps_first_stages_apart() -> None:
    ours = [done("E2Rank-8B", "dl20", 0.8008, first_stage="splade-pp-ed"), done("E2Rank-8B", "dl20", 0.7640, first_stage="bge-base")]
    table = paper_table(load(), "21", ours)
    assert {cell.first_stage: cell.verdict for _, _, cell in table.cells() if cell.done} == {
        "splade-pp-ed": Verdict.MATCH,
        "bge-base": Verdict.MATCH,
    }


def test_a_cell_without_a_place_and_two_cells_for_one_place_are_refused() -> None:
    with pytest.raises(MeasureError, match="no place for BM25 / dl21"):
        paper_table(load(), "1", [done("BM25", "dl21", 0.5)])
    with pytest.raises(MeasureError, match="Two cells claim the place BM25 / dl19"):
        paper_table(load(), "1", [done("BM25", "dl19", 0.5), done("BM25", "dl19", 0.6)])
    with pytest.raises(MeasureError, match="no column for S / dl20"):
        experiment_table("x", "X", [Column("dl19", "DL19")], [done("S", "dl20", 0.5)])
    with pytest.raises(ConfigError, match="no table '99'"):
        paper_table(load(), "99", [])


def test_a_row_that_does_not_line_up_with_the_columns_cannot_be_made() -> None:
    row = Row("S", "S", (done("S", "dl20", 0.5),))
    with pytest.raises(MeasureError, match="its cells are"):
        Table("x", "X", (Column("dl19", "DL19"),), (Group("", (row,)),))


def test_variants_of_one_system_are_rows_of_their_own() -> None:
    cells = [replace(done("S", "dl19", 0.5), variant=f"window={w}") for w in (10, 20)]
    table = experiment_table("x", "X", [Column("dl19", "DL19")], cells, labels={"S": "Listwise"})
    assert [row.label for row in table.rows] == ["Listwise (window=10)", "Listwise (window=20)"]
