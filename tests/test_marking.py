"""Which differences in a table are sure: letters and distances to a default, by the same tests as `compare`."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from report.making import absent, done
from rerankbench.marking import OTHER_QUERIES, Entry, against_defaults, row_letters, with_letters
from rerankbench.measures.compare import compare
from rerankbench.records import Ranking
from rerankbench.trec import Run

QUERIES = [f"q{i}" for i in range(12)]


def entry(system: str, values: list[float], *, default: bool = False, variant: str = "", queries: list[str] = QUERIES) -> Entry:
    return Entry(done(system, "dl19", sum(values) / len(values), variant=variant), dict(zip(queries, values, strict=True)), default)


def test_a_row_bears_the_letters_of_the_rows_that_it_is_better_than() -> None:
    # Twelve differences of one sign: 2 of 2^12 sign patterns are as extreme, p = 2/4096 = 0.00049; three pairs: at most 0.0015.
    a, b, c = entry("A", [0.1] * 12), entry("B", [0.5] * 12), entry("C", [0.9] * 12)
    cells = with_letters([a, b, c])
    assert [cell.letters for cell in cells] == ["", "a", "ab"]
    assert row_letters([a, b, c]) == {("A", ""): "a", ("B", ""): "b", ("C", ""): "c"}


def test_a_difference_that_chance_explains_bears_no_letter() -> None:
    mixed = [0.5 + (0.1 if i % 2 else -0.1) for i in range(12)]  # six up, six down
    assert [cell.letters for cell in with_letters([entry("A", [0.5] * 12), entry("B", mixed)])] == ["", ""]


def test_rows_are_named_before_the_table_is_known_to_be_complete() -> None:
    gap = Entry(absent("B", "dl19"))
    cells = with_letters([entry("A", [0.1] * 12), gap, entry("C", [0.9] * 12)])
    assert [cell.letters for cell in cells] == ["", "", "a"]
    assert cells[1] == gap.cell


def test_cells_over_other_queries_are_not_tested_and_say_so() -> None:
    others = entry("B", [0.9] * 12, queries=[f"r{i}" for i in range(12)])
    cells = with_letters([entry("A", [0.1] * 12), others])
    assert [cell.letters for cell in cells] == ["", ""]
    assert cells[1].notes == (OTHER_QUERIES,)
    assert cells[0].notes == ()


def test_more_than_26_rows_have_letters_that_commas_part() -> None:
    rows = [entry(f"S{i}", [i / 100 + 0.001 * j for j in range(12)]) for i in range(28)]
    cells = with_letters(rows)
    # Holm over 378 pairs: 378 × 2/4096 = 0.18, so that nothing can be significant with twelve queries …
    assert cells[27].letters == ""
    longer = [f"q{i}" for i in range(40)]
    rows = [entry(f"S{i}", [i / 100 + 0.001 * j for j in range(40)], queries=longer) for i in range(28)]
    # … and with forty the drawn test gives 1/10001 at best, 378 times that is 0.038.
    assert with_letters(rows)[27].letters.split(",")[-2:] == ["z", "aa"]


def test_a_variant_is_measured_by_its_systems_default_alone() -> None:
    values = [0.1 * (i % 5) for i in range(12)]
    entries = [
        entry("A", values, default=True, variant="n=20"),
        entry("A", [v + 0.2 for v in values], variant="n=5"),
        entry("A", values, variant="n=50"),
        entry("B", [v + 0.4 for v in values], default=True),
    ]
    labels = {e.row: f"{e.cell.system} {e.cell.variant}".strip() for e in entries}
    default, better, same, other = against_defaults(entries, labels)
    assert default.against is None
    assert other.against is None
    assert better.against is not None
    assert better.against.reference == "A n=20"
    assert better.against.difference == pytest.approx(0.2)
    assert better.against.is_significant
    assert better.against.p == pytest.approx(2 * 2 / 4096)  # exact, two in the family
    assert same.against is not None
    assert (same.against.difference, same.against.p, same.against.is_significant) == (0.0, 1.0, False)


def test_a_system_whose_default_is_not_swept_is_measured_by_nothing() -> None:
    entries = [entry("A", [0.1] * 12, variant="n=1"), entry("A", [0.9] * 12, variant="n=2")]
    assert [cell.against for cell in against_defaults(entries, {e.row: "" for e in entries})] == [None, None]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(1, 5), min_size=8, max_size=8), min_size=2, max_size=4))
def test_letters_are_those_of_compare(ranks: list[list[int]]) -> None:
    """One relevant document a query at the drawn rank: reciprocal ranks through `compare`, and here as plain values."""
    qrels = {f"q{i}": {"d": 1} for i in range(8)}
    runs = {}
    for number, of_queries in enumerate(ranks):
        rankings = [
            Ranking(f"q{i}", tuple("d" if place == rank else f"x{place}" for place in range(1, 6))) for i, rank in enumerate(of_queries)
        ]
        runs[f"S{number}"] = Run.of(rankings)
    expected = [system.superscript for system in compare(runs, qrels, "RR").systems]
    entries = [entry(f"S{n}", [1 / r for r in of], queries=[f"q{i}" for i in range(8)]) for n, of in enumerate(ranks)]
    assert [cell.letters for cell in with_letters(entries)] == expected
