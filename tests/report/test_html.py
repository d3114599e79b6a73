"""Tables as HTML: what goes in comes out as text, with the words of the other formats, links to runs, and a sign for every colour."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report.making import NASTY, absent, done, nasty_table
from rerankbench.reference import load
from rerankbench.report import Column, Shape, Table, experiment_table, paper_table, render
from rerankbench.report.appendix import appendix
from rerankbench.report.cells import Repeat, Significance
from rerankbench.report.html import base_of, render_html, table_fragment

SHAPES: tuple[Shape, ...] = ("paper", "experiment")
ANY = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30)
SCRIPT = "<script>alert(1)</script>"


class Read(HTMLParser):
    """Rows of cells without their details, the details, links and all text, as an independent parser reads them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.kinds: list[list[str]] = []
        self.facts: list[dict[str, str]] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.emphasised: list[tuple[str, str]] = []
        self._stack: list[str] = []
        self._term = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given_ = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        if tag not in {"meta", "link", "br"}:
            self._stack.append(tag)
        if tag == "tr":
            self.rows.append([])
            self.kinds.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")
            self.kinds[-1].append(given_.get("class", ""))
        elif tag == "dl":
            self.facts.append({})
        elif tag == "a":
            self.links.append(given_["href"])

    def handle_endtag(self, tag: str) -> None:
        if tag in self._stack:
            while self._stack.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if "style" in self._stack:
            return
        self.text += data
        if "dl" in self._stack:
            if self._stack[-1] == "dt":
                self._term = data
            elif self._stack[-1] == "dd":
                self.facts[-1][self._term] = data
        elif {"td", "th"} & set(self._stack) and data.strip():
            self.rows[-1][-1] += f"{data.strip()} "
            if self._stack[-1] in {"b", "u"}:
                self.emphasised.append((self._stack[-1], data))


def read(table: Table, shape: Shape = "paper", base: str | None = None) -> Read:
    return Read(render_html(table, shape, base=base))


def cells(found: Read) -> list[list[str]]:
    return [[cell.strip() for cell in row] for row in found.rows]


@pytest.mark.parametrize("shape", SHAPES)
def test_nasty_names_are_text_everywhere(shape: Shape) -> None:
    found = read(nasty_table(), shape)
    assert NASTY in {row[0] for row in cells(found)}
    assert f"A title: {NASTY}" in found.text
    assert found.text.count(NASTY) > 5  # name, context, reason, hint, note, caveat
    assert "script" not in found.tags
    assert "c" not in found.tags


@given(ANY, ANY)
def test_any_text_is_shown_as_it_is(name: str, reason: str) -> None:
    table = experiment_table("t", reason, [Column("dl19", "DL19")], [absent(name, "dl19", reason + SCRIPT, hint=name)])
    for shape in SHAPES:
        found = read(table, shape)
        assert "script" not in found.tags
        assert reason + SCRIPT in found.text
        assert name in found.text


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("make", [nasty_table, lambda: paper_table(load(), "1", []), lambda: paper_table(load(), "11", [])])
def test_every_row_has_as_many_cells_as_there_are_columns(make: object, shape: Shape) -> None:
    found = read(make(), shape)  # type: ignore[operator]
    width = 0
    for row in found.rows:
        if row[0].strip() == "system":
            width = len(row)
        assert len(row) in {width, 1}, row  # a group's heading spans all


def test_rows_groups_and_headings_are_the_papers() -> None:
    found = cells(read(paper_table(load(), "11", [])))
    # Table 11 of the paper: the group's line stands above its first row
    assert found[0][:4] == ["system", "Covid", "NFCorpus", "Touche"]
    assert found[1][0] == "BM25"
    assert found[2] == ["Previous Fine-tuned Pointwise Reranker"]
    assert found[3][0] == "MonoBERT (340M)"


def test_a_cell_shows_ours_the_sign_the_papers_the_difference_and_the_interval() -> None:
    ours = [
        done("BM25", "dl19", 0.505787, deterministic=True, interval=(0.43, 0.58)),
        done("BM25", "nfcorpus", 0.3218, deterministic=True),
    ]
    found = read(paper_table(load(), "1", ours))
    (header, bm25, *_) = cells(found)
    assert bm25[header.index("DL19")] == "50.58 = 50.58 43.00–58.00"
    assert bm25[header.index("NFCorpus")] == "32.18 ≠ 30.75 +1.43"
    assert found.kinds[1][header.index("DL19")] == "cell match"
    assert found.kinds[1][header.index("NFCorpus")] == "cell different"
    assert found.kinds[1][header.index("DL20")] == "cell missing"


def test_colour_is_never_alone() -> None:
    """Whatever has the colour of a verdict has its sign as well, and the sign is explained."""
    ours = [done("BM25", "dl19", 0.505787, deterministic=True), done("BM25", "nfcorpus", 0.3218), done("BM25", "dl20", 0.1, limit=5)]
    found = read(paper_table(load(), "1", ours))
    signs = {"match": "=", "close": "≈", "different": "≠", "refused": "?"}
    shown = [
        (kind.removeprefix("cell "), cell)
        for kinds, row in zip(found.kinds, found.rows, strict=True)
        for kind, cell in zip(kinds, row, strict=True)
    ]
    coloured = [(kind, cell) for kind, cell in shown if kind in signs]
    assert {kind for kind, _ in coloured} >= {"match", "different", "refused"}
    assert all(signs[kind] in cell for kind, cell in coloured)
    assert "= equal to the paper as printed; ≠ different; ? not compared" in found.text


