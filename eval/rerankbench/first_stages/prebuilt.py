"""Lucene indexes that Anserini's makers built: found in the cache folder that Pyserini and Anserini share, checked, never downloaded here.

They are the one lawful way to the text of Signal-1M, TREC-News and Robust04. What is not at hand is named with its address, size and
MD5, and with the commands that put it where all three tools find it. Knows no query.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import orjson

from rerankbench.config import fingerprint
from rerankbench.errors import ConfigError, DataError, DataMismatch, MissingData, nearest
from rerankbench.first_stages.anserini import Anserini, IndexFacts
from rerankbench.records import Document

Kind = Literal["inverted", "impact"]

_FOOTER_MAGIC = (0xC02893E8).to_bytes(4, "big")  # Lucene's CodecUtil: magic, algorithm 0, CRC-32 of all bytes before it
_FOOTER_BYTES = 16
_CHUNK = 1 << 20
_BATCH = 10_000


@dataclass(frozen=True)
class PrebuiltIndex:
    """An entry of the catalogue inside Anserini's jar.

    Attributes:
        file: The name of its archive.
        md5: Of the archive; the folder's name in the cache ends with it.
        size: Of the archive, in bytes.
    """

    name: str
    kind: str
    file: str
    url: str
    md5: str
    size: int
    documents: int

    @property
    def folder(self) -> str:
        """Its name in the cache, the same for Pyserini and Anserini."""
        return f"{self.file.removesuffix('.tar.gz')}.{self.md5}"


def prebuilt_index(jar: Path, name: str, kind: Kind = "inverted") -> PrebuiltIndex:
    """Look a name up in the catalogue inside the jar; starts no JVM.

    Raises:
        ConfigError: there is no prebuilt index of this name and kind.
    """
    catalogue = {entry["name"]: entry for entry in _catalogue(jar) if entry["type"] == kind}
    if name not in catalogue:
        raise ConfigError(
            f"Anserini has no prebuilt {kind} index {name!r}, and there is no such folder. {_nearest(name, catalogue)}",
            hint="Name one as Pyserini does, e.g. 'beir-v1.0.0-robust04.flat', or the folder of an index.",
        )
    entry = catalogue[name]
    return PrebuiltIndex(
        name, kind, entry["filename"], entry["urls"][0], entry["md5"], entry.get("compressed_size", 0), entry.get("documents", 0)
    )


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where Pyserini keeps its indexes: below ``PYSERINI_CACHE``, else ``~/.cache/pyserini``."""
    home = environ.get("PYSERINI_CACHE") or Path.home() / ".cache" / "pyserini"
    return Path(home) / "indexes"


def cache_folders(environ: Mapping[str, str] = os.environ) -> list[Path]:
    """Every folder that may hold unpacked indexes: Pyserini's, then Anserini's own ``ANSERINI_INDEX_CACHE``."""
    other = environ.get("ANSERINI_INDEX_CACHE")
    return [cache_folder(environ), *([Path(other)] if other else [])]


def locate(jar: Path, name: str, kind: Kind = "inverted", environ: Mapping[str, str] = os.environ) -> LocatedIndex:
    """Find a prebuilt index by name, or take the folder of an index.

    Raises:
        ConfigError: `name` is neither a folder nor in the catalogue.
        MissingData: it is in the catalogue but not in the cache; the hint is the commands that fetch it.
    """
    if Path(name).is_dir():
        return LocatedIndex(Path(name), None)
    entry = prebuilt_index(jar, name, kind)
    caches = cache_folders(environ)
    for cache in caches:
        if (cache / entry.folder).is_dir():
            return LocatedIndex(cache / entry.folder, entry)
    raise _missing(entry, caches)


@dataclass(frozen=True)
class LocatedIndex:
    """A folder with an index, not checked yet.

    Attributes:
        entry: What the catalogue says; None for a folder that was named itself.
    """

    path: Path
    entry: PrebuiltIndex | None

    @property
    def name(self) -> str:
        return self.entry.name if self.entry else self.path.name

    @cached_property
    def identity(self) -> str:
        """SHA-256 of the file that lists the index's segments, whose ids Lucene draws anew for every index that it writes.

        Raises:
            DataError: the folder holds no index.
        """
        segments = sorted(self.path.glob("segments_*"))
        if not segments:
            raise DataError(
                f"{self.path}: holds no Lucene index (no file segments_N).", hint=f"Delete {self.path} and fetch the index again."
            )
        return hashlib.sha256(segments[-1].read_bytes()).hexdigest()

    def check(self, anserini: Anserini, memory: Path) -> Mapping[str, Any]:
        """Check the index unless this was done before, and nothing changed since.

        The archive whose MD5 is pinned is gone once it is unpacked. What can be checked is: Lucene's own checksum at the end of
        every file, that the index opens, and the catalogue's number of documents.

        Args:
            memory: Folder where it is noted which indexes were found in order.

        Returns:
            ``documents`` and ``with_title``, the number of documents that have a separate title.

        Raises:
            DataError: a file is damaged or cut short.
            DataMismatch: it holds another number of documents than the catalogue says.
        """
        state = {f.name: [f.stat().st_size, f.stat().st_mtime_ns] for f in _files(self.path)}
        note = memory / f"{fingerprint([str(self.path.resolve()), self.identity, state])}.json"
        if note.is_file():
            noted: Mapping[str, Any] = orjson.loads(note.read_bytes())
            return noted
        for file in _files(self.path):
            verify_checksum(file)
        facts = anserini.facts(self.path, "title")
        if self.entry and self.entry.documents not in {0, facts.documents}:
            raise DataMismatch(
                f"{self.path}: holds {facts.documents:,} documents, but the catalogue's {self.name} has {self.entry.documents:,}.",
                hint=f"Delete {self.path} and fetch the index again.",
            )
        found = {"documents": facts.documents, "with_title": facts.with_field, "path": str(self.path)}
        memory.mkdir(parents=True, exist_ok=True)
        partial = note.with_name(f"{note.name}.{os.getpid()}.partial")
        partial.write_bytes(orjson.dumps(found))
        partial.replace(note)
        return found


