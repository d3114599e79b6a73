"""The stage contracts. Whatever fulfils one can stand in its place; nothing here does any work.

Every module imports on a bare machine: heavy libraries are imported inside constructors.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rerankbench.records import Call, CandidateList, Chat, Document, Prompt, Qrels, Query, Ranked

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
ScoreKind = Literal["logit", "logprob"]


class Benchmark(Protocol):
    """Queries, judgements and candidate lists of one test collection."""

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the judgements' content, as lower-case hexadecimal."""
        ...

    def queries(self) -> Sequence[Query]: ...

    def qrels(self) -> Qrels: ...

    def candidates(self, first_stage: str, depth: int) -> Sequence[CandidateList]:
        """The lists of a first stage, in the order of its file, each at most `depth` long.

        Raises:
            MissingData: no source has them; the hint is the download that would.
        """
        ...


class Corpus(Protocol):
    """The documents that a first stage searches. May be larger than memory: read it in order, or ask for a few."""

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str:
        """SHA-256 over ids, titles and texts in the corpus's order, as lower-case hexadecimal."""
        ...

    def __len__(self) -> int: ...

    def documents(self) -> Iterator[Document]:
        """Every document, in the corpus's order."""
        ...

    def subset(self, ids: Collection[str]) -> dict[str, Document]:
        """The documents of these ids, by one pass; an id that the corpus lacks is left out."""
        ...


class FirstStage(Protocol):
    """Retrieves candidate lists from a corpus."""

    @property
    def name(self) -> str: ...

    def retrieve(self, corpus: Corpus, queries: Sequence[Query], depth: int) -> list[CandidateList]:
        """The best `depth` documents of each query, with their texts.

        Returns:
            One list a query, same order. A list may be shorter, also empty, where a method finds fewer documents.
        """
        ...


@runtime_checkable
class Closes(Protocol):
    """A first stage that holds a model, and gives it back."""

    def close(self) -> None: ...


class BuildsFirstStage(Protocol):
    """The class of a first stage, as the registry finds it: `build(options, workspace)` makes it, nothing heavy before.

    Attributes:
        Options: A frozen pydantic model (a `config.Options`).
    """

    name: ClassVar[str]

    @classmethod
    def build(cls, options: object, workspace: Path) -> FirstStage:
        """
        Args:
            workspace: Folder for what is worth keeping between calls (indexes, embeddings), content-addressed.
        """
        ...

    @classmethod
    def provenance(cls, options: object) -> Mapping[str, str]:
        """What besides options and corpus decides the lists: weights, versions of tools. Loads nothing and is quick.

        Raises:
            MissingError: a package, Java or weights are not at hand.
        """
        ...


class Ranker(Protocol):
    """Orders candidate lists. Knows no benchmark and no measure."""

    @property
    def name(self) -> str: ...

    def rank(self, batch: Sequence[CandidateList]) -> list[Ranked]:
        """Rank every list of the batch.

        Returns:
            One result a list, same length and order as the batch. What a list gets does not depend on its neighbours
            (but for floating-point noise of the engine).
        """
        ...


@runtime_checkable
class EncodesDocuments(Protocol):
    """A ranker that embeds documents apart from any query, so that their vectors may be at hand before a query comes."""

    def document_inputs(self, batch: Sequence[CandidateList]) -> list[str]:
        """The texts of which `rank` of this batch asks the vectors of documents, to the byte; each once.

        Raises:
            DataError, OverLengthError: as `rank`.
        """
        ...


@runtime_checkable
class TextEmbedder(Protocol):
    """Texts to vectors. An input longer than `max_tokens` raises OverLengthError: whoever asks decides how to shorten."""

    def embed(self, texts: Sequence[str]) -> Floats:
        """Returns: shape (texts, dimensions), float32, every row of unit length (or zero for a text without content)."""
        ...


@runtime_checkable
class TextGenerator(Protocol):
    """Prompts to answers, greedily: the same prompt gives the same answer."""

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int, stop: Sequence[str] = ()) -> list[Call]:
        """
        Args:
            stop: An answer ends before the first of these texts that it would hold; what ended it is not part of `text`.

        Returns:
            One call a prompt, same order, with the answer in `text` and why it ended in `finish`.
        """
        ...


