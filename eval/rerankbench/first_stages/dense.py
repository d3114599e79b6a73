r"""Dense retrieval: any embedding engine over a corpus, searched exactly. Knows no benchmark, and engines by their names alone.

How published retrievers write their texts (``{text}`` stands for the query, or for title and text of the document)::

    BGE-base-en-v1.5      query  "Represent this sentence for searching relevant passages: {text}"      document "{text}"
    Contriever            query  "{text}"                                                               document "{text}"
    Qwen3-Embedding       query  "Instruct: TASK\nQuery:{text}"   (the tokenizer ends texts itself)      document "{text}"
    E2Rank                query  "Instruct: TASK\nQuery:{text}<|endoftext|>"   document "{text}<|endoftext|>", max_words 1024
    ReasonIR              query  "<|user|>\nINSTRUCTION\n<|embed|>\n{text}"  document "<|embed|>\n{text}"

Contriever's own scores are dot products of vectors that are not of unit length; engines here give unit vectors, so that its lists are
those of the cosine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
from pydantic import Field, field_validator

from rerankbench import config, registry
from rerankbench.errors import ConfigError, DataError, MissingExtra, UsageError
from rerankbench.first_stages.embedded import Dtype, EmbeddedCorpus, check_vectors
from rerankbench.first_stages.exact import Best, search
from rerankbench.first_stages.shards import CALL_DOCUMENTS, Progress, ShardFolder, no_progress, warn
from rerankbench.first_stages.texts import SLOT, Overflow, TextRule
from rerankbench.protocols import BuildsEngine, Corpus, Engine, Floats, TextEmbedder, Tokens
from rerankbench.records import CandidateList, Document, Query

BEHAVIOUR = "1"
"""Part of what names embeddings and lists. Raised whenever the same options and corpus would give others than before."""


class DenseOptions(config.Options):
    """
    Attributes:
        engine: ``{kind: …, option: …}`` of an engine that embeds.
        query_template, document_template: What is embedded; each holds ``{text}`` once. A document's text is its title, a blank and its
            text, or its text alone where it has no title.
        query_prompt: A prompt of the kind ``query``, by name, in place of `query_template`: in the wording of the benchmark that is
            searched, with what `document_template` has behind ``{text}`` as the end token.
        max_words: A document's words that are read; None reads all of them.
        overflow: What happens to a text that is longer than the engine takes (see `TextRule`).
        dtype: Of the vectors on disk. In float16 a cosine of two is off by 1e-4 at most.
        shard_documents: What a stop may lose at most. Where an embedded corpus is there already, its own size stays.
    """

    engine: dict[str, Any]
    query_template: str = SLOT
    document_template: str = SLOT
    query_prompt: str = ""
    max_words: int | None = Field(default=None, ge=1)
    overflow: Overflow = "truncate"
    dtype: Dtype = "float16"
    shard_documents: int = Field(default=50_000, ge=1)

    @field_validator("engine")
    @classmethod
    def _checked_engine(cls, engine: dict[str, Any]) -> dict[str, Any]:
        """With every option, defaults included."""
        try:
            part = _engine_part(engine)
            embeds = hasattr(registry.find("engine", part.kind), "embed")
        except ConfigError as error:
            raise ValueError(error.message) from error  # pydantic then adds the place in the file
        if not embeds:
            raise ValueError(f"a dense first stage needs an engine that embeds, and {part.kind!r} does not")
        return part.as_data()

    @field_validator("query_template", "document_template")
    @classmethod
    def _one_slot(cls, template: str) -> str:
        if template.count(SLOT) != 1:
            raise ValueError(f"a template holds {SLOT} once")
        return template


class DenseFirstStage:
    """Retrieves by the cosine of query and document, exactly; equal scores come in the corpus's order. Native scores are the cosines.

    Args:
        workspace: Vectors are kept below ``embeddings/`` here.
        engine: The engine of the options, where it is loaded already; else it is loaded when it is first needed.
        progress: Called while a corpus is being embedded.
        say: Told of shards that were damaged and are made again.
    """

    Options = DenseOptions
    name: ClassVar[str] = "dense"

    def __init__(
        self,
        options: DenseOptions,
        workspace: Path,
        *,
        engine: TextEmbedder | None = None,
        progress: Progress = no_progress,
        say: Callable[[str], None] = warn,
    ) -> None:
        if options.query_prompt:  # whoever knows the benchmark puts its wording into `query_template`
            raise UsageError(f"A dense first stage does not know which benchmark words the prompt {options.query_prompt!r}.")
        self._options = options
        self._workspace = workspace
        self._engine = engine
        self._owns_engine = engine is None
        self._progress = progress
        self._say = say
        self._document_rule = TextRule(options.document_template, options.max_words, options.overflow)
        self._query_rule = TextRule(options.query_template, None, options.overflow)
        self._embedded: dict[str, EmbeddedCorpus] = {}
        self._query_counts: Counter[str] = Counter()

    @classmethod
    def build(cls, options: object, workspace: Path) -> Self:
        return cls(cls.Options.model_validate(options), workspace)

    @classmethod
    def provenance(cls, options: object) -> Mapping[str, str]:
        """What identifies the engine's weights. The search is exact, so faiss's version decides nothing.

        Raises:
            MissingError: faiss, the engine's packages or its weights are not at hand.
        """
        _require_faiss()
        part = _engine_part(cls.Options.model_validate(options).engine)
        return {"dense": BEHAVIOUR, **cast("type[BuildsEngine]", registry.find("engine", part.kind)).provenance(part.options)}

    def retrieve(self, corpus: Corpus, queries: Sequence[Query], depth: int) -> list[CandidateList]:
        """The best `depth` documents of each query, or all documents where the corpus holds fewer.

        Raises:
            MissingError: faiss, the engine's packages or its weights are not at hand.
            DataError: the corpus is empty, or changed while it was read.
            StoreError: another process is embedding this corpus, or the workspace cannot be written.
        """
        if depth < 1:
            raise UsageError(f"A candidate list has a depth of 1 or more, not {depth}.")
        _require_faiss()  # now, and not after hours of encoding
        embedded = self.embed(corpus)
        if not queries:
            return []
        best = search(embedded.blocks(), self._query_vectors(queries), depth)
        return lists_of(best, embedded.ids_at, corpus, queries)

    def embed(self, corpus: Corpus) -> EmbeddedCorpus:
        """The corpus's vectors: opened where they are there, else made, going on where a stop left them.

        Raises: as `retrieve`.
        """
        key = corpus.fingerprint
        if key not in self._embedded:
            if not len(corpus):
                raise DataError(f"Corpus {corpus.name!r} holds no document.")
            shards = ShardFolder(self._workspace / "embeddings", self._identity(corpus), len(corpus), self._options.shard_documents)
            make = EmbeddedCorpus.make
            self._embedded[key] = make(shards, corpus, self._encode, self._options.dtype, progress=self._progress, say=self._say)
        return self._embedded[key]

    def document_texts(self, documents: Sequence[Document]) -> list[str]:
        """What is embedded for these documents, byte for byte."""
        return self._texts(documents)[0]

    def document_vectors(self, corpus: Corpus, documents: Sequence[Document]) -> tuple[list[str], Floats]:
        """What a reranker on the same engine need not embed again: texts, and the vectors that were found for them.

        The vectors are those on disk: in float16 they differ from fresh ones in the fourth digit.
        """
        return self.document_texts(documents), self.embed(corpus).vectors([d.id for d in documents])

    def facts(self) -> dict[str, Any]:
        """What had to be done to texts so far, for a manifest: per corpus by its fingerprint, and for the queries."""
        return {"documents": {k: e.manifest["counts"] for k, e in self._embedded.items()}, "queries": dict(self._query_counts)}

    def close(self) -> None:
        """Give the engine's memory back, where it was loaded here."""
        if self._owns_engine and self._engine is not None:
            cast("Engine", self._engine).close()
            self._engine = None

    def _identity(self, corpus: Corpus) -> dict[str, Any]:
        """All that decides the vectors. The same weights in another folder are the same model."""
        facts = dict(self.provenance(self._options))
        engine = {k: v for k, v in self._options.engine.items() if k != "model" or "weights_sha256" not in facts}
        rule = self._document_rule
        texts = {"template": rule.template, "max_words": rule.max_words, "overflow": rule.overflow}
        return {"corpus": corpus.fingerprint, "engine": {**engine, **facts}, "texts": texts, "dtype": self._options.dtype}

    def _embedder(self) -> TextEmbedder:
        if self._engine is None:
            part = _engine_part(self._options.engine)
            self._engine = cast("TextEmbedder", registry.find("engine", part.kind)(part.options))
        return self._engine

    def _tokens(self) -> Tokens | None:
        engine = self._embedder()
        return engine if isinstance(engine, Tokens) else None

    def _texts(self, documents: Sequence[Document]) -> tuple[list[str], Counter[str]]:
        return self._document_rule.texts([d.contents for d in documents], self._tokens())

    def _encode(self, documents: Sequence[Document]) -> tuple[Floats, Counter[str]]:
        texts, counts = self._texts(documents)
        return self._embedder().embed(texts), counts

    def _query_vectors(self, queries: Sequence[Query]) -> Floats:
        texts, self._query_counts = self._query_rule.texts([q.text for q in queries], self._tokens())
        calls = [texts[i : i + CALL_DOCUMENTS] for i in range(0, len(texts), CALL_DOCUMENTS)]
        vectors = np.concatenate([self._embedder().embed(call) for call in calls])
        check_vectors(vectors, [f"query {q.id!r}" for q in queries])
        return vectors


def lists_of(
    best: Best, ids_at: Callable[[Sequence[int]], Mapping[int, str]], corpus: Corpus, queries: Sequence[Query]
) -> list[CandidateList]:
    """Candidate lists, with the texts that one pass over the corpus finds.

    Raises:
        DataError: the corpus no longer has a document that it had when it was encoded.
    """
    found = [best.of(i) for i in range(len(queries))]
    ids = ids_at([p for positions, _ in found for p in positions])
    documents = corpus.subset(set(ids.values()))
    missing = set(ids.values()) - documents.keys()
    if missing:
        raise DataError(f"Corpus {corpus.name!r} changed while it was read: {len(missing)} documents are gone, e.g. {min(missing)!r}.")
    return [
        CandidateList(query, tuple(documents[ids[p]] for p in positions), tuple(scores))
        for query, (positions, scores) in zip(queries, found, strict=True)
    ]


def _engine_part(data: Mapping[str, Any]) -> config.Part:
    return config.build_part("engine", data, lambda key: ".".join(map(str, ("engine", *key))))


def _require_faiss() -> None:
    if find_spec("faiss") is None:
        raise MissingExtra("dense first stage", "retrieval", "No module named 'faiss'")
