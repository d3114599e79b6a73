"""A benchmark of the catalog: its files found, hashed, counted and read."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rerankbench.benchmarks.catalog import BenchmarkEntry, Catalog, load_catalog
from rerankbench.benchmarks.sources import LISTS, QRELS, Folder, Found, HubDataset, Source
from rerankbench.errors import DataError, DataMismatch, MissingData
from rerankbench.first_stages.published import lists_of_run, read_lists
from rerankbench.records import CandidateList, Qrels, Query
from rerankbench.trec import read_qrels


@dataclass(frozen=True)
class DataFile:
    """A data file as a manifest names it.

    Attributes:
        place: In the mirror's layout.
    """

    place: str
    source: str
    sha256: str


class Collection:
    """One benchmark. Every file is read at most once and its hash is known once it was read.

    Args:
        sources: Asked in this order.
    """

    def __init__(self, name: str, sources: Sequence[Source], catalog: Catalog) -> None:
        self.name = name
        self._entry: BenchmarkEntry = catalog.benchmark(name)
        self._catalog = catalog
        self._sources = sources
        self._files: dict[str, DataFile] = {}
        self._lists: dict[str, list[CandidateList]] = {}

    @property
    def title(self) -> str:
        return self._entry.title

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the qrels file's bytes."""
        self.qrels()
        return self._files[self._qrels_place].sha256

    def qrels(self) -> Qrels:
        """Raises: MissingData: no source has them. DataMismatch: they are not those of the catalog."""
        return self._checked_qrels

    def queries(self) -> Sequence[Query]:
        """Every query of the benchmark's own file, judged or not."""
        return [Query(query_id, text) for query_id, text in self._query_texts.items()]

    def candidates(self, first_stage: str, depth: int) -> Sequence[CandidateList]:
        """The lists of a first stage, at most `depth` long, in the order of its file.

        Raises:
            MissingData: no source has lists of this depth.
            DataError: a file is damaged.
        """
        place = self._list_place(first_stage, depth)
        if place not in self._lists:
            found = self._require(place, what=f"{self._catalog.first_stage(first_stage).title} lists of {self.name}")
            self._lists[place] = lists_of_run(found.path, self._query_texts) if place.endswith(".trec") else read_lists(found.path)
        return [candidates.top(depth) for candidates in self._lists[place]]

    def list_file(self, first_stage: str, depth: int) -> DataFile:
        """The file behind `candidates`."""
        self.candidates(first_stage, depth)
        return self._files[self._list_place(first_stage, depth)]

    def qrels_file(self) -> DataFile:
        """The file behind `qrels`."""
        self.qrels()
        return self._files[self._qrels_place]

    @property
    def _qrels_place(self) -> str:
        return f"{QRELS}/{self._entry.qrels}"

    @cached_property
    def _checked_qrels(self) -> Qrels:
        qrels = read_qrels(self._require(self._qrels_place, what=f"judgements of {self.name}").path)
        pinned = self._entry.counts
        counted = {"judged_queries": len(qrels), "judgements": sum(map(len, qrels.values()))}
        for what, count in counted.items():
            expected = getattr(pinned, what)
            if expected is not None and count != expected:
                cause = f" Known cause: {self._entry.known_cause}." if self._entry.known_cause else ""
                raise DataMismatch(
                    f"{self._qrels_place}: {count:,} {what.replace('_', ' ')}, but {self.name} has {expected:,}.{cause}",
                    hint="Fetch the file again, or take the version that the paper used.",
                )
        return qrels

    @cached_property
    def _query_texts(self) -> Mapping[str, str]:
        found = self._require(f"{QRELS}/{self._entry.queries}", what=f"queries of {self.name}")
        opened = gzip.open if found.path.suffix == ".gz" else open
        texts: dict[str, str] = {}
        with opened(found.path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                query_id, tab, text = line.rstrip("\r\n").partition("\t")
                if not tab:
                    raise DataError(f"{found.path}:{number}: expected a query id, a tab and the query's text.")
                texts[query_id] = text
        return texts

    def _list_place(self, first_stage: str, depth: int) -> str:
        """The file of the shallowest lists that are deep enough: with text before without, the paper's name when there is none."""
        folder = f"{LISTS}/{self._catalog.first_stage(first_stage).folder}"
        stem = f"{folder}/{self._entry.key}_top"
        for suffix in ("jsonl", "trec"):
            deep_enough = [d for d in self._depths_at_hand(folder, suffix) if d >= depth]
            if deep_enough:
                return f"{stem}{min(deep_enough)}.{suffix}"
        return f"{stem}{max(depth, 100)}.jsonl"

    def _depths_at_hand(self, folder: str, suffix: str) -> Iterable[int]:
        pattern = re.compile(rf"{re.escape(self._entry.key)}_top(\d+)\.{suffix}")
        for source in self._sources:
            if isinstance(source, Folder) and (source.root / folder).is_dir():
                yield from (int(m[1]) for p in (source.root / folder).iterdir() if (m := pattern.fullmatch(p.name)))

    def _require(self, place: str, *, what: str) -> Found:
        for source in self._sources:
            found = source.find(place)
            if found:
                self._files[place] = DataFile(place, found.source, sha256_of(found.path))
                return found
        looked = "; ".join(source.looked(place) for source in self._sources)
        file = place.removeprefix(f"{LISTS}/")
        folder = f"DATA/{LISTS}" if file != place else "DATA"
        raise MissingData(
            f"No {what} ({file}): {looked}.",
            hint=f"hf download {self._catalog.data.hub} {file} --repo-type dataset --local-dir {folder}"
            f" (licence: {self._entry.licence}), then --data DATA",
        )


class Benchmarks:
    """Opens benchmarks that share their sources, so that a hub which did not answer is asked once."""

    def __init__(self, mirror: Path | None) -> None:
        self._catalog = load_catalog()
        data = self._catalog.data
        self._sources: list[Source] = [Folder(mirror)] if mirror else []
        self._sources.append(HubDataset(data.hub, data.revision))
        self._open: dict[str, Collection] = {}

    def open(self, name: str) -> Collection:
        """Raises: ConfigError: there is no benchmark of this name."""
        if name not in self._open:
            embedded = self._catalog.benchmark(name).embedded
            sources = [Folder(Path(__file__).parent / name, "package")] if embedded else self._sources
            self._open[name] = Collection(name, sources, self._catalog)
        return self._open[name]


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
