"""Where data files are found: the package itself, a local mirror, the hub. Each says where it looked when it has nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from rerankbench import hub
from rerankbench.errors import MissingError, UsageError

LISTS = "retrieval_results"
QRELS = "topics_and_qrels"


@dataclass(frozen=True)
class Found:
    """A data file.

    Attributes:
        source: Where it came from, for manifests: the same words on every machine where the content is the same.
    """

    path: Path
    source: str


class Source(Protocol):
    """Finds files by their place in the mirror's layout, e.g. ``topics_and_qrels/qrels.dl19-passage.txt``."""

    def find(self, place: str) -> Found | None: ...

    def looked(self, place: str) -> str:
        """Where this source looked for `place`, and why it is not there: one line for a person."""
        ...


@dataclass(frozen=True)
class Folder:
    """A local mirror, or this package's own data."""

    root: Path
    name: str = "local mirror"

    def find(self, place: str) -> Found | None:
        path = self.root / place
        return Found(path, self.name) if path.is_file() else None

    def looked(self, place: str) -> str:  # noqa: ARG002 the contract of sources
        return f"not in the {self.name} {self.root}"


@dataclass
class HubDataset:
    """A data set of the hub, laid out as the mirror but for the folder ``retrieval_results/``, which is its root.

    The first question that the hub does not answer is the last one asked: every later one has the same answer at once.
    """

    repo: str
    revision: str
    _commit: str = ""
    _problem: str = ""
    _problems: dict[str, str] = field(default_factory=dict)

    def find(self, place: str) -> Found | None:
        if self._problem:
            return None
        try:
            self._commit = self._commit or hub.resolve_commit(self.repo, self.revision, "dataset")
        except MissingError as error:
            self._problem = error.message
            return None
        try:
            path = hub.fetch_file(self.repo, self._file(place), self._commit, "dataset")
        except MissingError as error:
            self._problems[place] = error.message
            return None
        return Found(path, f"hub {self.repo}@{self._commit}")

    def looked(self, place: str) -> str:
        return self._problem or self._problems.get(place, f"not asked of the hub ({self.repo})")

    @staticmethod
    def _file(place: str) -> str:
        return place.removeprefix(f"{LISTS}/")


def mirror_folder(argument: str | None) -> Path | None:
    """The local mirror that the user named: ``--data``, else the environment's ``RERANKBENCH_DATA``, else none.

    Raises:
        UsageError: it is not a folder.
    """
    name = argument or os.environ.get("RERANKBENCH_DATA", "")
    if not name:
        return None
    if not Path(name).is_dir():
        raise UsageError(
            f"The data folder {name!r} does not exist.",
            hint="Name a local mirror with --data DIR or RERANKBENCH_DATA; it holds retrieval_results/ and topics_and_qrels/.",
        )
    return Path(name)