@runtime_checkable
class AnswerForcer(Protocol):
    """Writes answers that it is told, with the work that a model of its shape does for answers of its own.

    For measurements of speed: only engines whose weights are drawn can do it, so that no order that comes of it is a model's.
    """

    def generate_forced(self, prompts: Sequence[Prompt], answers: Sequence[str], *, max_tokens: int) -> list[Call]:
        """
        Args:
            answers: One a prompt. Each costs the tokens that the tokenizer makes of it, and the end token.

        Returns:
            One call a prompt, same order, with the answer in `text`. Every token was decoded by a step of its own, whose logits over
            the whole vocabulary were computed, as a greedy answer's are.

        Raises:
            EngineError: an answer with its end token has more than `max_tokens` tokens.
        """
        ...


@runtime_checkable
class ForgetsInputs(Protocol):
    """An engine that may keep something of an input for a later one: its tokens, or what was computed for its beginning."""

    def forget_inputs(self) -> None:
        """Keep nothing of what was read so far: the next input is read as if it were the first.

        Raises:
            EngineError: it could not.
        """
        ...


@runtime_checkable
class PatternGenerator(Protocol):
    """A generator whose answers can be held to a form."""

    def generate_pattern(self, prompts: Sequence[Prompt], *, max_tokens: int, patterns: Sequence[str]) -> list[Call]:
        """
        Args:
            patterns: A regular expression a prompt, which its whole answer matches unless it meets `max_tokens`. Groups, alternatives,
                classes and counts only: what every back end of constrained decoding understands.

        Returns:
            As `TextGenerator.generate`.
        """
        ...


@runtime_checkable
class TokenScorer(Protocol):
    """Next-token scores of given labels."""

    def label_scores(self, prompts: Sequence[Prompt], labels: Sequence[str], *, kind: ScoreKind = "logprob") -> Doubles:
        """
        Args:
            labels: Each is one token where it follows a prompt directly (a blank before a word is part of it). For an
                encoder-decoder model it is the first token of the answer.
            kind: What is returned. Differences within a row are the same for both; across rows only logits compare as they were
                trained where a score is a single logit.

        Returns:
            Shape (prompts, labels), float64: the unnormalised ``logit``, or the ``logprob``, its natural logarithm after a softmax over
            the whole vocabulary (a row need not sum to one). Minus infinity where a server keeps a label's score to itself
            because it is small.

        Raises:
            EngineError: a label is not one token, or the engine cannot give scores of this kind.
        """
        ...


@runtime_checkable
class PairScorer(Protocol):
    """Relevance of (query, document) pairs, as a cross-encoder gives it. Cuts long pairs by its own rule, as its authors did."""

    def score_pairs(self, pairs: Sequence[tuple[str, str]]) -> Doubles:
        """Returns: shape (pairs,), float64, higher is more relevant: the single logit, or the log-probability of the relevant class."""
        ...

    def pair_tokens(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[int, int]]:
        """Returns: for each pair, the tokens that are read (special tokens included) and those that are cut off."""
        ...


@runtime_checkable
class FusionGenerator(Protocol):
    """An encoder-decoder that reads several texts apart and answers over all of them (Fusion-in-Decoder)."""

    def generate_fused(self, groups: Sequence[Sequence[str]], *, max_tokens: int) -> list[Call]:
        """
        Args:
            groups: The texts that one answer is about; each text is encoded on its own.

        Returns:
            One call a group, same order, greedy.

        Raises:
            OverLengthError: a text is longer than the engine takes.
        """
        ...


@runtime_checkable
class ListScorer(Protocol):
    """Scores the documents of a query together, in one pass over all of them."""

    def score_lists(self, lists: Sequence[tuple[str, Sequence[str]]]) -> list[Doubles]:
        """
        Args:
            lists: Queries, each with its documents in the order in which they are to be read.

        Returns:
            For each list shape (documents,), float64, higher is more relevant.

        Raises:
            OverLengthError: a list is longer than the engine takes.
        """
        ...


