"""``audit-paper`` on the command line."""

from __future__ import annotations

import pytest

from cli.calling import Caller


def test_findings_come_by_table_and_are_no_error(call: Caller) -> None:
    said = call("audit-paper")
    assert said.code == 0
    assert said.err == ""
    assert said.out.index("Table 1 ") < said.out.index("Table 11 ") < said.out.index("Table 22 ") < said.out.index("The text ")
    # The same reranker and data set in two tables.
    assert "72.65 (Table 2: E2Rank-8B)" in said.out
    # All 33 differences of Table 1 are right, and that is said.
    assert ["difference", "of", "two", "rows", "33", "0", "0", "0"] in [line.split() for line in said.out.splitlines()]
    # Certain: 9 in two tables, 2 averages, 6 of the text, a repeated table, a baseline. Likely: 17 orders, 4 published figures.
    assert said.out.rstrip().splitlines()[-1] == "40 findings: 19 certain, 21 likely."


def test_one_table_shows_what_touches_it(call: Caller) -> None:
    found = call("audit-paper", "--table", "2", "--json").data()["findings"]
    # Table 2 against Table 11 (monoT5, RankZephyr), and Table 1's DL19 against Table 2's.
    assert sorted((f["table"], f["row"]) for f in found) == [("1", "E2Rank-8B"), ("2", "RankZephyr"), ("2", "monoT5-3B")]


def test_json_holds_every_field_of_a_finding_and_the_counts(call: Caller) -> None:
    data = call("audit-paper", "--table", "3", "--json").data()
    average = next(f for f in data["findings"] if f["kind"] == "average of its row")
    assert set(average) == {"table", "row", "column", "kind", "sure", "printed", "other", "evidence", "means"}
    assert (average["row"], average["printed"], average["sure"]) == ("E2Rank-8B", "33.4", "certain")
    assert {"kind": "sum of its row", "right": 3, "rounding": 0, "wrong": 0, "undecided": 0, "notes": []} in data["checks"]


@pytest.mark.parametrize("table", ["7", "text", "twenty-two"])
def test_a_table_that_has_no_numbers_is_refused(call: Caller, table: str) -> None:
    said = call("audit-paper", "--table", table)
    assert said.code in {1, 2}
    assert f"no table '{table}' of numbers" in said.err


def test_a_table_without_findings_says_so(call: Caller) -> None:
    assert call("audit-paper", "--table", "20").out.rstrip().splitlines()[-1] == "0 findings."
