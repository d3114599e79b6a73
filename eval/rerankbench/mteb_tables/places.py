"""Where result files may lie, and where those go that are made here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rerankbench.config import MtebTable
from rerankbench.portable import portable


@dataclass(frozen=True)
class Places:
    """Where results may lie.

    Attributes:
        runs: The folder of runs.
        mirror: The local mirror, if any.
    """

    runs: Path
    mirror: Path | None

    def folders(self, asked: MtebTable) -> list[Path]:
        """The folders of results that there are, each once."""
        named = asked.file.results
        candidates = [base / named for base in (Path(), asked.folder, self.runs, self.mirror) if base is not None]
        found = {path.resolve(): path for path in candidates if path.is_dir()}
        return list(found.values())

    def portable(self, text: str) -> str:
        """Without the places of this machine."""
        return portable(text, (self.runs, self.runs.name), (self.mirror, "DATA"))


def results_folder(asked: MtebTable, runs: Path) -> Path:
    """Where results of systems that are evaluated here go."""
    return runs / asked.file.results
