"""A first stage that retrieves nothing: its lists stand in a file. For lists of one's own, and as a part of a fusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal, Self

from rerankbench.config import Options
from rerankbench.errors import ConfigError, DataError, MissingData
from rerankbench.first_stages.formats import Form
from rerankbench.first_stages.listfile import sha256_of
from rerankbench.first_stages.published import read_candidates
from rerankbench.protocols import Corpus
from rerankbench.records import CandidateList, Query


class FileOptions(Options):
    """
    Attributes:
        path: A file of candidate lists of any published form; `form` overrides what its content says.
        missing: What a query without a list in the file does: stop, or get an empty list.
        scores: ``own`` refuses a file without scores; ``ranks`` lets n, n-1 … 1 stand for them where they are missing.
    """

    path: str
    form: Literal["", "authors", "rank_llm", "lit5", "trec"] = ""
    missing: Literal["error", "empty"] = "error"
    scores: Literal["own", "ranks"] = "own"


class PublishedOptions(Options):
    """
    Attributes:
        first_stage: A name of the catalog, or of the lists that one's own benchmark brings along.
    """

    first_stage: str


class PublishedFirstStage:
    """Stands for a benchmark's published lists. Whoever knows the benchmark puts their file in its place, so that it is never built."""

    Options = PublishedOptions
    name: ClassVar[str] = "published"

    @classmethod
    def build(cls, options: object, workspace: Path) -> FileFirstStage:  # noqa: ARG003 the contract of first stages
        """Raises: ConfigError: no benchmark is known here."""
        raise _without_benchmark(cls.Options.model_validate(options))

    @classmethod
    def provenance(cls, options: object) -> Mapping[str, str]:
        """Raises: ConfigError: no benchmark is known here."""
        raise _without_benchmark(cls.Options.model_validate(options))


class FileFirstStage:
    """Candidate lists as a file has them, each cut to the depth that is asked for; texts that it lacks come from the corpus."""

    Options = FileOptions
    name: ClassVar[str] = "file"

    def __init__(self, options: FileOptions) -> None:
        self._options = options

    @classmethod
    def build(cls, options: object, workspace: Path) -> Self:  # noqa: ARG003 the contract of first stages
        return cls(cls.Options.model_validate(options))

    @classmethod
    def provenance(cls, options: object) -> Mapping[str, str]:
        """The file's SHA-256.

        Raises:
            MissingData: there is no such file.
        """
        path = Path(cls.Options.model_validate(options).path)
        if not path.is_file():
            raise MissingData(f"There is no file {path}.")
        return {"sha256": sha256_of(path)}

    def retrieve(self, corpus: Corpus, queries: Sequence[Query], depth: int) -> list[CandidateList]:
        """The file's lists, under the queries that are given.

        Raises:
            MissingData: there is no such file.
            DataError: the file is damaged, has no scores or no list of a query (where the options do not allow it), or has a document
                without text that the corpus lacks.
        """
        path = Path(self._options.path)
        form = Form(self._options.form) if self._options.form else None
        texts = {query.id: query.text for query in queries}
        read = read_candidates(path, form=form, queries=texts, corpus=corpus, only=texts)
        if read.unscored and self._options.scores == "own":
            raise DataError(
                f"{path}: the documents of {len(read.unscored)} of {len(read.lists)} queries have no scores.",
                hint="Set scores: ranks to let the order stand for them.",
            )
        found = {candidates.query.id: candidates for candidates in read.lists}
        lacking = [query.id for query in queries if query.id not in found]
        if lacking and self._options.missing == "error":
            raise DataError(
                f"{path}: {len(lacking)} of {len(queries)} queries have no list: {', '.join(map(repr, lacking[:5]))}.",
                hint="Set missing: empty if they are meant to have none.",
            )
        return [_under(query, found.get(query.id), depth) for query in queries]


def _under(query: Query, candidates: CandidateList | None, depth: int) -> CandidateList:
    if candidates is None:
        return CandidateList(query, (), ())
    return CandidateList(query, candidates.documents[:depth], candidates.scores[:depth])


def _without_benchmark(options: PublishedOptions) -> ConfigError:
    return ConfigError(
        f"Published {options.first_stage} lists are those of a benchmark, and none is known here.",
        hint="Name their file: kind: file, path: FILE",
    )
