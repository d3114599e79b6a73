"""How a cross-encoder's tokenizer reads a pair of texts, and which of the two is cut when both are too long. Knows no weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rerankbench.engines.hf_tokens import HfTokens, Ids
from rerankbench.errors import EngineError

PairCut = Literal["longest_first", "only_second"]


@dataclass(frozen=True, slots=True)
class Pair:
    """One pair as a model reads it.

    Attributes:
        types: Which of the texts each token belongs to, as the tokenizer says it.
        cut_tokens: How many tokens of both texts are left out.
    """

    ids: Ids
    types: Ids
    cut_tokens: int


class PairTokens:
    """Pairs of texts as token ids, cut from the right to a limit. A text is tokenised once, however many pairs it is in.

    Args:
        limit: Tokens of a pair at most, special tokens included.
        cut: ``longest_first`` shortens the longer text until both are as long, as the tokenizers library does (monoBERT).
            ``only_second`` cuts the first text to three quarters of the limit, and takes the rest from the second (bge-reranker,
            as FlagEmbedding's encoder-only reranker does it).

    Raises:
        EngineError: the limit has no room for a token of text, or the tokenizer does not mark where the texts of a pair lie.
    """

    def __init__(self, tokens: HfTokens, *, limit: int, cut: PairCut) -> None:
        self._tokens = tokens
        self._cut = cut
        self._limit = limit
        self._ids, self._types = _template(tokens)
        special = sum(map(len, self._ids))
        self._room = limit - special
        if self._room < 1:
            raise EngineError(f"A pair of {limit} tokens has no room beside the {special} special tokens of this tokenizer.")

    def encode(self, pairs: Sequence[tuple[str, str]]) -> list[Pair]:
        first = self._tokens.encode([query for query, _ in pairs], special=False)
        second = self._tokens.encode([document for _, document in pairs], special=False)
        return [self._pair(a, b) for a, b in zip(first, second, strict=True)]

    def _pair(self, first: Ids, second: Ids) -> Pair:
        a, b = self._kept(len(first), len(second))
        before, between, after = self._ids
        pieces = (before, first[:a], between, second[:b], after)
        types = np.repeat(self._types, [len(before), a, *([1] * len(between)), b, len(after)])
        return Pair(np.concatenate(pieces), types, len(first) + len(second) - a - b)

    def _kept(self, first: int, second: int) -> tuple[int, int]:
        """How many tokens stay of texts of `first` and `second` tokens."""
        if self._cut == "only_second":
            first = min(first, self._limit * 3 // 4, self._room)
            return first, min(second, self._room - first)
        if first + second <= self._room:
            return first, second
        # The shorter text stays as long as it takes no more than half; where both are cut, the second has the odd token.
        shorter = min(first, second, self._room // 2)
        return (shorter, self._room - shorter) if first <= second else (self._room - shorter, shorter)


def _template(tokens: HfTokens) -> tuple[tuple[Ids, Ids, Ids], Ids]:
    """What the tokenizer writes around a pair: ids before, between and behind; and types, each token of `between` on its own."""
    read = tokens.tokenizer(["a"], ["a"], truncation=False, padding=False, return_token_type_ids=True)
    sides, ids, types = read.sequence_ids(0), read["input_ids"][0], read["token_type_ids"][0]
    if 0 not in sides or 1 not in sides:
        raise EngineError("This tokenizer does not say where the two texts of a pair lie.")
    a, b = [p for p, side in enumerate(sides) if side == 0], [p for p, side in enumerate(sides) if side == 1]
    parts = (ids[: a[0]], ids[a[-1] + 1 : b[0]], ids[b[-1] + 1 :])
    before, between, after = (np.asarray(part, dtype=np.int32) for part in parts)
    # Special tokens before the first text, and behind the second, are of that text's kind.
    kinds = [types[a[0]], types[a[0]], *types[a[-1] + 1 : b[0]], types[b[0]], types[b[-1]]]
    return (before, between, after), np.asarray(kinds, dtype=np.int32)
