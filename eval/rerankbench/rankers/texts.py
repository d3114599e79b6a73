"""How much of a query and its documents a ranker reads: limits in words, characters or tokens, and what they cut, counted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from rerankbench.config import Options
from rerankbench.cutting import first_words
from rerankbench.errors import ConfigError
from rerankbench.protocols import Tokens
from rerankbench.records import CandidateList, Defect, DefectKind

Overflow = Literal["shorten", "truncate", "error"]
_IDENTIFIER = re.compile(r"\[(\d+)\]")


def _has_default(value: int | dict[str, int]) -> int | dict[str, int]:
    if isinstance(value, dict) and "default" not in value:
        raise ValueError("values by benchmark need a 'default' for all others")
    return value


_Positive = Annotated[int, Field(ge=1)]
PerBenchmark = Annotated[_Positive | dict[str, _Positive], AfterValidator(_has_default)]
"""One number for all benchmarks, or one by name or family (``bright`` is for every ``bright-…``) beside a ``default``."""


def value_for(value: int | Mapping[str, int] | None, benchmark: str) -> int | None:
    """The number that holds for `benchmark`: its own, else its family's, else the default."""
    if value is None or isinstance(value, int):
        return value
    return value.get(benchmark, value.get(benchmark.partition("-")[0], value["default"]))


def largest(value: int | Mapping[str, int] | None) -> int | None:
    """Of numbers by benchmark the largest, for estimates that know no benchmark."""
    return max(value.values()) if isinstance(value, Mapping) else value


class TextLimits(Options):
    """What a ranker with a prompt reads of its texts; subclasses set their own defaults. None: no limit.

    Attributes:
        max_words: A document's white-space separated words; the text is then joined by single blanks.
        max_document_characters, max_document_tokens: Of one document, after its words were cut.
        max_query_tokens: Of the query.
        brackets: ``round`` writes ``[1]`` within query and documents as ``(1)``, so that no passage can pass for an identifier
            (RankLLM's rule).
        max_prompt_tokens: Of a whole prompt, besides what the engine takes.
        overflow: What happens to a prompt that is longer than that, where the engine counts tokens (see `inputs.Fitter`).
    """

    max_words: PerBenchmark | None = 300
    max_document_characters: PerBenchmark | None = None
    max_document_tokens: PerBenchmark | None = None
    max_query_tokens: PerBenchmark | None = None
    brackets: Literal["keep", "round"] = "keep"
    max_prompt_tokens: PerBenchmark | None = None
    overflow: Overflow = "shorten"


@dataclass(frozen=True, slots=True)
class Texts:
    """A query and its documents as a ranker reads them.

    Attributes:
        documents: By candidate position.
        defects: What was cut, at most one a kind.
    """

    query: str
    documents: tuple[str, ...]
    defects: tuple[Defect, ...]


class Reader:
    """Cuts candidate lists to a ranker's limits.

    Args:
        engine: Counts tokens, where it can.

    Raises:
        ConfigError: a limit in tokens, on an engine that counts none.
    """

    def __init__(self, limits: TextLimits, benchmark: str, engine: object) -> None:
        self._words = value_for(limits.max_words, benchmark)
        self._characters = value_for(limits.max_document_characters, benchmark)
        self._document_tokens = value_for(limits.max_document_tokens, benchmark)
        self._query_tokens = value_for(limits.max_query_tokens, benchmark)
        self._round = limits.brackets == "round"
        self._tokens = engine if isinstance(engine, Tokens) else None
        if self._tokens is None and (self._document_tokens or self._query_tokens):
            raise ConfigError(
                f"max_document_tokens and max_query_tokens need an engine that counts tokens, and {type(engine).__name__} does not.",
                hint="Set both to null, and limit words instead.",
            )

    def read(self, candidates: CandidateList) -> Texts:
        """
        Raises:
            DataError: a document's text is not at hand.
        """
        cut = [self._document(document.contents) for document in candidates.documents]
        query = self._rounded(candidates.query.text)
        short = query if self._query_tokens is None else self._first_tokens(query, self._query_tokens)
        defects = []
        shortened = sum(was_cut for _, was_cut in cut)
        if shortened:
            defects.append(Defect(DefectKind.SHORTENED, f"documents cut to their first {self._limits()}", shortened))
        empty = sum(not text.strip() for text, _ in cut)
        if empty:
            defects.append(Defect(DefectKind.EMPTY_DOCUMENT, "documents without a word", empty))
        if short != query:
            defects.append(Defect(DefectKind.OVER_LENGTH, f"the query cut to its first {self._query_tokens} tokens"))
        return Texts(short, tuple(text for text, _ in cut), tuple(defects))

    def _document(self, text: str) -> tuple[str, bool]:
        """The text as it is read, and whether something of it was cut."""
        cut, was_cut = first_words(text, self._words) if self._words else (text, False)
        cut = self._rounded(cut)
        if self._characters is not None and len(cut) > self._characters:
            cut, was_cut = cut[: self._characters], True
        if self._document_tokens is not None:
            first = self._first_tokens(cut, self._document_tokens)
            cut, was_cut = first, was_cut or first != cut
        return cut, was_cut

    def _rounded(self, text: str) -> str:
        return _IDENTIFIER.sub(r"(\1)", text) if self._round else text

    def _first_tokens(self, text: str, limit: int) -> str:
        return self._tokens.truncate(text, limit) if self._tokens else text

    def _limits(self) -> str:
        named = ((self._words, "words"), (self._characters, "characters"), (self._document_tokens, "tokens"))
        return " and ".join(f"{limit} {unit}" for limit, unit in named if limit is not None)


def words_read(candidates: CandidateList, max_words: int | None) -> list[int]:
    """How many words of each candidate are read, for estimates."""
    counts = (len(d.contents.split()) for d in candidates.documents)
    return [n if max_words is None else min(n, max_words) for n in counts]