def test_the_best_values_are_emphasised_as_in_the_paper() -> None:
    """Table 2 of the paper: "The best result of each benchmark is bolded, and the second best is underlined"."""
    systems = [row.system for row in load().table("2").rows]
    ours = [done(system, "dl19", (10 + i) / 100) for i, system in enumerate(systems)]
    # 12 rows of 10.00 to 21.00, the best one last
    assert read(paper_table(load(), "2", ours)).emphasised == [("u", "20.00"), ("b", "21.00")]


def test_details_tell_all_that_is_known_of_a_cell() -> None:
    cell = done(
        "S",
        "dl19",
        0.685,
        interval=(0.6, 0.7),
        queries=5,
        expected_queries=43,
        limit=5,
        defects={"repeated": 2},
        seconds=12.34,
        hardware="one CPU",
        resumed=True,
        run="dl19/bm25/S-1",
        repeats=(Repeat("1", 0.6737), Repeat("2", 0.6938)),
        letters="ab",
        against=Significance("T", -0.02, 0.012, is_significant=True),
        notes=("a note",),
    )
    (facts,) = read(experiment_table("t", "T", [Column("dl19", "DL19")], [cell])).facts
    assert facts == {
        "S on DL19": "68.50",
        "95 % interval": "60.00–70.00",
        "spread": "67.37–69.38 over 2 runs",
        "better than": "a, b",
        "against": "-2.00 to T, p = 0.012, significant",
        "queries": "5 of 43",
        "defects": "2 repeated",
        "seconds": "12.3 on one CPU, resumed after a stop",
        "remarks": "first 5 queries only; a note",
        "run": "dl19/bm25/S-1",
    }


def test_the_letters_and_the_spread_of_a_cell_stand_beside_its_number() -> None:
    cell = done("S", "dl19", 0.685, letters="ab", repeats=(Repeat("r1", 0.6737, "dl19/a"), Repeat("r2", 0.6938)))
    found = read(experiment_table("t", "T", [Column("dl19", "DL19")], [cell]), base="runs")
    assert cells(found)[1][1] == "68.50 ab 67.37–69.38 over 2 runs r1 r2"
    assert "runs/dl19/a/" in found.links


def test_an_interval_of_negative_numbers_has_a_word_between_them() -> None:
    cell = done("S", "dl19", -0.1, interval=(-0.1422, -0.0548))
    assert "-14.22 to -5.48" in read(experiment_table("t", "T", [Column("dl19", "DL19")], [cell])).text


def test_a_cell_links_its_run_folder_from_where_the_file_lies() -> None:
    table = experiment_table("t", "T", [Column("dl19", "DL19")], [done("S", "dl19", 0.5, run="dl19/bm25/a b#1%-0")])
    assert "../../runs/dl19/bm25/a%20b%231%25-0/" in read(table, base="../../runs").links
    assert not [link for link in read(table).links if not link.startswith("#")]


@pytest.mark.parametrize(
    ("runs", "folder", "base"),
    [
        ("runs", "reports/demo", "../../runs"),
        ("/somewhere/a/runs", "/somewhere/a/reports/x", "../../runs"),
        ("/somewhere/a b/runs", "/somewhere/a b/x", "../runs"),
        ("/somewhere/a/runs é", "/somewhere/a/x", "../runs%20%C3%A9"),
        ("/elsewhere/runs", "/somewhere/a/reports", None),  # leads over the root: it would hold for this machine alone
    ],
)
def test_the_way_to_the_runs_is_relative_or_not_written(runs: str, folder: str, base: str | None) -> None:
    assert base_of(Path(runs), Path(folder)) == base


@pytest.mark.parametrize("shape", SHAPES)
def test_everything_that_stands_below_the_table_elsewhere_stands_here_too(shape: Shape) -> None:
    for table in (nasty_table(), paper_table(load(), "1", [done("BM25", "dl19", 0.5, defects={"repeated": 1})])):
        under, text = appendix(table), " ".join(read(table, shape).text.split())
        lines = [*under.verdicts, under.complete, *table.context]
        lines += [line for _, of in under.lists() for line in of]
        for note in (*under.missing, *under.remarks):
            lines += [note.text, note.hint, *note.where]
        for line in lines:
            assert " ".join(line.split()) in text, line


def test_the_page_needs_nothing_outside_of_itself_and_forbids_scripts() -> None:
    page = render(nasty_table(), "html")
    assert "default-src 'none'; style-src 'unsafe-inline'" in page
    found = Read(page)
    assert not {"link", "img", "script"} & found.tags
    assert not re.search(r"url\(|@import", page)


def test_the_fragment_is_the_part_of_the_page_without_its_heading() -> None:
    table = nasty_table()
    fragment = table_fragment(table, "paper", lambda cell: "")
    assert "<h1" not in fragment
    assert str(fragment) in render_html(table)


def test_the_same_table_gives_the_same_bytes() -> None:
    assert render_html(nasty_table()) == render_html(nasty_table())