class IndexCorpus:
    """A corpus whose documents come out of a Lucene index that stores them.

    Each call starts a JVM or several (about a second each), so ask for many documents at once.
    """

    def __init__(self, index: LocatedIndex, anserini: Anserini) -> None:
        self.name = index.name
        self._index = index
        self._anserini = anserini

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 that names this index. Unlike other corpora's it is not over the documents, which would mean to read them all."""
        return fingerprint({"lucene index": self._index.identity})

    def __len__(self) -> int:
        return self._facts.documents

    def documents(self) -> Iterator[Document]:
        """Every document, in the index's own order. Documents that Anserini found empty when it indexed are not among them."""
        batch: list[str] = []
        for doc_id in self._anserini.document_ids(self._index.path):
            batch.append(doc_id)
            if len(batch) == _BATCH:
                yield from self._in_order(batch)
                batch = []
        yield from self._in_order(batch)

    def subset(self, ids: Collection[str]) -> dict[str, Document]:
        return self._anserini.documents(self._index.path, ids)

    @cached_property
    def _facts(self) -> IndexFacts:
        return self._anserini.facts(self._index.path)

    def _in_order(self, ids: list[str]) -> Iterator[Document]:
        found = self.subset(ids)
        return (found[doc_id] for doc_id in ids)


def verify_checksum(file: Path) -> None:
    """Compare a file of an index with the CRC-32 that Lucene wrote at its end.

    Raises:
        DataError: they differ, or the file has no such end: it was cut short or changed.
    """
    size = file.stat().st_size
    crc, left = 0, size - 8
    with file.open("rb") as content:
        while left > 0 and (chunk := content.read(min(_CHUNK, left))):
            crc = zlib.crc32(chunk, crc)
            left -= len(chunk)
        content.seek(max(0, size - _FOOTER_BYTES))
        footer = content.read(_FOOTER_BYTES)
    if len(footer) < _FOOTER_BYTES or footer[:8] != _FOOTER_MAGIC + bytes(4) or int.from_bytes(footer[8:], "big") != crc:
        raise DataError(
            f"{file}: damaged or cut short: its content does not fit the checksum at its end.",
            hint=f"Delete {file.parent} and fetch or build the index again.",
        )


def _files(index: Path) -> list[Path]:
    return sorted(f for f in index.iterdir() if f.is_file() and f.name != "write.lock" and f.name[0] in "_s")


def _catalogue(jar: Path) -> list[dict[str, Any]]:
    with zipfile.ZipFile(jar) as archive:
        names = [n for n in archive.namelist() if n.startswith("prebuilt-indexes/") and n.endswith(".json")]
        return [entry for name in names for entry in orjson.loads(archive.read(name))]


def _nearest(name: str, catalogue: Collection[str]) -> str:
    near = nearest(name, catalogue)
    return near if near.startswith("Did") else f"It has {len(catalogue)}."


def _missing(entry: PrebuiltIndex, caches: list[Path]) -> MissingData:
    stem = entry.file.removesuffix(".tar.gz")
    torn = next((c / n for c in caches for n in (entry.file, stem) if (c / n).exists()), None)
    unfinished = f" {torn} lies there, an unfinished download: delete it." if torn else ""
    looked = " or ".join(str(c / entry.folder) for c in caches)
    return MissingData(
        f"The prebuilt index {entry.name} ({entry.documents:,} documents, {entry.size / 1e6:,.0f} MB to download)"
        f" is not at {looked}.{unfinished}",
        hint=f"mkdir -p {caches[0] / entry.folder} && cd {caches[0]} && curl -fLO {entry.url}"
        f" && echo '{entry.md5}  {entry.file}' | md5sum -c && tar -xzf {entry.file} -C {entry.folder} --strip-components=1"
        f" && rm {entry.file}",
    )
