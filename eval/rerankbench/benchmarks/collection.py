"""A benchmark of the catalog: its files found, hashed, counted and read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from rerankbench import prompts
from rerankbench.benchmarks.catalog import BenchmarkEntry, Catalog, Counts, QueryForm
from rerankbench.benchmarks.corpora import BeirCorpus, read_query_lines, read_query_table
from rerankbench.benchmarks.exclusions import Exclusions, read_exclusions
from rerankbench.benchmarks.files import Files
from rerankbench.benchmarks.lists import ListPlaces
from rerankbench.benchmarks.sources import QRELS, DataFile, Found, Source, cache_folder, named_by_place
from rerankbench.benchmarks.texts import Texts
from rerankbench.errors import DataMismatch, MissingData
from rerankbench.first_stages.published import lists_of_run, read_lists
from rerankbench.records import CandidateList, Qrels, Query
from rerankbench.trec import read_qrels


class Collection:
    """One benchmark. Every file is read at most once and its hash is known once it was read.

    Args:
        sources: Asked in this order.
        cache: Folder for what is fetched from the hub and converted; by default `cache_folder`.
    """

    def __init__(self, name: str, sources: Sequence[Source], catalog: Catalog, cache: Path | None = None) -> None:
        self.name = name
        self.entry: BenchmarkEntry = catalog.benchmark(name)
        self._catalog = catalog
        self._files = Files(sources, catalog.data, self.entry.licence)
        self._texts = Texts(name, self.entry, self._files, catalog.data, cache or cache_folder())
        self._lists: dict[str, list[CandidateList]] = {}
        self._exclusions: tuple[str, Exclusions] | None = None

    @property
    def title(self) -> str:
        return self.entry.title

    @property
    def licence(self) -> str:
        """What may be done with the texts."""
        return self.entry.licence

    @property
    def counts(self) -> Counts:
        """What must be in the files."""
        return self.entry.counts

    @property
    def instruction(self) -> str:
        """The task in words, as an instructed embedder is told it before a query."""
        return prompts.load("e2rank-query").for_benchmark(self.name).values["task"]

    @property
    def relevant(self) -> int:
        """The lowest grade that counts as relevant in measures without grades, e.g. recall."""
        return self.entry.relevant

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the qrels file's bytes."""
        return self.qrels_file().sha256

    def qrels(self) -> Qrels:
        """Raises: MissingData: no source has them. DataMismatch: they are not those of the catalog."""
        return self._checked_qrels

    def qrels_file(self) -> DataFile:
        """The file behind `qrels`."""
        self.qrels()
        return self._files[self._qrels_place]

    def queries(self, form: QueryForm = "original") -> Sequence[Query]:
        """Every query of the benchmark's own file, judged or not.

        Args:
            form: ``gpt4_reason``: the text that GPT-4 reasoned out, for first stages that search with it. A reranker sees the
                original text unless a configuration says otherwise.

        Raises:
            MissingData: no source has them, or the benchmark has no queries of this form.
            DataMismatch: they are not as many as the catalog has.
        """
        if form == "original":
            return [Query(query_id, text) for query_id, text in self._query_texts.items()]
        place, found = self._texts.reasoned_queries(form)
        with named_by_place(place, found):
            queries = read_query_lines(found.path)
        self._check_counts(place, queries=len(queries))
        return queries

    def candidates(self, first_stage: str, depth: int) -> Sequence[CandidateList]:
        """The lists of a first stage, at most `depth` long, in the order of its file; of a bare run without the documents' text.

        Raises:
            MissingData: no source has lists of this depth.
            DataError: a file is damaged.
        """
        place = self._list_place(first_stage, depth)
        if place not in self._lists:
            found = self._require_lists(place, first_stage)
            with named_by_place(place, found):
                self._lists[place] = read_lists(found.path) if place.endswith(".jsonl") else lists_of_run(found.path, self._query_texts)
        return [candidates.top(depth) for candidates in self._lists[place]]

    def list_file(self, first_stage: str, depth: int) -> DataFile:
        """The file behind `candidates`."""
        self.candidates(first_stage, depth)
        return self._files[self._list_place(first_stage, depth)]

    def list_path(self, first_stage: str, depth: int) -> Path:
        """Where the file behind `candidates` lies on this machine."""
        self.candidates(first_stage, depth)
        return self._require_lists(self._list_place(first_stage, depth), first_stage).path

    def deepest(self, first_stage: str) -> int | None:
        """How deep the deepest lists are that can be read without asking the hub; None where there are none."""
        return self._list_places(first_stage).deepest()

    def corpus(self, *, fetch: bool = True) -> BeirCorpus:
        """The documents: from the local mirror, else from the hub, converted once.

        Args:
            fetch: False: only what is on this machine already.

        Raises:
            MissingData: they are not at hand; the hint is what would get them, and under which licence.
            DataError: a file is damaged.
        """
        return self._texts.corpus(fetch=fetch)

    @property
    def has_exclusions(self) -> bool:
        """Whether the benchmark excludes documents from some queries, whether they are known here or not."""
        return bool(self.entry.exclusions)

    def excluded(self, *, fetch: bool = True) -> Exclusions | None:
        """The excluded documents; None where the benchmark excludes none.

        Args:
            fetch: False: only what is on this machine already.

        Raises:
            MissingData: the benchmark excludes some, and no source says which.
            DataMismatch: they are not as many as the catalog has.
        """
        if not self.has_exclusions:
            return None
        if self._exclusions is None:
            place, found = self._texts.exclusions(fetch=fetch)
            with named_by_place(place, found):
                excluded = read_exclusions(found.path)
            self._check_counts(place, excluded=len(excluded))
            self._exclusions = place, excluded
        return self._exclusions[1]

    def exclusions_file(self) -> DataFile | None:
        """The file behind `excluded`."""
        self.excluded()
        return self._files[self._exclusions[0]] if self._exclusions else None

    @property
    def _qrels_place(self) -> str:
        return f"{QRELS}/{self.entry.qrels}"

    @cached_property
    def _checked_qrels(self) -> Qrels:
        found = self._files.require(self._qrels_place, what=f"judgements of {self.name}")
        with named_by_place(self._qrels_place, found):
            qrels = read_qrels(found.path)
        grades = Counter(grade for judged in qrels.values() for grade in judged.values())
        self._check_counts(self._qrels_place, judged_queries=len(qrels), judgements=grades.total())
        self._check_grades(grades)
        return qrels

    @cached_property
    def _query_texts(self) -> Mapping[str, str]:
        place = f"{QRELS}/{self.entry.queries}"
        found = self._files.require(place, what=f"queries of {self.name}")
        with named_by_place(place, found):
            texts = read_query_table(found.path)
        self._check_counts(place, queries=len(texts))
        return texts

    def _check_counts(self, place: str, **counted: int) -> None:
        """Raises: DataMismatch: a number is not the catalog's."""
        for what, count in counted.items():
            expected = getattr(self.counts, what)
            if expected is not None and count != expected:
                self._refuse(f"{place}: {count:,} {what.replace('_', ' ')}, but {self.name} has {expected:,}.")

    def _check_grades(self, grades: Mapping[int, int]) -> None:
        pinned = self.entry.counts.grades
        expected = None if pinned is None else {grade: count for grade, count in enumerate(pinned) if count}
        if expected is not None and dict(grades) != expected:
            found, pins = (", ".join(f"{g}: {n:,}" for g, n in sorted(of.items())) for of in (grades, expected))
            self._refuse(f"{self._qrels_place}: judgements of each grade are {found}, but {self.name} has {pins}.")

    def _refuse(self, message: str) -> None:
        cause = f" Known cause: {self.entry.known_cause}." if self.entry.known_cause else ""
        raise DataMismatch(f"{message}{cause}", hint="Fetch the file again, or take the version that the paper used.")

    def _list_places(self, first_stage: str) -> ListPlaces:
        return ListPlaces.of(self.entry, self._catalog.first_stage(first_stage), self._files.folders)

    def _list_place(self, first_stage: str, depth: int) -> str:
        places = self._list_places(first_stage)
        if not places.templates:
            title = self._catalog.first_stage(first_stage).title
            raise MissingData(
                f"No published lists of {title} are known.",
                hint=f"Define it under 'candidates' in a configuration: {first_stage}: {{kind: dense, engine: …}}, over the documents.",
            )
        return places.place(depth)

    def _require_lists(self, place: str, first_stage: str) -> Found:
        deepest = self.deepest(first_stage)
        try:
            return self._files.require(place, what=f"{self._catalog.first_stage(first_stage).title} lists of {self.name}")
        except MissingData as error:
            if deepest is not None:
                file = place.rpartition("/")[2]
                raise MissingData(
                    f"No {file}: the lists of {self.name} at hand are {deepest} deep.", hint=f"Set depth: {deepest}"
                ) from error
            if self.entry.embedded:
                folder = place.rpartition("/")[0]
                raise MissingData(
                    f"{self.name} comes with this package, and has no {folder} lists.", hint="Set first_stages: [bm25]"
                ) from error
            raise
