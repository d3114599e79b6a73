"""Markdown, LaTeX, CSV and JSON: what goes in comes out, whatever characters it has."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from report.making import NASTY, absent, done, nasty_table
from rerankbench.errors import UsageError
from rerankbench.reference import load
from rerankbench.report import SUFFIXES, Column, Listing, Shape, Table, experiment_table, latex, markdown, paper_table, render, to_json

SHAPES: tuple[Shape, ...] = ("paper", "experiment")
PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40)
ANY = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30)


def parse(text: str) -> tuple[list[list[list[str]]], list[str]]:
    """Tables (rows of cells) and all other inline texts, as an independent Markdown parser reads them."""
    tables: list[list[list[str]]] = []
    other: list[str] = []
    in_table = False
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text):
        if token.type == "table_open":
            in_table = True
            tables.append([])
        elif token.type == "table_close":
            in_table = False
        elif token.type == "tr_open":
            tables[-1].append([])
        elif token.type == "inline":
            parts = "".join(child.content for child in token.children or [] if child.type in {"text", "code_inline", "html_inline"})
            (tables[-1][-1] if in_table else other).append(parts)
    return tables, other


@given(PRINTABLE)
def test_markdown_shows_any_text_as_it_is_in_a_cell_and_at_the_start_of_a_line(text: str) -> None:
    wanted = " ".join(text.split())
    tables, other = parse(f"| a | b |\n| --- | --- |\n| {markdown.escape(text)} | x |\n\n- {markdown.block(text)}\n")
    assert tables[0][1] == [wanted, "x"]
    assert other == ([wanted] if wanted else [])


@pytest.mark.parametrize("shape", SHAPES)
def test_a_markdown_table_has_as_many_cells_in_every_row_and_keeps_nasty_names(shape: Shape) -> None:
    tables, other = parse(render(nasty_table(), "markdown", shape))
    for rows in tables:
        assert {len(row) for row in rows} == {len(rows[0])}
    assert NASTY in {row[0] for rows in tables for row in rows}
    assert f"A title: {NASTY}" in other
    assert f"to get it: {NASTY}" in other
    assert any(text.startswith(f"[1] 1 cell: {NASTY}") for text in other)


def test_markdown_of_table_1_has_the_papers_numbers_under_ours() -> None:
    tables, other = parse(render(paper_table(load(), "1", [done("BM25", "dl19", 0.505787, deterministic=True)]), "markdown"))
    (rows,) = tables
    assert rows[1][:3] == ["BM25", "50.58 =", "-- [1]"]
    assert rows[2][:3] == ["paper", "50.58", "47.96"]
    assert rows[1][-1] == "0 of 8"
    assert "Incomplete: 69 of 70 cells have no number." in other


def unescaped(text: str) -> str:
    """The independent inverse of the escaping, for ASCII."""
    named = {
        r"\textbackslash{}": "\\", r"\textasciitilde{}": "~", r"\textasciicircum{}": "^", r"\textless{}": "<", r"\textgreater{}": ">",
        r"\textbar{}": "|", r"\`{}": "`", r"\texttt{\char34}": '"', "{[}": "[", "{]}": "]", "{*}": "*", "-{}": "-", "'{}": "'",
    }  # fmt: skip
    pattern = "|".join([*map(re.escape, named), r"\\[{}_%&#$]"])
    return re.sub(pattern, lambda m: named.get(m.group(), m.group()[1:]), text)


@given(PRINTABLE)
def test_latex_escaping_of_ascii_can_be_undone_and_leaves_nothing_special(text: str) -> None:
    escaped = latex.escape(text)
    assert unescaped(escaped) == " ".join(text.split())
    assert "--" not in escaped
    assert "''" not in escaped


def bare(text: str) -> str:
    """LaTeX without its escaped characters, so that what is left is structure."""
    return re.sub(r"\\[{}_%&#$\\]", "", text)


def balanced(text: str) -> bool:
    depth = 0
    for c in bare(text):
        depth += {"{": 1, "}": -1}.get(c, 0)
        if depth < 0:
            return False
    return depth == 0


@given(ANY)
def test_latex_of_any_text_is_ascii_with_balanced_braces_and_nothing_active(text: str) -> None:
    escaped = latex.escape(text)
    assert escaped.isascii()
    assert balanced(escaped)
    assert not set("#%&") & set(bare(escaped))
    assert bare(escaped).count("$") % 2 == 0


def test_latex_names_what_it_knows_and_shows_the_code_point_of_what_it_does_not() -> None:
    assert latex.escape("E²Rank ≥ 5–7 Müller 中") == r"E\textsuperscript{2}Rank $\geq$ 5\textendash{}7 M\"{u}ller {[}U+4E2D{]}"


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("make", [nasty_table, lambda: paper_table(load(), "1", []), lambda: paper_table(load(), "11", [])])
def test_latex_tables_have_as_many_cells_in_every_row_as_columns(make: object, shape: Shape) -> None:
    text = render(make(), "latex", shape)  # type: ignore[operator]
    assert text.isascii()
    assert balanced(text)
    tabulars = re.findall(r"\\begin\{tabular\}\{(l+r*)\}\n(.*?)\\end\{tabular\}", text, re.DOTALL)
    assert tabulars
    for columns, body in tabulars:
        for line in body.splitlines():
            if line.endswith(r"\\") and not line.startswith(r"\multicolumn"):
                assert len(re.findall(r"(?<!\\)&", line)) == len(columns) - 1, line


def test_latex_writes_missing_cells_as_dashes_and_refused_averages_as_a_fraction() -> None:
    ours = [done("BM25", c, 0.5) for c in ("trec-covid", "nfcorpus", "touche2020", "dbpedia", "scifact", "signal1m", "trec-news")]
    line = next(line for line in render(paper_table(load(), "1", ours), "latex").splitlines() if line.startswith("BM25 & "))
    cells = line.removesuffix(r" \\").split(" & ")
    assert cells[1] == r"--\textsuperscript{{[}1{]}}"
    assert cells[-1] == "7/8"


@pytest.mark.parametrize("shape", SHAPES)
def test_latex_compiles_as_it_stands(tmp_path: Path, shape: Shape) -> None:
    engine = next(filter(None, map(shutil.which, ("pdflatex", "lualatex", "xelatex", "tectonic"))), None)
    if engine is None:
        pytest.skip("no LaTeX is installed: install pdflatex or tectonic to compile the tables")
    wide = [done("ReasonIR", column.name, 0.5, interval=(0.4, 0.6)) for column in load().columns("3") if column.name != "bright-avg"]
    tables = (nasty_table(), paper_table(load(), "1", []), paper_table(load(), "3", wide))
    words = Listing("w", "Words & _signs_", ("task", "of"), tuple((f"A_{n} → B", "100 %, <x> & " * 12) for n in range(60)), ("then → now",))
    body = "".join([*(render(table, "latex", shape) for table in tables), render(words, "latex")])
    document = rf"\documentclass{{article}}\usepackage{{booktabs,graphicx}}\begin{{document}}{body}\end{{document}}"
    (tmp_path / "t.tex").write_text(document, encoding="ascii")
    options = [] if engine.endswith("tectonic") else ["-interaction=nonstopmode", "-halt-on-error"]
    ended = subprocess.run([engine, *options, "t.tex"], cwd=tmp_path, capture_output=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stdout[-2000:].decode(errors="replace")
    assert b"Overfull" not in ended.stdout  # nothing sticks out of the page


def read_csv(table: Table) -> dict[tuple[str, str], dict[str, str]]:
    """(system, benchmark) → fields, as pandas reads them."""
    frame = pd.read_csv(io.StringIO(render(table, "csv")), dtype=str, keep_default_na=False)
    return {(line["system"], line["benchmark"]): {str(k): v for k, v in line.items()} for line in frame.to_dict(orient="records")}


def test_csv_has_one_line_a_cell_with_unrounded_values() -> None:
    run = "dl19/bm25/BM25-1"
    bm25 = done("BM25", "dl19", 0.5057912345678901, interval=(0.07, 0.6), deterministic=True, seconds=1e-07, queries=43, run=run)
    e2rank = done("E2Rank-8B", "dl19", 1.0, defects={"repeated": 1, "missing": 2}, limit=5, missing_rule="zero")
    lines = read_csv(paper_table(load(), "2", [bm25, e2rank]))
    assert len(lines) == 36
    # 50.57912345678901 − 50.58 = −0.00087654321099
    assert lines["BM25", "dl19"].items() >= {
        "value": "50.57912345678901", "low": "7", "high": "60", "paper": "50.58", "difference": "-0.00087654321099", "verdict": "MATCH",
        "seconds": "0.0000001", "queries": "43", "run": run,
    }.items()  # fmt: skip
    assert lines["E2Rank-8B", "dl19"].items() >= {
        "value": "100", "defects": "missing=2; repeated=1", "limit": "5", "missing_rule": "zero", "verdict": "",
        "not_judged": "first 5 queries only",
    }.items()  # fmt: skip
    missing = {"status": "missing", "reason": "not run", "value": "", "paper": "73.39", "verdict": "MISSING"}
    assert lines["RankZephyr", "dl19"].items() >= missing.items()


@given(ANY, ANY)
def test_csv_keeps_any_name_and_reason(name: str, reason: str) -> None:
    table = experiment_table("t", "T", [Column("dl19", "DL19")], [absent(name, "dl19", reason)])
    (line,) = read_csv(table).values()
    assert (line["system"], line["reason"]) == (name, reason)


def test_json_says_the_same_in_fractions_and_can_be_written() -> None:
    table = paper_table(
        load(), "1", [done("BM25", "dl19", 0.505787, deterministic=True), done("BM25", "nfcorpus", 0.3218, deterministic=True)]
    )
    found = json.loads(render(table, "json"))
    assert found == to_json(table)
    assert (found["complete"], found["exit_code"]) == (False, 4)
    assert found["verdicts"] == {"MATCH": 1, "DIFFERENT": 1, "MISSING": 68}
    dl19 = found["cells"][0]
    assert (dl19["system"], dl19["benchmark"], dl19["value"], dl19["paper"], dl19["verdict"]) == (
        "BM25",
        "dl19",
        0.505787,
        "50.58",
        "MATCH",
    )
    nfcorpus = found["cells"][3]
    assert (nfcorpus["paper"], nfcorpus["difference"], nfcorpus["verdict"]) == ("30.75", 1.43, "DIFFERENT")
    assert found["missing"][0]["cells"] == 68


def test_every_format_has_a_suffix_and_an_unknown_one_is_refused() -> None:
    for name in SUFFIXES:
        assert render(nasty_table(), name)
    with pytest.raises(UsageError, match="Did you mean 'markdown'"):
        render(nasty_table(), "markdwon")
