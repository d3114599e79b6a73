"""Where data files are found: the package itself, a local mirror, the hub, what Pyserini has fetched.

Each says where it looked when it has nothing. Knows no benchmark.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from rerankbench import hub
from rerankbench.errors import DataError, DataMismatch, MissingError, UsageError

LISTS = "retrieval_results"
QRELS = "topics_and_qrels"
PINS = "SHA256SUMS"
_PIN = re.compile(r"([0-9a-fA-F]{64}) [ *](?:\./)?(.+)")


@dataclass(frozen=True)
class Found:
    """A data file.

    Attributes:
        source: Where it came from, for manifests: the same words on every machine where the content is the same.
    """

    path: Path
    source: str


@dataclass(frozen=True)
class DataFile:
    """A data file as a manifest names it.

    Attributes:
        place: In the mirror's layout.
    """

    place: str
    source: str
    sha256: str


class Source(Protocol):
    """Finds files by their place in the mirror's layout, e.g. ``topics_and_qrels/qrels.dl19-passage.txt``."""

    def find(self, place: str) -> Found | None: ...

    def looked(self, place: str) -> str:
        """Where this source looked for `place`, and why it is not there: one line for a person; empty where it never has such files."""
        ...


@dataclass(frozen=True)
class Folder:
    """A local mirror, or this package's own data."""

    root: Path
    name: str = "local mirror"

    def find(self, place: str) -> Found | None:
        path = self.root / place
        return Found(path, self.name) if path.is_file() else None

    @cached_property
    def pins(self) -> Mapping[str, str]:
        """Place → SHA-256, from the ``SHA256SUMS`` at the folder's root (lines of sha256sum); empty where there is none.

        Raises:
            DataError: a line is not of that form.
        """
        file = self.root / PINS
        if not file.is_file():
            return {}
        pins = {}
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            match = _PIN.fullmatch(line)
            if line.strip() and match is None:
                raise DataError(f"{file}:{number}: expected a SHA-256, two blanks and a file name.", hint="sha256sum FILE … > SHA256SUMS")
            if match is not None:
                pins[match[2]] = match[1].lower()
        return pins

    def looked(self, place: str) -> str:  # noqa: ARG002 the contract of sources
        return f"not in the {self.name}"  # without its path: a report says the same on every machine


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
            self._problem = one_line(error)
            return None
        try:
            path = hub.fetch_file(self.repo, self._file(place), self._commit, "dataset")
        except MissingError as error:
            self._problems[place] = one_line(error)
            return None
        return Found(path, f"hub {self.repo}@{self._commit}")

    def looked(self, place: str) -> str:
        return self._problem or self._problems.get(place, f"not asked of the hub ({self.repo})")

    @staticmethod
    def _file(place: str) -> str:
        return place.removeprefix(f"{LISTS}/")


@dataclass(frozen=True)
class PyseriniCache:
    """The judgements and queries that Pyserini has fetched on this machine; it keeps them under Anserini's names, as the mirror does."""

    root: Path = field(default_factory=lambda: Path.home() / ".cache" / "pyserini" / "topics-and-qrels")

    def find(self, place: str) -> Found | None:
        folder, _, name = place.partition("/")
        path = self.root / name
        return Found(path, "Pyserini's cache") if folder == QRELS and path.is_file() else None

    def looked(self, place: str) -> str:
        return "not among what Pyserini has fetched" if place.startswith(QRELS) else ""


def check_pin(place: str, sha256: str, pins: Mapping[str, str], pinned_by: str) -> None:
    """Raises: DataMismatch: the file's hash is not the pinned one."""
    if pins.get(place, sha256) != sha256:
        raise DataMismatch(
            f"{place}: its SHA-256 is {sha256}, but {pinned_by} pins {pins[place]}.",
            hint="Fetch the file again; where the new content is the right one, pin its hash instead.",
        )


@contextmanager
def named_by_place(place: str, found: Found) -> Iterator[None]:
    """Name a file of bad content as the mirror's layout does: reports must not depend on where a machine has its data."""
    try:
        yield
    except DataError as error:
        message = error.message.replace(str(found.path), f"{place} ({found.source})")
        kind = DataMismatch if isinstance(error, DataMismatch) else DataError
        raise kind(message, hint=error.hint) from error


def cache_folder() -> Path:
    """Where converted data is kept: ``RERANKBENCH_CACHE``, else ``rerankbench`` in the user's cache folder."""
    named = os.environ.get("RERANKBENCH_CACHE", "")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rerankbench"


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def one_line(error: MissingError) -> str:
    """Message and hint, for a list of places that were looked at."""
    return f"{error.message} ({error.hint})" if error.hint else error.message


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
