"""A benchmark of the user's own, named in a configuration: a BEIR folder, a file of candidate lists and one of judgements, a task of mteb.

It offers what `Collection` offers. Its files are hashed like any, but nothing is pinned: what is in them is what there is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from rerankbench import prompts
from rerankbench.benchmarks.catalog import Counts, QueryForm
from rerankbench.benchmarks.corpora import BeirCorpus, read_beir_queries, read_query_lines, read_query_table
from rerankbench.benchmarks.exclusions import Exclusions
from rerankbench.benchmarks.sources import DataFile, sha256_of
from rerankbench.config import Options
from rerankbench.errors import MissingData, nearest
from rerankbench.first_stages.published import read_candidates
from rerankbench.records import CandidateList, Qrels, Query
from rerankbench.trec import read_qrels

SOURCE = "own file"
UNNAMED = "own"
"""The first stage of a file that the configuration names without one."""


class SyntheticText(Options):
    """Lists of drawn words, for measurements of speed alone: see `benchmarks.synthetic`.

    Attributes:
        documents: Of each list.
        mean_tokens: Of a document, as the Qwen3 tokenizer counts.
        spread: Standard deviation of the logarithm of a document's words; the default is that of SciFact's 5,183 abstracts.
        seed: What the words and lengths are drawn with.
    """

    queries: int = Field(default=50, ge=1)
    documents: int = Field(default=100, ge=1)
    mean_tokens: int = Field(default=350, ge=2)
    spread: float = Field(default=0.37, ge=0)
    seed: int = 0


class MtebTask(Options):
    """A retrieval or reranking task of the package mteb: see `benchmarks.mteb_task`.

    Attributes:
        task: As mteb names it, or one of the local suite.
        split, subset: As mteb names them; to be said where it evaluates the task on several.
    """

    task: str = Field(min_length=1)
    split: str = ""
    subset: str = ""


class OwnBenchmark(Options):
    """What a configuration says of one's own benchmark.

    Attributes:
        folder: A BEIR folder: ``corpus.jsonl``, ``queries.jsonl``, ``qrels/SPLIT.tsv``.
        candidates: A file of candidate lists of any published form (then its first stage is called ``own``), or first stage →
            file.
        qrels: A file of judgements; needed where there is no folder.
        queries: Query texts for lists that have none: lines of id, tab, text, or BEIR's ``.jsonl``.
        instruction: The task in words; by default that of a web search.
        relevant: The lowest grade that counts as relevant in recall.
        synthetic: Drawn text in place of files.
        mteb: A task of mteb in place of files.
    """

    folder: str = ""
    split: str = "test"
    candidates: str | dict[str, str] = {}
    qrels: str = ""
    queries: str = ""
    title: str = ""
    instruction: str = ""
    relevant: int = 1
    synthetic: SyntheticText | None = None
    mteb: MtebTask | None = None

    @model_validator(mode="after")
    def _names_judgements_and_something_to_rank(self) -> Self:
        names_files = bool(self.folder or self.candidates or self.qrels or self.queries)
        if self.synthetic is not None:
            if names_files or self.mteb is not None:
                raise ValueError("'synthetic' text is drawn: name no files beside it")
            return self
        if self.mteb is not None:
            # A benchmark's split is that of its folder: another one beside the task's would be passed over.
            if names_files or "split" in self.model_fields_set:
                raise ValueError("a task of 'mteb' brings its texts along: name no files beside it, and its split inside it")
            return self
        if not self.folder and not (self.candidates and self.qrels):
            raise ValueError("name a 'folder' in BEIR form, or 'candidates' and 'qrels', or a task of 'mteb'")
        return self

    @property
    def files(self) -> Mapping[str, str]:
        """First stage → file of candidate lists."""
        return {UNNAMED: self.candidates} if isinstance(self.candidates, str) else self.candidates


class OwnCollection:
    """One's own benchmark.

    Args:
        base: Where the options' paths start from.
    """

    lists_are_whole = False
    """Whether its lists are all that there is to rank, so that a depth beyond them asks for nothing that is not there."""

    def __init__(self, name: str, options: OwnBenchmark, base: Path) -> None:
        self.name = name
        self.counts = Counts()
        self._options = options
        self._base = base
        self._lists: dict[str, list[CandidateList]] = {}
        self._known: dict[Path, DataFile] = {}

    @property
    def title(self) -> str:
        return self._options.title or self.name

    @property
    def licence(self) -> str:
        return "your own"

    @property
    def instruction(self) -> str:
        return self._options.instruction or prompts.load("e2rank-query").values["task"]

    @property
    def relevant(self) -> int:
        return self._options.relevant

    @property
    def first_stages(self) -> tuple[str, ...]:
        """Those whose lists the configuration names."""
        return tuple(self._list_files)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the qrels file's bytes."""
        return self.qrels_file().sha256

    def qrels(self) -> Qrels:
        """Raises: MissingData: there is no such file. DataError: it is damaged."""
        return self._qrels

    def qrels_file(self) -> DataFile:
        """The file behind `qrels`."""
        return self._file(self._qrels_path)

    def queries(self, form: QueryForm = "original") -> Sequence[Query]:
        """The judged queries of a folder (whose file holds those of every split), else those of the file or of the lists.

        Raises:
            MissingData: there is no such file, no query text, or another form than the original is asked for.
        """
        if form != "original":
            raise MissingData(f"{self.name} has no {form} queries: BRIGHT alone has.", hint="Take the original ones.")
        return [Query(query_id, text) for query_id, text in self._query_texts.items()]

    def candidates(self, first_stage: str, depth: int) -> Sequence[CandidateList]:
        """The lists of a first stage, at most `depth` long, in the order of its file.

        Raises:
            MissingData: the configuration names none, there is no such file, or its lists are all shorter than `depth`.
            DataError: the file is damaged.
        """
        lists = self._all_lists(first_stage)
        deepest = max(map(len, lists))
        if depth > deepest and not self.lists_are_whole:
            raise MissingData(f"The {first_stage} lists of {self.name} are {deepest} deep, not {depth}.", hint=f"Set depth: {deepest}")
        return [candidates.top(depth) for candidates in lists]

    def list_file(self, first_stage: str, depth: int) -> DataFile:
        """The file behind `candidates`."""
        self.candidates(first_stage, depth)
        return self._file(self._list_files[first_stage])

    def list_path(self, first_stage: str, depth: int) -> Path:
        """Where the file behind `candidates` lies."""
        self.candidates(first_stage, depth)
        return self._list_files[first_stage]

    def deepest(self, first_stage: str) -> int | None:
        """How deep the deepest list is; None where the configuration names no lists of this first stage."""
        return max(map(len, self._all_lists(first_stage))) if first_stage in self._list_files else None

    def corpus(self, *, fetch: bool = True) -> BeirCorpus:  # noqa: ARG002 the interface of collections; nothing is fetched
        """The folder's documents. Raises: MissingData: the configuration names no folder, or it has no corpus file."""
        if self._folder is None:
            raise MissingData(
                f"The documents of {self.name} are not at hand: its configuration names no folder.", hint="Name a BEIR folder: folder: DIR"
            )
        return BeirCorpus(self._folder, self.name, source=self._source)

    @property
    def has_exclusions(self) -> bool:
        """Whether documents are excluded from some queries."""
        return False

    def excluded(self, *, fetch: bool = True) -> Exclusions | None:  # noqa: ARG002 the interface of collections
        """None: nothing is excluded."""
        return None

    def exclusions_file(self) -> DataFile | None:
        """None: nothing is excluded."""
        return None

    @property
    def _source(self) -> str:
        """Where its files came from, for manifests."""
        return SOURCE

    @property
    def _folder(self) -> Path | None:
        return self._path(self._options.folder) if self._options.folder else None

    @property
    def _list_files(self) -> Mapping[str, Path]:
        """First stage → file of candidate lists."""
        return {first_stage: self._path(file) for first_stage, file in self._options.files.items()}

    @property
    def _qrels_path(self) -> Path:
        if self._options.qrels or self._folder is None:
            return self._path(self._options.qrels)
        return self._folder / "qrels" / f"{self._options.split}.tsv"

    @cached_property
    def _qrels(self) -> Qrels:
        return read_qrels(self._qrels_path)

    @cached_property
    def _query_texts(self) -> Mapping[str, str]:
        if self._written_texts is not None:
            whole_folder = not self._options.queries
            return {q: text for q, text in self._written_texts.items() if not whole_folder or q in self.qrels()}
        return {c.query.id: c.query.text for first_stage in self.first_stages for c in self._all_lists(first_stage)}

    @cached_property
    def _written_texts(self) -> Mapping[str, str] | None:
        """Every query of the file or folder that the configuration names; None where it names none."""
        if self._options.queries:
            return _read_texts(self._path(self._options.queries))
        return {query.id: query.text for query in read_beir_queries(self._folder)} if self._folder else None

    def _all_lists(self, first_stage: str) -> list[CandidateList]:
        self._check_named(first_stage)
        if first_stage not in self._lists:
            path = self._list_files[first_stage]
            self._file(path)
            self._lists[first_stage] = read_candidates(path, queries=self._written_texts).lists
        return self._lists[first_stage]

    def _check_named(self, first_stage: str) -> None:
        if first_stage not in self._list_files:
            raise MissingData(
                f"The configuration of {self.name} names no {first_stage} lists. {nearest(first_stage, self.first_stages)}",
                hint=f"candidates: {{{first_stage}: FILE}}, or rerankbench candidates build",
            )

    def _path(self, name: str) -> Path:
        return self._base / Path(name).expanduser()

    def _file(self, path: Path) -> DataFile:
        if path not in self._known:
            if not path.is_file():
                raise MissingData(f"There is no file {path}.")
            # Without its folder: a manifest says the same wherever the file lies.
            self._known[path] = DataFile(path.name, self._source, sha256_of(path))
        return self._known[path]


def _read_texts(path: Path) -> Mapping[str, str]:
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        return {query.id: query.text for query in read_query_lines(path)}
    return read_query_table(path)
