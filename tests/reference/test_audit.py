"""The audit of the paper: what it finds in tiny tables made by hand, what it finds in the paper, and what it must not find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerankbench.errors import DataError
from rerankbench.measures.quality import measure
from rerankbench.reference.audit import Check, Kind, Known, Report, Sure, Text, audit, audit_paper
from rerankbench.reference.audit.assignment import best_order, cycles, distance
from rerankbench.reference.audit.known import Contradiction, Exchange, Peers, Published, Statement, load_known
from rerankbench.reference.audit.spans import Span, around, weighted_mean
from rerankbench.reference.layout import PaperColumn, PaperGroup, PaperRow, PaperTable
from rerankbench.reference.paper import PaperCell, PaperNumbers, load
from rerankbench.trec import read_qrels, read_run

NOTHING, SILENCE = Known(), Text()

Rows = Mapping[str, Sequence[str]]


def _paper(tables: Mapping[str, tuple[Sequence[str], Rows]], first_stage: str = "bm25", decimals: int = 2) -> PaperNumbers:
    """Tables of rows; a column called ``avg`` is the mean of all others."""
    layouts, cells = {}, {}
    for id_, (names, rows) in tables.items():
        members = tuple(n for n in names if n != "avg")
        columns = tuple(PaperColumn(n, n, members=members if n == "avg" else ()) for n in names)
        group = PaperGroup("", tuple(PaperRow(system, system) for system in rows))
        layouts[id_] = PaperTable(id_, f"Table {id_}", columns, (group,), len(rows) * len(names), first_stage, decimals)
        for system, values in rows.items():
            for name, value in zip(names, values, strict=True):
                cells[id_, system, "", "", name] = PaperCell(id_, system, "", "", name, "nDCG@10", value, "" if value else "lost")
    return PaperNumbers(layouts, cells)


def _check(report: Report, kind: Kind) -> Check:
    return next(c for c in report.checks if c.kind == kind)


def test_a_wrong_average_is_found() -> None:
    # (10.00 + 20.00 + 30.33) / 3 = 20.11; the members' rounding allows 20.105 to 20.115, and 20.15 is at least 20.145.
    report = audit(_paper({"1": (["a", "b", "c", "avg"], {"S": ["10.01", "19.99", "30.33", "20.15"]})}), NOTHING, SILENCE)
    (finding,) = report.findings
    assert (finding.table, finding.row, finding.column, finding.printed) == ("1", "S", "avg", "20.15")
    assert finding.other == "20.1100 (mean of the row)"
    assert (finding.kind, finding.sure) == (Kind.AVERAGE, Sure.CERTAIN)
    # With c alone wrong it would be 20.15 · 3 - 10.01 - 19.99 = 30.45.
    assert "c 30.33 → 30.45" in finding.means


def test_an_average_that_rounding_explains_is_counted_and_is_no_finding() -> None:
    # The mean is 20.1167, printed 20.11: members that were each 0.005 less have the mean 20.1117, which prints as 20.11.
    report = audit(_paper({"1": (["a", "b", "c", "avg"], {"S": ["10.01", "20.01", "30.33", "20.11"]})}), NOTHING, SILENCE)
    assert report.findings == ()
    assert _check(report, Kind.AVERAGE).rounding == 1
    assert _check(report, Kind.AVERAGE).notes == ("Table 1, S, avg: 20.11 for 20.1167",)


def test_a_tie_rounds_half_up_and_is_right() -> None:
    report = audit(_paper({"1": (["a", "b", "avg"], {"S": ["10.01", "10.02", "10.02"]})}), NOTHING, SILENCE)  # the mean is 10.015
    assert _check(report, Kind.AVERAGE).right == 1


def test_an_average_over_a_lost_number_is_undecided() -> None:
    report = audit(_paper({"1": (["a", "b", "avg"], {"S": ["10.01", "", "99.99"]})}), NOTHING, SILENCE)
    assert report.findings == ()
    assert _check(report, Kind.AVERAGE).undecided == 1


def test_a_value_that_differs_between_two_tables_is_found() -> None:
    tables = {"1": (["a", "b"], {"S": ["72.95", "10.00"]}), "2": (["a", "c"], {"S": ["72.65", "5.00"]})}
    report = audit(_paper(tables), NOTHING, SILENCE)
    (finding,) = report.findings
    assert (finding.kind, finding.sure) == (Kind.TWO_TABLES, Sure.CERTAIN)
    assert (finding.table, finding.column, finding.printed, finding.other) == ("1", "a", "72.95", "72.65 (Table 2: S)")
    assert report.only("2").findings == (finding,)
    assert report.only("3").findings == ()


def test_one_decimal_with_a_zero_appended_is_as_coarse_as_one_decimal() -> None:
    # 52.50 in a row of such numbers is 52.45 to 52.55: 52.46 agrees. In a row that has hundredths, it does not.
    coarse = {"1": (["a", "b", "c"], {"S": ["72.50", "70.40", "52.50"]}), "2": (["c", "d"], {"S": ["52.46", "1.00"]})}
    fine = {"1": (["a", "b", "c"], {"S": ["72.51", "70.40", "52.50"]}), "2": (["c", "d"], {"S": ["52.46", "1.00"]})}
    assert audit(_paper(coarse), NOTHING, SILENCE).findings == ()
    assert len(audit(_paper(fine), NOTHING, SILENCE).findings) == 1


def test_other_first_stages_are_other_settings() -> None:
    one, two = _paper({"1": (["a"], {"S": ["1.00"]})}), _paper({"2": (["a"], {"S": ["9.00"]})}, first_stage="splade")
    both = PaperNumbers({**one.tables, **two.tables}, {**one.cells, **two.cells})
    assert audit(both, NOTHING, SILENCE).findings == ()


def test_a_table_that_repeats_another_is_found_once() -> None:
    report = audit(_paper({str(n): (["a", "b"], {"S": ["1.00", "2.00"]}) for n in (1, 2)}), NOTHING, SILENCE)
    (finding,) = report.findings
    assert (finding.kind, finding.table, finding.printed) == (Kind.REPEATED, "1", "2 numbers")


def test_a_swapped_pair_is_found_by_the_row_s_own_figures() -> None:
    figures = Published(tables=("1",), row="BM25", figures={"a": 18.2, "b": 27.9, "c": 16.4}, tolerance=0.1, source="somebody")
    paper = _paper({"1": (["a", "b", "c"], {"BM25": ["18.24", "16.45", "27.91"]})})
    (finding,) = audit(paper, Known(published=(figures,)), SILENCE).findings
    assert (finding.kind, finding.sure) == (Kind.ORDER, Sure.LIKELY)
    assert (finding.row, finding.column, finding.printed, finding.other) == ("BM25", "b, c", "16.45, 27.91", "27.90, 16.40")
    assert "somebody" in finding.evidence
    assert "16.45 is c, 27.91 is b" in finding.means


def test_a_figure_off_by_more_than_its_tolerance_is_found_and_is_no_other_order() -> None:
    figures = Published(tables=("1",), row="BM25", figures={"a": 32.18, "b": 59.47, "c": 44.22}, tolerance=0.1, source="somebody")
    paper = _paper({"1": (["a", "b", "c"], {"BM25": ["30.75", "59.47", "44.23"]})})  # c is within the tolerance
    report = audit(paper, Known(published=(figures,)), SILENCE)
    (finding,) = report.findings
    assert (finding.kind, finding.column, finding.printed, finding.other) == (Kind.PUBLISHED, "a", "30.75", "32.18")
    assert (_check(report, Kind.PUBLISHED).right, _check(report, Kind.ORDER).right) == (2, 1)


def test_a_row_in_another_order_is_found_by_the_other_rows_of_its_table() -> None:
    rows = {"A": ["80.11", "44.00", "74.00"], "B": ["82.11", "43.00", "75.00"], "C": ["79.11", "46.00", "71.00"]}
    rows["D"] = ["81.11", "74.50", "44.50"]
    rows["E"] = ["60.11", "30.00", "60.00"]  # a bad reranker, and no other order
    paper = _paper({"1": (["a", "b", "c"], rows)})
    (finding,) = audit(paper, Known(peers=(Peers(table="1", source="somebody"),)), SILENCE).findings
    assert (finding.row, finding.column) == ("D", "b, c")


def test_exchanged_neighbours_are_seen_by_the_first_stage_and_weak_evidence_is_undecided() -> None:
    bm25 = Published(tables=("9",), row="BM25", figures={"x-a": 28.0, "x-b": 16.0}, tolerance=0.1, source="somebody")
    data = Known(first_stages={"BM25": "bm25"}, published=(bm25,), exchanges=(Exchange(left="x-a", right="x-b"),), average="x-avg")
    rows = {
        "swapped": ["20.11", "32.00", "26.06"],  # gain 26.06 - 22 = 4.06: expected 32.06 and 20.06
        "printed": ["32.11", "20.00", "26.06"],
        "either": ["26.11", "26.00", "26.06"],
    }
    report = audit(_paper({"1": (["x-a", "x-b", "x-avg"], rows)}), data, SILENCE)
    (finding,) = report.findings
    assert (finding.row, finding.column, finding.printed, finding.other) == ("swapped", "x-a, x-b", "20.11, 32", "bm25 28.00, 16.00")
    order = _check(report, Kind.ORDER)
    assert (order.right, order.wrong, order.undecided) == (1, 1, 1)


def test_a_baseline_of_another_first_stage_is_found() -> None:
    paper = _paper({"1": (["a", "b"], {"BM25": ["1.00", "2.00"], "S": ["3.00", "4.00"]})}, first_stage="reasonir")
    (finding,) = audit(paper, Known(first_stages={"BM25": "bm25"}), SILENCE).findings
    assert (finding.kind, finding.row, finding.printed, finding.other) == (Kind.FIRST_STAGE, "BM25", "2.00", "reasonir")


def test_the_text_is_held_against_the_tables() -> None:
    paper = _paper({"1": (["s"], {"A": ["4.58"], "a": ["0.63"], "B": ["16.93"], "b": ["3.40"]})})
    pairs = ("1/B//s", "1/b//s", "1/A//s", "1/a//s")
    right = Statement(where="here", says="4 s less", check="difference", cells=("1/A//s", "1/a//s"), value="3.95")
    wrong = [
        Statement(where="here", says="up to 5×", check="largest-ratio", cells=pairs),  # 16.93 / 3.40 = 4.98 < 4.58 / 0.63 = 7.27
        Statement(where="here", says="always more", check="rising", cells=("1/A//s", "1/a//s")),
        Statement(where="here", says="3.5 s", check="equal", cells=("1/b//s",), value="3.5"),
    ]
    text = Text(
        statements=(right, *wrong),
        contradictions=(Contradiction(table="text", row="r", column="c", printed="p", other="o", means="m"),),
    )
    report = audit(paper, NOTHING, text)
    assert [f.table for f in report.findings] == ["1", "1", "1", "text"]
    assert "16.93 / 3.40 = 4.98, 4.58 / 0.63 = 7.27" in report.findings[0].printed
    assert (_check(report, Kind.TEXT).right, _check(report, Kind.TEXT).wrong) == (1, 4)


def test_a_statement_over_a_cell_that_is_not_there_is_refused() -> None:
    statement = Statement(where="here", says="x", check="equal", cells=("1/A/w/ only Stage I/s",), value="1")
    with pytest.raises(DataError, match="speaks of the cell '1/A/w/ only Stage I/s'"):
        audit(_paper({"1": (["s"], {"A": ["4.58"]})}), NOTHING, Text(statements=(statement,)))


VALUES = st.lists(st.floats(0, 100, allow_nan=False), min_size=1, max_size=5)


@given(st.data(), VALUES)
def test_the_best_order_is_the_best_of_all_permutations(data: st.DataObject, figures: list[float]) -> None:
    row = data.draw(st.lists(st.floats(0, 100, allow_nan=False), min_size=len(figures), max_size=len(figures)))
    best = min(distance(row, figures, order) for order in permutations(range(len(figures))))
    assert distance(row, figures, best_order([row], figures, 0.0)) == pytest.approx(best)


def test_moved_positions_come_in_groups_that_change_places() -> None:
    assert cycles((0, 2, 1, 5, 3, 4)) == [[1, 2], [3, 4, 5]]
    assert cycles((0, 1, 2)) == []


@given(st.lists(st.decimals(0, 100, places=6), min_size=1, max_size=12))
def test_no_average_of_honestly_rounded_numbers_is_outside_its_span(values: list[Decimal]) -> None:
    printed = [value.quantize(Decimal("0.01")) for value in values]
    average = (sum(values, Decimal(0)) / len(values)).quantize(Decimal("0.01"))
    allowed = weighted_mean([around(p, 2) for p in printed], [1] * len(printed))
    # The division of thirds is itself cut at 28 digits.
    wider = Span(allowed.low - Decimal("1e-20"), allowed.high + Decimal("1e-20"))
    assert around(average, 2).meets(wider)


# The paper. Each line: table, row (where one row is spoken of), column, kind; and how it was verified by hand.
ECON, CODING, THEOREMS = (
    "bright-economics, bright-earth-science",
    "bright-pony, bright-leetcode",
    "bright-theoremqa-questions, bright-theoremqa-theorems",
)
FIVE = "dbpedia, scifact, signal1m, trec-news, robust04"
V1 = "mteb-eng-v1-avg"
FOUND = [
    ("1", "E2Rank-8B", "dl19", Kind.TWO_TABLES),  # 72.95 and 72.65; Table 1 prints -0.20 against 73.15, so 72.95 is its own
    ("1", "BM25", "nfcorpus", Kind.PUBLISHED),  # 30.75; Pyserini's flat index over all 323 queries gives .3218
    ("2", "monoT5-3B", "beir-avg", Kind.TWO_TABLES),  # 51.36 and 51.21; 409.7 / 8 = 51.2125, and 51.36 is RankZephyr's in Table 11
    ("2", "RankZephyr", "beir-avg", Kind.TWO_TABLES),  # 51.15 and 51.36; 410.9 / 8 = 51.3625
    ("3", "E2Rank-8B", "bright-avg", Kind.AVERAGE),  # 399.5 / 12 = 33.2917 ± 0.05, printed 33.4: at least 33.35
    ("3", "ReasonIR", CODING, Kind.ORDER),  # 31.6, 19.6; the real runs give Pony 19.55, LeetCode 31.68
    ("3", "ReasonIR", THEOREMS, Kind.ORDER),  # 36.7, 34.1; the real runs give questions 33.93, theorems 36.68
    ("3", "", ECON, Kind.ORDER),  # twelve rows; E2Rank-8B 47.2, 32.3 over 32.65, 43.00: +14.6 and -10.7, exchanged -0.4 and +4.2
    ("3", "Rearank-7B, ERank-4B, ERank-14B", CODING, Kind.ORDER),  # ERank-4B 31.7, 21.8 at the first stage's mean: exchanged 0.0, +2.3
    ("3", "Rank-R1-14B, ERank-14B", "model size", Kind.TEXT),  # Section 4.2: "parameters less than 14B"
    ("4", "E2Rank-8B w/ only Stage I", V1, Kind.AVERAGE),  # (15·55.31 + 4·55.73 + 11·45.84 + 3·85.23 + 12·75.69 + 10·83.23 + 29.66) / 56
    ("4", "E2Rank-0.6B w/ only Stage I", V1, Kind.TWO_TABLES),  # 60.05; Table 14 prints Table 15's 62.40. So the next five:
    ("4", "E2Rank-0.6B", V1, Kind.TWO_TABLES),  # 61.25 and 63.41
    ("4", "E2Rank-4B w/ only Stage I", V1, Kind.TWO_TABLES),  # 63.61 and 65.33
    ("4", "E2Rank-4B", V1, Kind.TWO_TABLES),  # 64.47 and 66.12
    ("4", "E2Rank-8B w/ only Stage I", V1, Kind.TWO_TABLES),  # 64.26 and 65.96
    ("4", "E2Rank-8B", V1, Kind.TWO_TABLES),  # 65.03 and 66.56
    ("5", "", "bright-avg", Kind.TEXT),  # "progressive gains … on all benchmarks"; 32.15 falls to 31.00 from 4B to 8B
    ("11", "BM25", "nfcorpus", Kind.PUBLISHED),  # as in Table 1
    ("11", "monoT5-3B", FIVE, Kind.ORDER),  # 76.30 under Signal, where 20 rows have 25 to 36; under SciFact they have 70 to 79
    ("11", "RankT5-3B", FIVE, Kind.ORDER),  # 77.10 under Signal
    ("11", "ListT5-3B", FIVE, Kind.ORDER),  # 77.00 under Signal; its README's base model has SciFact 74.1, News 48.5, DBPedia 43.7
    ("11", "RankVicuna", FIVE, Kind.ORDER),  # 68.80 under Signal
    ("12", "all", "overall-s", Kind.TEXT),  # Section 4.2 names Figure 1 (b); its caption gives latency to (c)
    ("13", "", "overall-s", Kind.TEXT),  # "up to about 5× at 8B": 4.58 / 0.63 = 7.3 at 0.6B, 5.2 at 4B, 16.93 / 3.40 = 5.0 at 8B
    ("14", "all rows", "all columns", Kind.REPEATED),  # 252 equal numbers under "v1" and "v2"; the tasks are v2's
    ("17", "", ECON, Kind.ORDER),  # 42.6, 23.7 for E2Rank-4B: Earth is above Econ for BM25 (27.91, 16.45) and ReasonIR (43.00, 32.65)
    ("18", "BM25", "nfcorpus", Kind.PUBLISHED),  # as in Table 1
    ("19", "BM25", "bright-avg", Kind.FIRST_STAGE),  # 13.7, yet the row E2Rank-0.6B is Table 3's over ReasonIR, in all 13 numbers
    ("19", "BM25", ECON, Kind.ORDER),  # 27.9, 16.4; Pyserini: economics .1645, earth-science .2791
    ("19", "BM25", THEOREMS, Kind.ORDER),  # 2.1, 7.3; Pyserini: questions .0733, theorems .0214
    ("19", "", ECON, Kind.ORDER),  # five of E2Rank's six rows
    ("21", "First-stage Retrieval", "bge-base dl20", Kind.PUBLISHED),  # 66.21; Pyserini .6768. DL19 agrees: 70.22, .7016
    ("22", "BM25", ECON, Kind.ORDER),  # as in Table 19
    ("22", "BM25", THEOREMS, Kind.ORDER),  # as in Table 19
    ("22", "", ECON, Kind.ORDER),  # all fifteen rerankers; RankZephyr 23.7, 14.4: -4.2 and -2.1 exchanged, +7.3 and -13.5 as printed
    ("22", "Rank1-7B, ERank-4B, ERank-14B", CODING, Kind.ORDER),  # Rank1 20.1, 9.4 over Pony 4.34, LeetCode 24.71
    ("22", "RankZephyr, RankQwen3-0.6B", THEOREMS, Kind.ORDER),  # RankZephyr 2.0, 7.3 over questions 7.33, theorems 2.14
    ("22", "JudgeRank-8B", "training", Kind.TEXT),  # caption: fine-tuned; Section 4.2: zero-shot
    ("text", "Stage I training", "learning rate", Kind.TEXT),  # Section 4.1: 5e-6; Appendix C: 2e-5
]  # fmt: skip


@pytest.fixture(scope="module")
def of_the_paper() -> Report:
    return audit_paper()


def test_these_are_the_findings_of_the_paper(of_the_paper: Report) -> None:
    found = [(f.table, f.row, f.column, f.kind) for f in of_the_paper.findings]
    named = {(t, r, c, k) for t, r, c, k in FOUND if r}
    unnamed = sorted((t, c, k) for t, r, c, k in FOUND if not r)
    assert named <= set(found)
    assert sorted((t, c, k) for t, r, c, k in found if (t, r, c, k) not in named) == unnamed
    assert len(found) == len(FOUND)


def test_the_five_columns_of_table_11_are_news_robust_scifact_signal_dbpedia(of_the_paper: Report) -> None:
    listt5 = next(f for f in of_the_paper.findings if f.row == "ListT5-3B")
    places = "53.20 is trec-news, 57.80 is robust04, 77.00 is scifact, 33.60 is signal1m, 46.20 is dbpedia"
    assert places in listt5.means


def test_the_misprinted_member_of_table_4_is_shown(of_the_paper: Report) -> None:
    (finding,) = (f for f in of_the_paper.findings if f.table == "4" and f.kind == Kind.AVERAGE)
    assert finding.other.startswith("63.97")
    # 55.73 + (64.26 - 63.9775) · 56 / 4 = 59.685; the other sizes have 56.16 and 59.30 there.
    assert "mteb-eng-v1-reranking 55.73 → 59.68" in finding.means or "mteb-eng-v1-reranking 55.73 → 59.69" in finding.means


def test_what_is_right_in_the_paper_is_counted(of_the_paper: Report) -> None:
    # All 33 differences of Table 1 and the three sums of Table 12 were computed by hand.
    assert (_check(of_the_paper, Kind.DIFFERENCE).right, _check(of_the_paper, Kind.SUM).right) == (33, 3)
    averages = _check(of_the_paper, Kind.AVERAGE)
    # Averages: Table 1 has 7, 3 17, 4 13, 11 50, 15 6, 16 6, 17 6, 18 7, 19 7, 20 6, 22 16: 141 with those over lost numbers and dashes.
    assert averages.right + averages.rounding + averages.wrong + averages.undecided == 141
    # One over Table 3's lost numbers, two over Table 17's, five over Table 11's dashes.
    assert (averages.wrong, averages.undecided) == (2, 8)
    assert "Tables 2 and 11, RankT5-3B, beir-avg: 52.50 and 52.46" in _check(of_the_paper, Kind.TWO_TABLES).notes


def test_every_finding_says_what_both_values_are_why_and_what_follows(of_the_paper: Report) -> None:
    tables = {*load().tables, "text"}
    for f in of_the_paper.findings:
        assert f.table in tables
        assert all((f.row, f.column, f.printed, f.other, f.evidence, f.means)), f
        assert f.sure == (Sure.LIKELY if f.kind in {Kind.ORDER, Kind.PUBLISHED} else Sure.CERTAIN)


def test_the_figures_of_reasonir_are_those_of_its_real_runs(data_dir: Path) -> None:
    figures = next(p.figures for p in load_known().published if p.row == "ReasonIR")
    assert len(figures) == 12
    for name in ("bright-pony", "bright-theoremqa-theorems", "bright-economics"):
        set_ = name.removeprefix("bright-").replace("-", "_")
        run = read_run(data_dir / "runs" / "bright-reasonir" / f"{set_}.reasonir_gpt4cot_top100.txt")
        qrels = read_qrels(data_dir / "topics_and_qrels" / f"qrels.{name}.test.txt")
        assert 100 * measure(run, qrels, ["nDCG@10"]).means["nDCG@10"] == pytest.approx(figures[name], abs=0.0051)
