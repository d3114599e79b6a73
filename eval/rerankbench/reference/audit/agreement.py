"""The same system, data set and setting in two tables; tables that repeat each other; baselines of another first stage."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise

from rerankbench.reference.audit.arithmetic import row_name
from rerankbench.reference.audit.findings import Finding, Kind, Outcome, Sure, Tally
from rerankbench.reference.audit.known import Known
from rerankbench.reference.audit.spans import Spans
from rerankbench.reference.paper import PaperCell, PaperNumbers

Setting = tuple[str, str, str, str]
"""system, variant, first stage, column"""


def two_tables(paper: PaperNumbers, known: Known) -> Outcome:
    """Each cell against the next table's that prints the same setting."""
    tally = Tally(Kind.TWO_TABLES)
    spans = Spans(paper)
    for cells in _settings(paper, known).values():
        for one, two in pairwise(cells):
            if not one.value or not two.value:
                tally.undecided += 1
            elif one.number == two.number:
                tally.right += 1
            elif spans.of(one).meets(spans.of(two)):
                tally.rounded(f"Tables {one.table} and {two.table}, {row_name(one)}, {one.column}: {one.value} and {two.value}")
            else:
                tally.found(_disagree(paper, one, two))
    return tally.outcome()


def _settings(paper: PaperNumbers, known: Known) -> dict[Setting, list[PaperCell]]:
    found: dict[Setting, list[PaperCell]] = {}
    for cell in paper.cells.values():
        found.setdefault(_setting(paper, known, cell), []).append(cell)
    return found


def _setting(paper: PaperNumbers, known: Known, cell: PaperCell) -> Setting:
    variant, column = known.variants.get(cell.variant, cell.variant), cell.column
    first_stage = cell.first_stage or known.settings.get(cell.table, {}).get(column, "") or paper.tables[cell.table].first_stage
    if cell.system in known.first_stages:
        first_stage = ""
    for same in known.same_column:
        if (variant, column) == (same.variant, same.column):
            variant, column = same.as_variant, same.as_column
    return cell.system, variant, first_stage, column


def _disagree(paper: PaperNumbers, one: PaperCell, two: PaperCell) -> Finding:
    twins = [c for c in _same_column(paper, two) if c.system != two.system and c.number == one.number]
    twin = f" {one.value} is what Table {two.table} prints for {row_name(twins[0])}." if twins else ""
    copies = [f" Table {a} repeats Table {b}, number for number." for a, b in _repetitions(paper) if two.table in (a, b)]
    return Finding(
        table=one.table,
        row=row_name(one),
        column=one.column,
        kind=Kind.TWO_TABLES,
        sure=Sure.CERTAIN,
        printed=one.value,
        other=f"{two.value} (Table {two.table}: {row_name(two)})",
        evidence=f"Both are said to be one setting, and differ by more than rounding.{twin}{''.join(copies)}",
        means="A run of yours can match one of the two only: say which table you compare with.",
    )


def _same_column(paper: PaperNumbers, cell: PaperCell) -> Iterator[PaperCell]:
    return (c for c in paper.cells.values() if (c.table, c.first_stage, c.column) == (cell.table, cell.first_stage, cell.column))


def repeated(paper: PaperNumbers) -> Outcome:
    """Each pair of tables under different captions: do their numbers stand in the same places?"""
    tally = Tally(Kind.REPEATED)
    found = _repetitions(paper)
    tally.found(*(_repeats(paper, one, two) for one, two in found), comparisons=len(found))
    tally.right = len(paper.tables) * (len(paper.tables) - 1) // 2 - len(found)
    return tally.outcome()


def _repetitions(paper: PaperNumbers) -> list[tuple[str, str]]:
    """Pairs of tables of one shape with the same numbers in the same places."""
    grids = {table: _grid(paper, table) for table in paper.tables}
    return [(one, two) for one, two in combinations(grids, 2) if grids[one] == grids[two] and sum(map(bool, grids[one])) > 1]


def _grid(paper: PaperNumbers, table: str) -> list[str]:
    return [c.value for c in paper.cells.values() if c.table == table]


def _repeats(paper: PaperNumbers, one: str, two: str) -> Finding:
    cells = len(_grid(paper, one))
    captions = f"{paper.table(one).title!r} and {paper.table(two).title!r}"
    return Finding(
        table=one,
        row="all rows",
        column="all columns",
        kind=Kind.REPEATED,
        sure=Sure.CERTAIN,
        printed=f"{cells} numbers",
        other=f"the same {cells} numbers in the same places (Table {two}: all rows)",
        evidence=f"The captions are {captions}; one table cannot be both.",
        means=f"One of the two has never been printed: nothing can be compared with Table {one} under its caption.",
    )


def baselines(paper: PaperNumbers, known: Known) -> Outcome:
    """A row that is a first stage: is it the one that the rows below it rerank?"""
    tally = Tally(Kind.FIRST_STAGE)
    for id_, table in paper.tables.items():
        for row in table.rows:
            own = known.first_stages.get(row.system)
            if own is None or not table.first_stage:
                continue
            if own == table.first_stage:
                tally.right += 1
            else:
                tally.found(_other_baseline(paper, id_, row.system, known))
    return tally.outcome()


def _other_baseline(paper: PaperNumbers, table: str, row: str, known: Known) -> Finding:
    own, reranked = known.first_stages[row], paper.table(table).first_stage
    last = paper.columns(table)[-1].name  # the average
    printed = paper.cell(table, row, last)
    theirs = next((s for s, f in known.first_stages.items() if f == reranked), "")
    other = next((c for c in paper.cells.values() if c.system == theirs and c.column == last and c.value), None)
    where = f"{other.value} (Table {other.table}: {theirs}, {last})" if other else reranked
    return Finding(
        table=table,
        row=row,
        column=last,
        kind=Kind.FIRST_STAGE,
        sure=Sure.CERTAIN,
        printed=printed.value if printed else "",
        other=where,
        evidence=f"The rows below rerank {reranked}: so does another table that prints {_shared(paper, table, known)} of their numbers.",
        means=f"The gain over this row is no gain over the candidates that were reranked: {own} is not their first stage.",
    )


def _shared(paper: PaperNumbers, table: str, known: Known) -> int:
    """How many numbers of a table's rerankers another table prints too, for the same setting."""
    groups = (cells for (system, *_), cells in _settings(paper, known).items() if system not in known.first_stages)
    return sum(1 for cells in groups for c in cells if c.table == table and any(o.table != table and o.number == c.number for o in cells))
