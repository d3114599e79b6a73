"""Which version each task had in the paper's mteb, has in the later one, and had where a result at hand was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rerankbench.config import MtebTable
from rerankbench.mteb_results import Score
from rerankbench.mteb_tables.lines import Absent, Line
from rerankbench.mteb_tables.tasks import in_the_papers_order
from rerankbench.reference import mteb
from rerankbench.report.listing import Listing

NO_TASK, NO_RESULT, SAME, SHORT = "no such task", "--", "same", 7


def versions_listing(lines: Sequence[Line], asked: MtebTable) -> Listing:
    """A row a task, in the order of the tables; a column a system that has any result.

    Args:
        lines: At least one; all of the same tasks.
    """
    then, now = mteb.load().versions.paper, mteb.load().versions.later
    shown = [line for line in lines if any(isinstance(score, Score) for score in line.scores.values())]
    tasks = lines[0].tasks
    names = in_the_papers_order(tasks, asked)
    columns = ("task", "type", f"main score in mteb {then}", f"in {now}", f"data set in {then}", f"in {now}", f"successor in {then}")
    rows = (
        (name, tasks[name].type, *_known(name, tasks[name]), *(_here(line.scores[name], name, tasks[name]) for line in shown))
        for name in names
    )
    return Listing(
        f"{asked.name}-versions",
        f"{asked.file.title}: which version of each task",
        (*columns, f"in {now} ", *(f"result of {line.row.label}" for line in shown)),
        tuple(rows),
        tuple(_context(tasks)),
    )


def _known(name: str, task: mteb.Task) -> tuple[str, str, str, str, str, str]:
    """Main score, revision of the data and successor, each then and now."""
    of_mteb = _of_mteb(name, task)
    if of_mteb.is_new:
        return NO_TASK, of_mteb.main_score, NO_TASK, of_mteb.revision[:SHORT], NO_TASK, of_mteb.successor
    return (
        of_mteb.main_score,
        of_mteb.later.main_score or SAME,
        of_mteb.revision[:SHORT],
        of_mteb.later.revision[:SHORT] or SAME,
        of_mteb.successor,
        of_mteb.later.successor or (SAME if of_mteb.successor else ""),
    )


def _of_mteb(name: str, task: mteb.Task) -> mteb.Task:
    """As mteb's versions have it; a task that only an evaluation has noted is one of the later version."""
    known = mteb.load().tasks.get(name)
    return known or task.model_copy(update={"is_new": True})


def _here(score: Score | Absent, name: str, task: mteb.Task) -> str:
    """The version of mteb, and whether the task was as it was then or is now; else what was otherwise."""
    if isinstance(score, Absent):
        return NO_RESULT
    of_mteb, made = _of_mteb(name, task), " and ".join(score.versions) or "unsaid"
    if not task.main_score:
        return f"{made}: data {_shortened(score.revisions)}"
    as_then = not of_mteb.is_new and _is(score, task, of_mteb.main_score, of_mteb.revision)
    as_now = _is(score, task, of_mteb.main_score_now, of_mteb.revision_now)
    said = " and ".join(word for word, holds in (("then", as_then), ("now", as_now)) if holds)
    return f"{made}: as {said}" if said else f"{made}: {', '.join(_otherwise(score, of_mteb))}"


def _is(score: Score, task: mteb.Task, main_score: str, revision: str) -> bool:
    # The parts of a mean have revisions of their own.
    return main_score in score.measures and (bool(task.mean_of) or set(score.revisions) == {revision})


def _otherwise(score: Score, of_mteb: mteb.Task) -> Iterator[str]:
    known = {of_mteb.main_score_now} if of_mteb.is_new else {of_mteb.main_score, of_mteb.main_score_now}
    measures = [name for name in score.measures if name in known]
    yield f"main score {measures[0] if measures else ' or '.join(score.measures) or 'of no measure in the file'}"
    yield f"data {_shortened(score.revisions)}"


def _shortened(revisions: Sequence[str]) -> str:
    return ", ".join(revision[:SHORT] for revision in revisions)


def _context(tasks: Mapping[str, mteb.Task]) -> Iterator[str]:
    then, now = mteb.load().versions.paper, mteb.load().versions.later
    known = [mteb.load().tasks[name] for name in tasks if name in mteb.load().tasks]
    counts = {
        "main score": sum(bool(task.later.main_score) for task in known),
        "revision of the data set": sum(bool(task.later.revision) for task in known),
        "successor": sum(bool(task.later.successor) for task in known),
    }
    changed = ", ".join(f"{what} of {count}" for what, count in counts.items() if count) or "nothing"
    yield f"between mteb {then}, the paper's, and {now}, of these {len(tasks)} tasks changed: {changed}"
    yield "then: as in the paper's version; now: as in the later one; a successor is a task that mteb has in the place of this one"
