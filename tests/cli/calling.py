"""Calls the command line in this process, as `main` does it, or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from rerankbench.cli import main

SOURCE = Path(__file__).parents[2] / "eval"


@dataclass(frozen=True)
class Called:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    def data(self) -> Any:
        """Standard output as the one JSON object that it must be."""
        found = orjson.loads(self.out)
        assert isinstance(found, dict)
        return found


class Caller:
    """Calls a command in this process; standard output and error are what it wrote."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: str | Path) -> Called:
        self._monkeypatch.setattr(sys, "argv", ["rerankbench", *map(str, arguments)])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        said = self._capsys.readouterr()
        assert "Traceback" not in said.err
        code = stopped.value.code
        return Called(code if isinstance(code, int) else 0, said.out, said.err)


def in_process_of_its_own(arguments: Sequence[str | Path], folder: Path, **environment: str) -> Called:
    everything = {**os.environ, "PYTHONPATH": str(SOURCE), "HF_HUB_OFFLINE": "1", **environment}
    command = [sys.executable, "-m", "rerankbench", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=everything, check=False, encoding="utf-8")
    assert "Traceback" not in done.stderr, done.stderr
    return Called(done.returncode, done.stdout, done.stderr)


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