@runtime_checkable
class Tokens(Protocol):
    """An engine that can say how long an input is before it works on it."""

    @property
    def max_tokens(self) -> int:
        """The longest input that the engine takes, in tokens, special tokens included."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text as the engine would read it, special tokens included."""
        ...

    def truncate(self, text: str, max_tokens: int) -> str:
        """The longest beginning of `text`, cut at a token's end, that counts at most `max_tokens` tokens."""
        ...


@runtime_checkable
class ChatTemplate(Protocol):
    """An engine whose model may have a chat template: a class has the method, the loaded model decides."""

    @property
    def has_chat_template(self) -> bool: ...

    def render_chat(self, chat: Chat) -> str:
        """The chat as one text that ends where the model goes on: with the generation prompt and the answer's beginning, if it has one.

        Raises:
            EngineError: the model has no template (`has_chat_template` is False), or its template refuses these messages.
        """
        ...


@runtime_checkable
class Engine(Protocol):
    """A loaded model, or what stands for one, with some of the capabilities above.

    Attributes:
        caveat: What every table that this engine touched must say, e.g. that it is no language model. Empty: nothing.
    """

    name: ClassVar[str]
    caveat: ClassVar[str]

    def synchronise(self) -> None:
        """Return when the device has finished all work given so far."""
        ...

    def close(self) -> None:
        """Give memory and processes back. The engine is not used afterwards."""
        ...


@runtime_checkable
class Accounts(Protocol):
    """An engine that can say what came of its work, for the run's manifest: what a server said that it served, what was spent."""

    def account(self) -> Mapping[str, object]: ...


class BuildsEngine(Protocol):
    """The class of an engine, as the registry finds it. Its constructor takes the options alone and loads the model.

    Attributes:
        Options: A frozen pydantic model (a `config.Options`).
    """

    name: ClassVar[str]
    caveat: ClassVar[str]

    @classmethod
    def provenance(cls, options: object) -> Mapping[str, str]:
        """What besides the options decides the engine's output: hash of the weights, commit of a hub model.

        Loads nothing and is quick, so that a plan can ask.

        Raises:
            MissingExtra: a package is not installed.
            MissingWeights: the model is not at hand and could not be fetched now.
        """
        ...


class Timer(Protocol):
    """Where a ranker times its phases (`clock.Clock` is one)."""

    def span(self, name: str, *, query_ids: Sequence[str] = (), warmup: bool = False) -> AbstractContextManager[None]: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What a ranker may be built from.

    Attributes:
        benchmark: The benchmark's name, for prompts that are worded for one data set.
        engine: None for rankers that need none.
        qrels: Loads the judgements; only the oracle asks.
        clock: Where the ranker's phases are timed.
    """

    benchmark: str
    engine: Engine | None
    qrels: Callable[[], Qrels]
    clock: Timer


@dataclass(frozen=True, slots=True)
class Workload:
    """What ranking some lists will ask of an engine, estimated before it is asked.

    Attributes:
        prompts: Prompts that hold a query.
        texts: Distinct documents embedded on their own.
        words: White-space separated words in all of these.
        new_tokens: Tokens that may be generated at most.
    """

    prompts: int = 0
    texts: int = 0
    words: int = 0
    new_tokens: int = 0


class BuildsRanker(Protocol):
    """The class of a ranker, as the registry finds it.

    Attributes:
        Options: A frozen pydantic model (a `config.Options`) with the paper's values as defaults.
        reads_text: Whether documents' texts are read; False lets it work on a bare run.
    """

    reads_text: ClassVar[bool]

    @classmethod
    def needs(cls, options: object) -> tuple[type, ...]:
        """The engine capabilities without which it cannot work with these options; empty for rankers without an engine."""
        ...

    @classmethod
    def build(cls, options: object, parts: Parts) -> Self: ...

    @classmethod
    def provenance(cls, options: object, benchmark: str) -> Mapping[str, str]:
        """What besides the options decides the order: the hash of each prompt as worded for this benchmark."""
        ...

    @classmethod
    def workload(cls, options: object, lists: Sequence[CandidateList]) -> Workload: ...
