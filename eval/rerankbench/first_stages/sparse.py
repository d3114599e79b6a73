"""Learned sparse retrieval: a SparseEncoder (SPLADE++ ED and its kin) of sentence-transformers over a corpus on disk, searched exactly.

A document's row holds a weight for each word of the model's vocabulary that the model thinks it is about; its score is the dot product
with the query's row, and a document that shares no word with the query is not found. Rows are kept as a CSR matrix a shard:
``data.npy`` (float32), ``indices.npy`` (int32), ``indptr.npy`` (int64). At 200 weights a document MS MARCO's 8,841,823 passages take
8,841,823 x (200 x 8 + 8) bytes = 14.2 GB on disk, and a shard of 50,000 passages 80 MB; one shard is in memory at a time.

The paper's own lists come from Anserini's index of quantised weights, which needs Java and not this file::

    python -m pyserini.search.lucene --index msmarco-v1-passage.splade-pp-ed --topics dl19-passage --impact --hits 1000
        --encoder naver/splade-cocondenser-ensembledistil --output run.splade-pp-ed.dl19.txt

(Pyserini's reproduction matrix, ``splade-pp-ed-pytorch``: nDCG@10 .7308 on DL19, .7197 on DL20). Quantised to 1/51 of a unit there, and
not here: scores of the two agree when divided, ranks nearly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rerankbench import config, hub, registry
from rerankbench.errors import DataError, EngineError, MissingError, MissingExtra, MissingWeights, UsageError
from rerankbench.first_stages.dense import lists_of
from rerankbench.first_stages.exact import Best
from rerankbench.first_stages.shards import CALL_DOCUMENTS, Progress, ShardFolder, no_progress, warn, writing
from rerankbench.protocols import BuildsEngine, Corpus, Doubles
from rerankbench.records import CandidateList, Document, Query

BEHAVIOUR = "1"
_QUERIES_AT_ONCE = 64

Csr = Any
"""`scipy.sparse.csr_array`; scipy is not needed to import this file."""


class SparseOptions(config.Options):
    """
    Attributes:
        model: A name on the hub, or a folder: a SparseEncoder, or a masked language model, which is read as SPLADE with max pooling.
        revision: Branch, tag or commit of a hub model.
        prebuilt: Name of an index of Anserini's to be searched instead, e.g. ``msmarco-v1-passage.splade-pp-ed``.
        max_query_tokens: Queries are cut to it; 256 as in Pyserini.
        max_document_tokens: Documents are cut to it; 512 as in Pyserini.
        shard_documents: What a stop may lose at most. Where an encoded corpus is there already, its own size stays.
    """

    model: str = "naver/splade-cocondenser-ensembledistil"
    revision: str = "main"
    prebuilt: str = ""
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    batch_size: int = Field(default=32, ge=1)
    max_query_tokens: int = Field(default=256, ge=3)
    max_document_tokens: int = Field(default=512, ge=3)
    shard_documents: int = Field(default=50_000, ge=1)


class SparseFirstStage:
    """Retrieves by the dot product of sparse rows, exactly; equal scores come in the corpus's order.

    Args:
        workspace: Rows are kept below ``sparse/`` here.
        progress: Called while a corpus is being encoded.
        say: Told of shards that were damaged and are made again.
    """

    Options = SparseOptions
    name: ClassVar[str] = "sparse"

    def __init__(
        self, options: SparseOptions, workspace: Path, *, progress: Progress = no_progress, say: Callable[[str], None] = warn
    ) -> None:
        self._options = options
        self._workspace = workspace
        self._progress = progress
        self._say = say
        self._encoder: _Encoder | None = None
        self._query_counts: Counter[str] = Counter()
        self._folders: dict[str, ShardFolder] = {}

    @classmethod
    def build(cls, options: object, workspace: Path) -> Self:
        return cls(cls.Options.model_validate(options), workspace)

    @classmethod
    def provenance(cls, options: object) -> Mapping[str, str]:
        """What identifies the weights.

        Raises:
            MissingError: a package or the weights are not at hand, or a prebuilt index is wanted.
        """
        checked = cls.Options.model_validate(options)
        if checked.prebuilt:
            raise _prebuilt_missing(checked)
        for package in ("scipy", "torch", "sentence_transformers"):
            if find_spec(package) is None:
                raise MissingExtra("sparse first stage", "retrieval,sentence-transformers", f"No module named {package!r}")
        # By name and not by import: the engine of this kind knows what identifies a model of this library.
        engine: Any = registry.find("engine", "sentence_transformers")
        facts = cast("BuildsEngine", engine).provenance(engine.Options(model=checked.model, revision=checked.revision))
        return {"sparse": BEHAVIOUR, **facts}

    def retrieve(self, corpus: Corpus, queries: Sequence[Query], depth: int) -> list[CandidateList]:
        """At most `depth` documents of each query, all with a score above zero.

        Raises:
            MissingError: packages or weights are not at hand, or a prebuilt index is wanted.
            DataError: the corpus is empty, or changed while it was read.
            EngineError: the model is no SparseEncoder.
            StoreError: another process is encoding this corpus, or the workspace cannot be written.
        """
        if depth < 1:
            raise UsageError(f"A candidate list has a depth of 1 or more, not {depth}.")
        shards = self.encode(corpus)
        if not queries:
            return []
        best = Best(len(queries), depth)
        rows = self._query_rows(queries)
        for number in range(len(shards)):
            _search_shard(best, shards.first(number), _read(shards, number), rows)
        return lists_of(best, shards.ids_at, corpus, queries)

    def encode(self, corpus: Corpus) -> ShardFolder:
        """The corpus's rows: opened where they are there, else made, going on where a stop left them. Raises: as `retrieve`."""
        key = corpus.fingerprint
        if key not in self._folders:
            if not len(corpus):
                raise DataError(f"Corpus {corpus.name!r} holds no document.")
            shards = ShardFolder(self._workspace / "sparse", self._identity(corpus), len(corpus), self._options.shard_documents)
            shards.fill(corpus, self._write, progress=self._progress, say=self._say)
            self._folders[key] = shards
        return self._folders[key]

    def facts(self) -> dict[str, Any]:
        """What had to be done to texts so far, for a manifest: per corpus by its fingerprint, and for the queries."""
        return {"documents": {k: f.manifest()["counts"] for k, f in self._folders.items()}, "queries": dict(self._query_counts)}

    def close(self) -> None:
        self._encoder = None

    def _identity(self, corpus: Corpus) -> dict[str, Any]:
        facts = dict(self.provenance(self._options))
        elsewhere = {"shard_documents", "prebuilt", "max_query_tokens"} | ({"model", "revision"} if "weights_sha256" in facts else set())
        return {"corpus": corpus.fingerprint, "encoder": {**self._options.model_dump(mode="json", exclude=elsewhere), **facts}}

    def _loaded(self) -> _Encoder:
        if self._encoder is None:
            self._encoder = _Encoder(self._options, self.provenance(self._options).get("hub_commit"))
        return self._encoder

    def _query_rows(self, queries: Sequence[Query]) -> Csr:
        rows, truncated = self._loaded().rows([q.text for q in queries], "query", self._options.max_query_tokens)
        self._query_counts = Counter(truncated=truncated, without_weights=int((np.diff(rows.indptr) == 0).sum()))
        return rows

    def _write(self, documents: Iterator[Document], create: Callable[[str], Path]) -> Counter[str]:
        counts, parts = Counter[str](), []
        while batch := list(islice(documents, CALL_DOCUMENTS)):
            rows, truncated = self._loaded().rows([d.contents for d in batch], "document", self._options.max_document_tokens)
            counts.update(truncated=truncated, without_weights=int((np.diff(rows.indptr) == 0).sum()))
            parts.append(rows)
        shard = _scipy_sparse().vstack(parts, format="csr")
        arrays = {"data": shard.data, "indices": shard.indices.astype(np.int32), "indptr": shard.indptr.astype(np.int64)}
        arrays["words"] = np.array([shard.shape[1]])
        for name, array in arrays.items():
            with writing(self._workspace), create(f"{name}.npy").open("wb") as file:
                np.save(file, array)
        return counts


