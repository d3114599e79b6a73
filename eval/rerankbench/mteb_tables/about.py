"""What is said above and under a table of MTEB scores: how they came about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rerankbench.config import MtebTable, fingerprint
from rerankbench.config.mteb import INSTRUCTED
from rerankbench.mteb_results import ModelResults, Score
from rerankbench.mteb_tables.lines import Line
from rerankbench.mteb_tables.task_versions import shortened
from rerankbench.reference import mteb

TABLE_10 = "MTEB(eng, v1)"
"""The benchmark whose tasks have an instruction in the paper's Table 10."""


def context_of(lines: Sequence[Line], asked: MtebTable) -> Iterator[str]:
    """How the numbers of a table came about, line by line."""
    if asked.file.is_narrowed:
        yield f"{len(lines[0].tasks)} tasks: main scores, in per cent"
    else:
        yield f"{asked.file.benchmark}, {len(lines[0].tasks)} tasks: main scores, in per cent, and their means, where all members are there"
    scores = [score for line in lines for score in line.scores.values() if isinstance(score, Score)]
    versions = sorted({version for score in scores for version in score.versions})
    made = f"made with mteb {', '.join(versions)}" if versions else "no result is at hand"
    yield f"{made}; the paper's with mteb {mteb.load().versions.paper}" if asked.file.table is not None or versions == [] else made
    if asked.file.table is not None:
        yield "no interval and no repetition of these scores is known: what does not round to the paper's digits counts as different"
    instructed = [line.system.name for line in lines if line.system.has_instructions]
    if instructed and asked.file.table is not None:
        yield f"{', '.join(instructed)}: by the paper with instructions (its Table 10), which mteb's own command may not add"
        yield from _inferred(lines)


def _inferred(lines: Sequence[Line]) -> Iterator[str]:
    """Of rows that are evaluated here: the paper's table of instructions is of its first benchmark, whose tasks it names."""
    unnamed = [name for name in lines[0].tasks if name not in mteb.load().tasks_of(TABLE_10)]
    if unnamed and any(line.system.prompt == INSTRUCTED for line in lines):
        yield (
            f"{len(unnamed)} of the {len(lines[0].tasks)} tasks are not in that table, which is of {TABLE_10}: evaluated here, they bear"
            " the instruction of the task that each is a newer form of, which the paper does not say"
        )


def about_line(line: Line) -> str:
    """Where a row's numbers come from; empty where it has none."""
    scores = {name: score for name, score in line.scores.items() if isinstance(score, Score)}
    if not scores or not isinstance(line.results, ModelResults):
        return ""
    by_version: dict[str, list[str]] = {}
    for name, score in scores.items():
        by_version.setdefault(" and ".join(score.versions) or "unsaid", []).append(name)
    fewest = sorted(by_version.items(), key=lambda item: -len(item[1]))
    versions = "; ".join([f"mteb {fewest[0][0]}", *(f"mteb {version}: {', '.join(names)}" for version, names in fewest[1:])])
    results = [result for score in scores.values() for result in score.results]
    revisions = fingerprint({r.task: r.dataset_revision for r in results})[:12]
    aside = f"; results that others made ({shortened(line.set_aside)}) are at hand too, and not shown" if line.set_aside else ""
    hours = sum(r.seconds for r in results if r.seconds is not None) / 3600
    return (
        f"{line.row.label}: {line.results.model} at {line.results.revision[:12]}{', evaluated here' if line.is_own else ''},"
        f" {len(scores)} of {len(line.tasks)} tasks; {versions}; data sets' revisions {revisions};"
        f" {hours:.2f} hours of evaluation as recorded{aside}"
    )
