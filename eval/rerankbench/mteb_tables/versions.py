"""Which version each task had in the paper's mteb, has in the later one, and had where the results at hand were made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rerankbench.config import MtebTable
from rerankbench.mteb_results import Score
from rerankbench.mteb_tables.lines import Line
from rerankbench.mteb_tables.task_versions import NO_TASK, SHORT, measures, of_mteb, shortened
from rerankbench.mteb_tables.tasks import in_the_papers_order
from rerankbench.reference import mteb
from rerankbench.report.listing import Listing

COLUMNS = ("task", "type", "main score", "data set", "successor", "results at hand")


def versions_listing(lines: Sequence[Line], asked: MtebTable) -> Listing:
    """A row a task, in the order of the tables.

    Args:
        lines: At least one; all of the same tasks.
    """
    tasks = lines[0].tasks
    rows = (
        (name, tasks[name].type, *_then_and_now(name, tasks[name]), _at_hand(lines, name)) for name in in_the_papers_order(tasks, asked)
    )
    title = f"{asked.file.title}: which version of each task"
    return Listing(f"{asked.name}-versions", title, COLUMNS, tuple(rows), tuple(_context(tasks)))


def _then_and_now(name: str, noted: mteb.Task) -> tuple[str, str, str]:
    """Main score, revision of the data, and successor; as they are now of a task of which nothing else is known."""
    task = of_mteb(name, noted)
    if name not in mteb.load().tasks:
        return task.main_score_now, task.revision_now[:SHORT], ""
    return (
        _changed(NO_TASK if task.is_new else task.main_score, task.main_score_now),
        _changed(NO_TASK if task.is_new else task.revision[:SHORT], task.revision_now[:SHORT]),
        _changed("" if task.is_new else task.successor or "none", task.successor_now or "none") if task.successor_now else "",
    )


def _changed(then: str, now: str) -> str:
    return now if then == now else " → ".join(filter(None, (then, now or "not known")))


def _at_hand(lines: Sequence[Line], name: str) -> str:
    """What is said of the systems' results; whose they are, where they are not all alike."""
    said: dict[str, list[str]] = {}
    for line in lines:
        score = line.scores[name]
        if isinstance(score, Score):
            said.setdefault(_said(score, name, line.tasks[name]), []).append(line.row.label)
    count = sum(1 for line in lines if line.has_results)
    if len(said) == 1 and sum(map(len, said.values())) == count:
        return next(iter(said))
    return "; ".join(f"{words} ({', '.join(systems)})" for words, systems in said.items())


def _said(score: Score, name: str, task: mteb.Task) -> str:
    """The version of mteb, and whether the task was as it was then or is now; else what was otherwise."""
    known, made = of_mteb(name, task), " and ".join(score.versions) or "version unsaid"
    if not task.main_score:
        return f"{made}: data {shortened(score.revisions)}"
    as_then = not known.is_new and _is(score, task, known.main_score, known.revision)
    as_now = _is(score, task, known.main_score_now, known.revision_now)
    said = " and ".join(word for word, holds in (("then", as_then), ("now", as_now)) if holds)
    return f"{made}: {said}" if said else f"{made}: {', '.join(_otherwise(score))}"


def _is(score: Score, task: mteb.Task, main_score: str, revision: str) -> bool:
    # The parts of a mean have revisions of their own.
    return main_score in score.measures and (bool(task.mean_of) or set(score.revisions) == {revision})


def _otherwise(score: Score) -> Iterator[str]:
    yield measures(score)
    yield f"data {shortened(score.revisions)}"


def _context(tasks: Mapping[str, mteb.Task]) -> Iterator[str]:
    then, now = mteb.load().versions.paper, mteb.load().versions.later
    known = [mteb.load().tasks[name] for name in tasks if name in mteb.load().tasks]
    counts = {
        "main score": sum(bool(task.later.main_score) for task in known),
        "revision of the data set": sum(bool(task.later.revision) for task in known),
        "successor": sum(bool(task.later.successor) for task in known),
    }
    changed = ", ".join(f"{what} of {count}" for what, count in counts.items() if count) or "nothing"
    yield f"then → now: in mteb {then}, which the paper used, and in {now}; one word where nothing changed"
    if known:
        yield f"of these {len(known)} tasks changed: {changed}; a successor is the task that mteb has in the place of this one"
    if len(known) < len(tasks):
        yield f"of {len(tasks) - len(known)} of the tasks it is not known what they were then: they stand as the evaluation found them"
    yield "results at hand: what made them, and whether the task was then as it was in the paper's mteb, as it is now, or both"