class _Encoder:
    """A loaded SparseEncoder.

    Args:
        commit: Of a hub model; None for a folder.

    Raises:
        MissingWeights: the hub does not give the model.
        EngineError: it cannot be loaded, or is no SparseEncoder.
    """

    def __init__(self, options: SparseOptions, commit: str | None) -> None:
        import torch
        from sentence_transformers import SparseEncoder

        self._batch_size = options.batch_size
        try:
            self.model = SparseEncoder(
                options.model,
                revision=commit,
                device=None if options.device == "auto" else options.device,
                cache_folder=str(hub.cache_folder()),
                local_files_only=commit is None or hub.is_offline(),
                model_kwargs={"dtype": getattr(torch, options.dtype)},
            ).eval()
        except OSError as error:
            hint = f"hf download {options.model} --revision {commit}" if commit else "Is the folder complete?"
            raise MissingWeights(f"The weights of {options.model!r} are not at hand: {error}", hint=hint) from error
        except (ValueError, KeyError, RuntimeError) as error:
            raise EngineError(f"{options.model!r} cannot be loaded as a SparseEncoder: {type(error).__name__}: {error}") from error
        folder = hub.snapshot_folder(options.model, commit, "model") if commit else Path(options.model)
        self._refuse_untrained_head(options.model, folder)

    def rows(self, texts: Sequence[str], kind: Literal["query", "document"], max_tokens: int) -> tuple[Csr, int]:
        """Sparse rows of some texts, float32, and how many of these were cut to `max_tokens`.

        Raises:
            EngineError: the model takes fewer tokens, or gave a weight that is no number.
        """
        self._check_limit(max_tokens)
        truncated = self._count_longer(texts, self.model.prompts.get(kind) or "", max_tokens)
        self.model.max_seq_length = max_tokens
        encode = self.model.encode_query if kind == "query" else self.model.encode_document
        return _csr(encode(list(texts), batch_size=self._batch_size, save_to_cpu=True, show_progress_bar=False)), truncated

    def _count_longer(self, texts: Sequence[str], prompt: str, max_tokens: int) -> int:
        # Without truncation=False a limit that is stored with the tokenizer stays in force.
        ids = self.model.tokenizer([prompt + t for t in texts], truncation=False, padding=False, verbose=False)["input_ids"]
        return sum(len(i) > max_tokens for i in ids)

    def _check_limit(self, max_tokens: int) -> None:
        positions = getattr(getattr(self.model[0], "auto_model", None), "config", None)
        limit = getattr(positions, "max_position_embeddings", max_tokens)
        if max_tokens > limit:
            raise EngineError(f"max_query_tokens or max_document_tokens is {max_tokens}, but the model has {limit} positions only.")

    def _refuse_untrained_head(self, model: str, folder: Path) -> None:
        """The library reads any other model as a SparseEncoder too, by putting a head of random weights on it."""
        modules = folder / "modules.json"
        known = modules.read_text(encoding="utf-8") if modules.is_file() else ""
        heads = [type(m).__name__ for m in self.model if type(m).__name__ == "SparseAutoEncoder"]
        if heads and heads[0] not in known:
            raise EngineError(f"Model {model!r} is no SparseEncoder: the library would score with a head of random weights.")


