"""Documents, queries and exclusions from data sets of the hub, converted once into files of the mirror's own forms.

Two layouts are known. BEIR's data sets hold one benchmark each: ``corpus`` and ``queries`` as parquet (`_id`, `title`,
`text`), in older revisions as ``.jsonl.gz``. BRIGHT holds twelve, each a split of every configuration: ``documents`` (`id`,
`content`), ``examples`` and ``gpt4_reason`` (`id`, `query`, `excluded_ids`).
"""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from rerankbench import hub
from rerankbench.benchmarks.exclusions import NONE
from rerankbench.errors import DataError, DataMismatch, MissingData, MissingExtra

_COMMIT = re.compile(r"[0-9a-f]{40}")
_ROWS = 1_000
"""Rows that are in memory at a time."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class HubTexts:
    """One benchmark's part of a data set of the hub.

    What was converted lies in ``CACHE/hub-texts/REPOSITORY/COMMIT/SPLIT/`` and is there entirely or not at all: every file is
    written beside its place and moved there, so that a stop or a second process damages nothing.

    Attributes:
        split: Which benchmark, in a data set that holds several; else empty.
        cache: Folder for what is worth keeping.
    """

    repo: str
    revision: str
    split: str
    cache: Path

    def documents(self, *, fetch: bool = True) -> Path:
        """The folder with ``corpus.jsonl``.

        Args:
            fetch: False: only what was converted before, without asking the hub.

        Raises:
            MissingData: not converted before, and not to be fetched, or the data set has no such part.
            MissingExtra: the hub's client, or the reader of parquet files, is not installed.
            hub.HubUnreachable: the hub does not give it.
            DataError: a file is damaged.
        """
        configuration, columns = ("documents", ("id", "content")) if self.split else ("corpus", ("_id", "title", "text"))
        return self._file("corpus.jsonl", configuration, columns, self._document_line, fetch=fetch).parent

    def queries(self, configuration: str = "", *, fetch: bool = True) -> Path:
        """The file ``queries.jsonl``, in BEIR's form.

        Args:
            configuration: ``"gpt4_reason"`` for the queries that GPT-4 reasoned out (BRIGHT); empty for the original ones.

        Raises: as `documents`.
        """
        asked = configuration or ("examples" if self.split else "queries")
        name = f"queries-{configuration}.jsonl" if configuration else "queries.jsonl"
        return self._file(name, asked, ("id", "query") if self.split else ("_id", "text"), self._query_line, fetch=fetch)

    def exclusions(self, *, fetch: bool = True) -> Path:
        """The file of excluded documents, a query id, a tab and a document id a line.

        Raises: as `documents`.
        """
        return self._file("exclude.txt", "examples", ("id", "excluded_ids"), _exclusion_lines, fetch=fetch)

    def source(self, converted: Path) -> str:
        """Where a converted file came from, for manifests."""
        return f"hub {self.repo}@{converted.relative_to(self._root).parts[0]}"

    @property
    def _root(self) -> Path:
        return self.cache / "hub-texts" / self.repo.replace("/", "--")

    def _folder(self, commit: str) -> Path:
        return self._root / commit / (self.split or "all")

    def _file(self, name: str, configuration: str, columns: Sequence[str], lines: Callable[[Row], bytes], *, fetch: bool) -> Path:
        converted = self._converted(name)
        if converted is not None:
            return converted
        if not fetch:
            raise MissingData(f"{self.repo} was not converted on this machine yet, and is fetched only when that is asked for (--fetch)")
        commit = hub.resolve_commit(self.repo, self.revision, "dataset")
        parts = self._parts(configuration, hub.list_files(self.repo, commit, "dataset"), commit)
        paths = [hub.fetch_file(self.repo, part, commit, "dataset") for part in parts]
        target = self._folder(commit) / name
        _write(target, (lines(row) for path in paths for row in _rows(path, columns)))
        return target

    def _converted(self, name: str) -> Path | None:
        """What was converted before: of the pinned commit, else of whatever commit the branch was when it was first asked for."""
        if _COMMIT.fullmatch(self.revision):
            folders = [self._folder(self.revision)]
        else:
            folders = sorted(p / (self.split or "all") for p in self._root.iterdir()) if self._root.is_dir() else []
        return next((folder / name for folder in folders if (folder / name).is_file()), None)

    def _parts(self, configuration: str, files: Sequence[str], commit: str) -> list[str]:
        """The files of a configuration, in order.

        Raises:
            MissingData: there is none, or not every one is there.
        """
        stem = f"{configuration}/{self.split or configuration}"
        pattern = re.compile(re.escape(stem) + r"-(\d{5})-of-(\d{5})\.parquet")
        matches = sorted((int(m[1]), int(m[2]), m[0]) for f in files if (m := pattern.fullmatch(f)))
        if not matches and f"{configuration}.jsonl.gz" in files:
            return [f"{configuration}.jsonl.gz"]
        if not matches or [number for number, _, _ in matches] != list(range(matches[0][1])):
            has = f"{len(matches)} of the {matches[0][1]}" if matches else "none of the"
            raise MissingData(
                f"the hub's {self.repo} at {commit[:12]} has {has} files {stem}-…-of-….parquet",
                hint=f"hf download {self.repo} --repo-type dataset --revision {commit} --include '{configuration}/*'",
            )
        return [name for _, _, name in matches]

    def _document_line(self, row: Row) -> bytes:
        if self.split:
            return orjson.dumps({"_id": _text(row, "id"), "title": "", "text": _text(row, "content")}) + b"\n"
        return orjson.dumps({"_id": _text(row, "_id"), "title": row["title"] or "", "text": _text(row, "text")}) + b"\n"

    def _query_line(self, row: Row) -> bytes:
        query_id, text = ("id", "query") if self.split else ("_id", "text")
        return orjson.dumps({"_id": _text(row, query_id), "text": _text(row, text)}) + b"\n"


def _exclusion_lines(row: Row) -> bytes:
    # dict.fromkeys: a document that is named twice is excluded once.
    excluded = [doc_id for doc_id in dict.fromkeys(row["excluded_ids"] or ()) if doc_id != NONE]
    return "".join(f"{_text(row, 'id')}\t{doc_id}\n" for doc_id in excluded).encode()


def _text(row: Row, column: str) -> str:
    value = row[column]
    if not isinstance(value, str):
        raise DataError(f"{column} {value!r} is no text")
    return value


def _rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """Raises: DataError: the file is damaged, or lacks a column. MissingExtra: nothing here reads parquet."""
    yield from _json_rows(path, columns) if path.name.endswith(".gz") else _parquet_rows(path, columns)


def _json_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    try:
        with gzip.open(path, "rb") as lines:
            for line in lines:
                row = orjson.loads(line)
                yield {column: row[column] for column in columns}
    except (OSError, EOFError, orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise DataError(f"{path.name}: damaged, or without one of the columns {', '.join(columns)}: {error}.") from error


def _parquet_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra(f"reading {path.name}", "hub", str(error)) from error
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_ROWS, columns=list(columns)):
                missing = [column for column in columns if column not in batch.schema.names]
                if missing:
                    raise DataError(f"{path.name}: has no column {', '.join(missing)}.")
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path.name}: damaged, or no parquet file: {error}.", hint="Fetch it again.") from error


def _write(target: Path, lines: Iterable[bytes]) -> None:
    """Write a file entirely or not at all. Raises: DataMismatch: there is no line."""
    target.parent.mkdir(parents=True, exist_ok=True)
    own = target.with_name(f".{target.name}-{os.getpid()}")
    try:
        with own.open("wb") as file:
            file.writelines(lines)
            size = file.tell()
        if not size:
            raise DataMismatch(f"The hub's files for {target.name} hold nothing.", hint="Another revision may.")
        own.replace(target)
    finally:
        own.unlink(missing_ok=True)
