"""Which version of a task: of the paper's mteb, of the later one, and of the one that a result at hand was made with. Knows no rows."""

from __future__ import annotations

from collections.abc import Sequence

from rerankbench.mteb_results import Score
from rerankbench.reference import mteb
from rerankbench.report.cells import TaskVersions

NO_TASK, SHORT = "no such task", 7
"""What stands for a task that a version lacks; how much of a revision tells it from others."""
_FEW = 3


def of_mteb(name: str, task: mteb.Task) -> mteb.Task:
    """The task as mteb's versions have it; one that only an evaluation has noted is one of the later version."""
    return mteb.load().tasks.get(name) or task.model_copy(update={"is_new": True})


def task_versions(name: str, task: mteb.Task, score: Score | None) -> TaskVersions:
    """For a cell: then, now, and here where there is a result.

    Args:
        task: What the table evaluates of it.
    """
    known, versions = of_mteb(name, task), mteb.load().versions
    then = NO_TASK if known.is_new else _what(known.main_score, [known.revision], known.successor)
    now = _what(known.main_score_now, [known.revision_now], known.successor_now)
    listed = name in mteb.load().tasks
    return TaskVersions(
        f"mteb {versions.paper}: {then}" if listed else "",
        f"mteb {versions.later}: {now}" if listed else "",
        f"mteb {' and '.join(score.versions) or 'of unsaid version'}: {_what(measures(score), score.revisions)}" if score else "",
    )


def measures(score: Score) -> str:
    """By which the score may have come about."""
    return " or ".join(score.measures[:_FEW]) or "a main score that is no measure of the file"


def shortened(revisions: Sequence[str]) -> str:
    return ", ".join(revision[:SHORT] for revision in revisions)


def _what(measure: str, revisions: Sequence[str], successor: str = "") -> str:
    # A mean has no data of its own, and as many revisions as parts.
    data = shortened(revisions) if any(revisions) and len(revisions) <= _FEW else "of its parts"
    return f"{measure}, data {data}{f', succeeded by {successor}' if successor else ''}"
