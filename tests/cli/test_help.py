"""Every command is documented by examples that it would take, and the process ends with the code that the help promises."""

from __future__ import annotations

import io
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from cli.calling import Caller, in_process_of_its_own
from rerankbench import __version__
from rerankbench.cli.app import app
from rerankbench.cli.options import names
from rerankbench.cli.progress import ProgressDisplay
from rerankbench.config import load_systems
from rerankbench.plan import Cell, Planned


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, inner in command.commands.items():
        yield from _commands(inner, (*path, name))


COMMANDS = dict(_commands(typer.main.get_command(app)))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_shows_examples_that_it_takes(path: tuple[str, ...]) -> None:
    text = COMMANDS[path].help
    assert "Examples:" in text
    examples = [line.strip() for line in text.splitlines() if line.strip().startswith("rerankbench ")]
    assert examples
    for example in examples:
        words = shlex.split(example)[1:]
        assert tuple(words[: len(path)]) == path, example
        COMMANDS[path].make_context(" ".join(path), words[len(path) :])  # parses, and runs nothing


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_option_says_what_it_is_for(path: tuple[str, ...]) -> None:
    undocumented = [p.name for p in COMMANDS[path].params if p.param_type_name == "option" and not p.help and not p.metavar]
    assert undocumented == []


@pytest.mark.parametrize("path", [(), ("prompt",), ("candidates",), ("data",), *COMMANDS], ids=" ".join)
def test_help_is_there_everywhere(call: Caller, path: tuple[str, ...]) -> None:
    done = call(*path, "--help")
    assert done.code == 0
    assert "Usage: rerankbench" in done.out


def test_the_version_is_said(call: Caller) -> None:
    assert call("--version").out == f"rerankbench {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("list", "benchmarks", "--json"), 0),
        (("measure", "run.txt", "--qrels", "run.txt"), 1),
        (("run", "nothing-of-this-name"), 2),
        (("measure", "none", "--qrels", "none"), 3),
        (("report", "demo"), 4),
    ],
)
def test_the_process_ends_with_the_code_that_was_promised(tmp_path: Path, arguments: tuple[str, ...], code: int) -> None:
    (tmp_path / "run.txt").write_text("not a run\n", encoding="utf-8")
    done = in_process_of_its_own(arguments, tmp_path, PYTHONIOENCODING="ascii")  # a terminal that knows little
    assert done.code == code
    if code in {1, 2, 3}:
        assert done.err.startswith("error: ")
        assert done.out == ""


def test_names_are_split_outside_brackets_alone() -> None:
    assert names("a, b[x=1,y=2],nDCG(dcg='exp-log2', cutoff=10),, ") == ["a", "b[x=1,y=2]", "nDCG(dcg='exp-log2', cutoff=10)"]
    assert names("") == []


@pytest.mark.parametrize("terminal", [True, False])
def test_brackets_in_a_systems_name_are_shown_while_it_runs(terminal: bool) -> None:
    from dataclasses import replace

    system = replace(load_systems()["BM25"], name="listwise[overflow=shorten,n=1]")
    planned = Planned(Cell(system, "mini", "bm25", 50), "unfinished", queries=28, done=3)
    out = io.StringIO()
    with ProgressDisplay(Console(file=out, force_terminal=terminal, width=200), 2) as progress:
        progress.cell_started(planned)
        progress.queries_done(3)
        progress._progress.refresh()
    assert "[1/2] listwise[overflow=shorten,n=1] on mini (bm25 top 50)" in out.getvalue()
    assert "going on after 3 of 28 queries" in out.getvalue()
