"""Options that several commands share, and what they mean together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rerankbench.config import Experiment
    from rerankbench.plan import Planner

Config = Annotated[str, typer.Argument(metavar="CONFIG", help="A configuration file, or the name of a shipped one, e.g. table1.")]
Data = Annotated[
    str | None,
    typer.Option("--data", metavar="DIR", help="Local mirror of the data.", envvar="RERANKBENCH_DATA", show_default=False),
]
Runs = Annotated[Path, typer.Option("--runs", metavar="DIR", help="Where run folders lie.")]
Elsewhere = Annotated[
    list[Path] | None,
    typer.Option(
        "--elsewhere",
        metavar="DIR",
        show_default=False,
        help="Another folder of runs, of another host say: its runs of the same cells are repeats. Repeatable.",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the configuration, e.g. engines.minilm.model=DIR. Repeatable."),
]
Systems = Annotated[str, typer.Option("--systems", metavar="A,B", help="Only these systems of the configuration.")]
BenchmarkNames = Annotated[str, typer.Option("--benchmarks", metavar="A,B", help="Only these benchmarks of the configuration.")]
Limit = Annotated[
    int | None,
    typer.Option("--limit", metavar="N", min=1, help="Only the first N queries of each benchmark. Kept apart from full runs."),
]
Answers = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        metavar="DIR",
        envvar="RERANKBENCH_ANSWERS",
        show_default=False,
        help="Where engines' answers (embeddings, generations, scores) are kept across runs.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, and nothing else there.")]

DEFAULT_RUNS = Path("runs")


def open_experiment(config: str, assignments: list[str] | None, systems: str, benchmarks: str) -> Experiment:
    """The experiment that the command line names."""
    from rerankbench.config import load_experiment

    return load_experiment(config, assignments or ()).only(names(systems), names(benchmarks))


def open_planner(data: str | None, runs: Path, experiment: Experiment | None = None) -> Planner:
    """A planner over the data that the command line names, and the experiment's own benchmarks."""
    from rerankbench.benchmarks import Benchmarks, OwnBenchmark, mirror_folder
    from rerankbench.config import validate
    from rerankbench.config.options import below
    from rerankbench.plan import Planner

    mirror = mirror_folder(data)
    own, base, read_task = {}, Path(), None
    if experiment is not None:
        base = experiment.folder
        for name, written in experiment.file.own_benchmarks.items():
            own[name] = validate(OwnBenchmark, written, below(experiment.place, "own_benchmarks", name))
    if any(asked.mteb for asked in own.values()):
        from rerankbench.mteb_suite.task_files import TaskFiles

        read_task = TaskFiles(mirror)
    return Planner(Benchmarks(mirror, own=own, base=base, read_task=read_task), runs)


def names(text: str) -> list[str]:
    """``"a, b"`` as a list; empty for an empty text. Commas inside brackets belong to a name: a sweep variant or a measure has some."""
    found: list[str] = []
    depth = 0
    current = ""
    for character in text:
        depth += (character in "[(") - (character in "])")
        if character == "," and depth == 0:
            found.append(current.strip())
            current = ""
        else:
            current += character
    found.append(current.strip())
    return [name for name in found if name]
