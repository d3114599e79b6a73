"""Run folders: a journal that survives a kill, and a manifest that is written last.

``config.yaml`` (resolved), ``rankings.jsonl`` (the journal), ``spans.jsonl``, then ``run.trec``, ``measurements.jsonl`` and,
last and atomically, ``manifest.json``. A folder without a manifest is unfinished. Knows no ranker and no measure.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any, Self

import orjson
import yaml

from rerankbench.errors import StoreError
from rerankbench.records import Call, Defect, DefectKind, Measurement, Ranked, Ranking, Span
from rerankbench.trec import write_run

MEASURED = frozenset({"seconds", "first_token_s", "start_s", "batch_size", "points", "resources"})
"""Keys that tell how long something took, in what company, and what it used up: they differ between two runs of the same thing."""


class RunFolder:
    """One run's folder, held by one process at a time.

    Use as a context manager: entering takes the lock and reads the journal, leaving gives the lock back.

    Args:
        config: What was resolved for this run; a folder that holds another configuration is refused.
    """

    def __init__(self, path: Path, config: Mapping[str, Any]) -> None:
        self.path = path
        self._config = dict(config)
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        with _writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path / ".lock").open("w")
            try:
                self._own(self._lock)
            except BaseException:
                self._lock.close()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.close()

    @property
    def is_complete(self) -> bool:
        """Whether the manifest is there, by this process or by another one that had the lock before."""
        return (self.path / "manifest.json").is_file()

    def _own(self, lock: IO[str]) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(f"{self.path}: another process is working on this run.", hint="Wait for it, or stop it.") from error
        file = self.path / "config.yaml"
        if file.is_file() and _read_config(file) != self._config:
            raise StoreError(f"{file}: holds another configuration than the one that names this folder.", hint=f"Delete {self.path}.")
        write_atomically(file, yaml.safe_dump(self._config, sort_keys=True, allow_unicode=True).encode())

    def journal(self) -> list[Ranked]:
        """What was ranked so far, in order. A last line that a kill tore off is cut from the file.

        Raises:
            StoreError: a line before the last is damaged.
        """
        _cut_torn_line(self.path / "rankings.jsonl")
        ranked = read_rankings(self.path)
        self._forget_spans_of_others({r.ranking.query_id for r in ranked})
        return ranked

    def _forget_spans_of_others(self, query_ids: set[str]) -> None:
        """Drop the spans of queries that did not reach the journal: they will be worked on, and timed, again. Warm-up stays."""
        file = self.path / "spans.jsonl"
        _cut_torn_line(file)
        lines = _read_lines(file)
        spans = zip(lines, _spans(file), strict=True)
        kept = [line for line, span in spans if span["warmup"] or query_ids.issuperset(span["query_ids"])]
        if len(kept) < len(lines):
            write_atomically(file, b"".join(line + b"\n" for line in kept))

    def append(self, ranked: Sequence[Ranked], spans: Sequence[Span], seconds: float) -> None:
        """Add the queries of one batch to the journal. When this returns, they are on the disk.

        Args:
            seconds: Wall time of the whole batch.

        Raises:
            StoreError: the disk is full or read-only. What was in the journal before stays.
        """
        with _writing(self.path):
            _append(self.path / "spans.jsonl", [asdict(span) for span in spans])
            _append(self.path / "rankings.jsonl", [{**_record(r), "seconds": seconds, "batch_size": len(ranked)} for r in ranked])

    def note(self, spans: Sequence[Span]) -> None:
        """Keep spans that are of no batch of the journal: those of a warm-up. Raises: StoreError: as `append`."""
        with _writing(self.path):
            _append(self.path / "spans.jsonl", [asdict(span) for span in spans])

    def seconds(self) -> float:
        """Wall time of all batches in the journal, warm-up left out."""
        spans = _spans(self.path / "spans.jsonl")
        return float(sum(span["seconds"] for span in spans if span["name"] == "rank" and not span["warmup"]))

    def finish(self, ranked: Iterable[Ranked], tag: str) -> Path:
        """Write ``run.trec`` from the rankings; it is what gets measured.

        Returns:
            Its path.
        """
        path = self.path / "run.trec"
        partial = path.with_suffix(".partial")
        with _writing(self.path):
            write_run(partial, (r.ranking for r in ranked), tag)
            partial.replace(path)
        return path

    def seal(self, measurements: Sequence[Measurement], manifest: Mapping[str, Any]) -> None:
        """Write the measurements, then the manifest: with it the run is complete."""
        with _writing(self.path):
            write_atomically(self.path / "measurements.jsonl", _lines([asdict(m) for m in measurements]))
        self.complete(manifest, ("run.trec", "rankings.jsonl", "measurements.jsonl"))

    def add(self, name: str, records: Iterable[Mapping[str, Any]]) -> None:
        """Add lines to a file of the run. When this returns, they are on the disk. Raises: StoreError: as `append`."""
        with _writing(self.path):
            _append(self.path / name, records)

    def complete(self, manifest: Mapping[str, Any], files: Sequence[str]) -> None:
        """Write the manifest with the hashes of these files: with it the run is complete. Raises: StoreError: as `append`."""
        with _writing(self.path):
            hashes = {name: _sha256(self.path / name) for name in files}
            text = orjson.dumps({**manifest, "files": hashes}, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
            write_atomically(self.path / "manifest.json", text + b"\n")


def read_manifest(path: Path) -> dict[str, Any] | None:
    """The manifest of a run folder; None when the run is not complete.

    Raises:
        StoreError: it is damaged, or a file that it lists is missing or was changed since.
    """
    file = path / "manifest.json"
    if not file.is_file():
        return None
    manifest: dict[str, Any]
    try:
        manifest = orjson.loads(file.read_bytes())
        hashes = dict(manifest["files"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{file}: not a manifest: {error}", hint=f"Delete {file} and run again: its rankings are kept.") from error
    for name, expected in hashes.items():
        target = path / name
        if not target.is_file() or _sha256(target) != expected:
            raise StoreError(f"{target}: not as it was when the run was completed.", hint=f"Delete {path} and run again.")
    return manifest


def read_rankings(path: Path) -> list[Ranked]:
    """What a complete run ranked, in the order of its journal.

    Raises:
        StoreError: a line is damaged.
    """
    file = path / "rankings.jsonl"
    return [_ranked(file, number, line) for number, line in enumerate(_read_lines(file), start=1)]


def read_measurements(path: Path) -> list[Measurement]:
    """The measurements of a complete run."""
    return [Measurement(**orjson.loads(line)) for line in _read_lines(path / "measurements.jsonl")]


def read_spans(path: Path) -> list[Span]:
    """What a run's clock measured, in the order in which it ended, warm-up included.

    Raises:
        StoreError: a line is damaged.
    """
    file = path / "spans.jsonl"
    try:
        found = [Span(**orjson.loads(line)) for line in _read_lines(file)]
    except (orjson.JSONDecodeError, TypeError) as error:
        raise StoreError(f"{file}: holds a line that is no span: {error}", hint=f"Delete {path} and run again.") from error
    return [replace(span, query_ids=tuple(span.query_ids)) for span in found]


def journal_length(path: Path) -> int:
    """How many queries an unfinished run has; a torn last line does not count."""
    file = path / "rankings.jsonl"
    return file.read_bytes().count(b"\n") if file.is_file() else 0


def without_measured_times(record: Any) -> Any:
    """A journal record or manifest without what differs between two runs of the same thing."""
    if isinstance(record, Mapping):
        return {key: without_measured_times(value) for key, value in record.items() if key not in MEASURED}
    return [without_measured_times(item) for item in record] if isinstance(record, list) else record


def _record(ranked: Ranked) -> dict[str, Any]:
    ranking = ranked.ranking
    return {
        "query_id": ranking.query_id,
        "doc_ids": ranking.doc_ids,
        # JSON has no infinities; they are written as text, and float() reads them back.
        "scores": None if ranking.scores is None else [s if math.isfinite(s) else str(s) for s in ranking.scores],
        "defects": [asdict(d) for d in ranked.defects],
        "calls": [_call_record(c) for c in ranked.calls],
    }


def _call_record(call: Call) -> dict[str, Any]:
    """Its fields, without a time to the first token where none is known: journals from before there was one look the same."""
    record = asdict(call)
    if not call.first_token_s:
        del record["first_token_s"]
    return record


def _ranked(file: Path, number: int, line: bytes) -> Ranked:
    try:
        record = orjson.loads(line)
        scores = None if record["scores"] is None else tuple(map(float, record["scores"]))
        return Ranked(
            Ranking(record["query_id"], tuple(record["doc_ids"]), scores),
            tuple(Call(**call) for call in record["calls"]),
            tuple(Defect(DefectKind(d["kind"]), d["detail"], d["count"]) for d in record["defects"]),
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{file}:{number}: not a line of a journal: {error}", hint=f"Delete {file.parent} and run again.") from error


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Raises: StoreError: in place of the operating system's complaint."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot be written: {error.strerror or error}.",
            hint="Make room or choose another --runs; the same command then goes on.",
        ) from error


def _read_config(file: Path) -> object:
    """What the file holds; None where it is no YAML."""
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return None


def _spans(file: Path) -> list[dict[str, Any]]:
    """Raises: StoreError: a line is damaged."""
    try:
        return [
            {key: s[key] for key in ("query_ids", "name", "start_s", "seconds", "warmup")} for s in map(orjson.loads, _read_lines(file))
        ]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise StoreError(f"{file}: holds a line that is no span: {error}", hint=f"Delete {file.parent} and run again.") from error


def _cut_torn_line(file: Path) -> None:
    if not file.is_file():
        return
    content = file.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole != len(content):
        os.truncate(file, whole)


def _read_lines(file: Path) -> list[bytes]:
    return file.read_bytes().split(b"\n")[:-1] if file.is_file() else []


def _lines(records: Iterable[Mapping[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(record) + b"\n" for record in records)


def _append(file: Path, records: Iterable[Mapping[str, Any]]) -> None:
    with file.open("ab") as journal:  # buffered: an unbuffered write may write less than it was given, and say so only in its result
        journal.write(_lines(records))
        journal.flush()
        os.fsync(journal.fileno())


def write_atomically(file: Path, content: bytes) -> None:
    """Either the old content or the whole new one is there, whenever the process stops."""
    partial = file.with_name(f"{file.name}.partial")
    with partial.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    partial.replace(file)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