def _scipy_sparse() -> Any:
    return import_module("scipy.sparse")


def _csr(embeddings: Any) -> Csr:
    """From a COO tensor of torch. Raises: EngineError: a weight that is no number."""
    embeddings = embeddings.coalesce()
    data = embeddings.values().float().numpy()
    if not np.isfinite(data).all():
        raise EngineError("The sparse encoder gave a weight that is not finite.", hint="Set dtype: float32.")
    return _scipy_sparse().csr_array((data, embeddings.indices().numpy()), shape=tuple(embeddings.shape), dtype=np.float32)


def _read(shards: ShardFolder, number: int) -> Csr:
    data, indices, indptr, words = (np.load(shards.file(number, f"{name}.npy")) for name in ("data", "indices", "indptr", "words"))
    return _scipy_sparse().csr_array((data.astype(np.float64), indices, indptr), shape=(len(indptr) - 1, int(words[0])))


def _search_shard(best: Best, first: int, documents: Csr, queries: Csr) -> None:
    """Row by row in float64, each in the order of its words: equal rows get equal scores, wherever they stand."""
    for start in range(0, queries.shape[0], _QUERIES_AT_ONCE):
        some = queries[start : start + _QUERIES_AT_ONCE].astype(np.float64).toarray()
        scores: Doubles = documents @ np.ascontiguousarray(some.T)
        for query in range(scores.shape[1]):
            column = scores[:, query]
            worth = _worth(column, max(best.threshold[start + query], 0.0), best.depth)
            best.offer(start + query, first + worth, column[worth])


def _worth(scores: Doubles, above: float, depth: int) -> NDArray[np.int64]:
    """Positions of scores above a threshold, as many as can be among the best `depth` (more where the last ones are equal)."""
    # Above, not at: what stands later in the corpus gives way to an equal score that is held already.
    worth = np.flatnonzero(scores > above)
    if len(worth) > depth:
        worth = worth[scores[worth] >= np.partition(scores[worth], -depth)[-depth]]
    return worth


def _prebuilt_missing(options: SparseOptions) -> MissingError:
    return MissingError(
        f"The prebuilt index {options.prebuilt!r} is searched by Anserini, which this first stage does not start.",
        hint=(
            f"python -m pyserini.search.lucene --index {options.prebuilt} --topics TOPICS --impact --hits 1000"
            f" --encoder {options.model} --output RUN\n"
            "(pip install 'rerankbench[retrieval]'), then read RUN as a published list; or leave 'prebuilt' out to encode a corpus on disk."
        ),
    )
