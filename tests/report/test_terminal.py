"""What a terminal shows, at several widths and without Unicode."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from report.making import NASTY, absent, done, nasty_table
from rerankbench.reference import load
from rerankbench.report import Column, Shape, Table, experiment_table, paper_table, render_terminal
from rerankbench.report.terminal import pages


def shown(table: Table, shape: Shape, width: int, *, encoding: str = "utf-8", colours: bool = False) -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    console = Console(file=file, width=width, force_terminal=colours, color_system="standard" if colours else None)
    console.print(render_terminal(table, shape))
    file.flush()
    return raw.getvalue().decode(encoding)


def table_1() -> Table:
    ours = [done("BM25", "dl19", 0.505787, deterministic=True), done("BM25", "nfcorpus", 0.3218, deterministic=True)]
    ours += [absent("E2Rank-8B", name, "no weights at hand", "hf download Alibaba-NLP/E2Rank-8B") for name in ("dl19", "dl20")]
    return paper_table(load(), "1", ours)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 160, 200])
def test_no_line_is_wider_than_the_terminal_and_no_number_of_the_paper_is_cropped(width: int) -> None:
    text = shown(table_1(), "paper", width)
    assert max(map(len, text.splitlines())) <= width
    for cell in load().cells.values():
        if cell.table == "1":
            assert f" {cell.value}" in text
    assert "50.58=" in text
    assert "32.18≠" in text
    assert "+1.43" in text
    assert "…" not in text


def test_the_paper_shape_reads_like_this() -> None:
    columns = [Column("dl19", "DL19"), Column("dl20", "DL20"), Column("avg", "Avg.", members=("dl19", "dl20"))]
    cells = [
        done("BM25", "dl19", 0.5058, deterministic=True).judged(load().cell("1", "BM25", "dl19")),
        done("BM25", "dl20", 0.4896, defects={"missing": 2}, limit=5),
        absent("E2Rank-8B", "dl19", "no weights at hand", "hf download Alibaba-NLP/E2Rank-8B"),
        done("E2Rank-8B", "dl20", 0.7),
    ]
    lines = [line.rstrip() for line in shown(experiment_table("x", "A title", columns, cells), "paper", 80).splitlines()]
    assert lines == [
        "A title",
        "",
        "               DL19      DL20        Avg.",
        "─────────────────────────────────────────────",
        "BM25          50.58=    48.96d[2]   49.77d[2]",
        "  paper       50.58",
        "E2Rank-8B        --[1]  70.00      1 of 2",
        "",
        "= equal to the paper as printed; d with defects; 1 of 2: an average that lacks",
        "members is not printed",
        "Against the paper: MATCH 1, CLOSE 0, DIFFERENT 0, MISSING 0",
        "Incomplete: 1 of 4 cells have no number.",
        "",
        "Missing",
        "  [1] 1 cell: no weights at hand",
        "      E2Rank-8B: dl19",
        "      to get it: hf download Alibaba-NLP/E2Rank-8B",
        "",
        "Notes",
        "  [2] 1 cell: first 5 queries only",
        "      BM25: dl20",
        "",
        "Defects",
        "  BM25: dl20 2 missing",
    ]


def test_the_experiment_shape_has_everything_about_a_run_in_a_line() -> None:
    cells = [
        done("BM25", "dl19", 0.5058, interval=(0.44, 0.5712), queries=43, expected_queries=43, seconds=0.0123),
        done(
            "other",
            "dl19",
            0.4,
            queries=5,
            expected_queries=43,
            limit=5,
            defects={"missing": 2, "repeated": 1},
            seconds=1234.5,
            resumed=True,
        ),
        absent("third", "dl19"),
    ]
    table = experiment_table("x", "T", [Column("dl19", "DL19")], cells)
    lines = [line.rstrip() for line in shown(table, "experiment", 80).splitlines()]
    assert lines[2:8] == [
        "dl19",
        "system        nDCG@10   95 % interval  queries  defects  seconds",
        "────────────────────────────────────────────────────────────────",
        "BM25          50.58       44.00–57.12       43        0     0.01",
        "other         40.00[2]                 5 of 43        3    1235*",
        "third            --[1]",
    ]


@pytest.mark.parametrize("shape", ["paper", "experiment"])
def test_markup_in_names_is_text(shape: Shape) -> None:
    table = experiment_table("x", "[bold]T", [Column("dl19", "[red]DL")], [done("[italic]S[/]", "dl19", 0.5)])
    text = shown(table, shape, 80, colours=True)
    assert "[bold]T" in text
    assert "[italic]S[/]" in text


def test_a_pipe_gets_no_colours_and_a_terminal_does() -> None:
    assert "\x1b[" not in shown(table_1(), "paper", 100)
    assert "\x1b[" in shown(table_1(), "paper", 100, colours=True)


@pytest.mark.parametrize("shape", ["paper", "experiment"])
def test_a_terminal_without_unicode_shows_all_numbers(shape: Shape) -> None:
    text = shown(table_1(), shape, 100, encoding="ascii")
    assert "E2Rank-8B" in text
    assert "32.18!" in text
    assert NASTY.isascii() is False
    assert shown(nasty_table(), shape, 100, encoding="ascii")


@given(st.lists(st.integers(1, 30), min_size=1, max_size=25), st.integers(1, 120))
@settings(max_examples=200)
def test_columns_keep_their_order_over_blocks_and_blocks_fit_unless_one_column_alone_does_not(widths: list[int], room: int) -> None:
    blocks = pages(widths, room)
    assert [c for block in blocks for c in block] == list(range(len(widths)))
    for block in blocks:
        assert len(block) == 1 or sum(widths[c] for c in block) + 2 * (len(block) - 1) <= room
