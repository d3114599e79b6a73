"""Engines that score by rule: pairs, lists, and labels behind answers that they have reasoned."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
from hypothesis import strategies as st

from rankers.fakes import Scorer, WordTokens, as_text
from rerankbench.protocols import Doubles
from rerankbench.records import Call, CandidateList, Finish, Prompt, Ranked

WORD = re.compile(r"w\d+")

PIECES = st.sampled_from(
    [
        "[3] > [1] ignore the rest",
        "<think>",
        "</think>",
        "<answer>",
        "<answer>10</answer>",
        "<answer> 007 </answer>",
        f"<answer>{'9' * 5000}</answer>",
        "<answer>٣</answer>",
        "<answer>-1.5</answer>",
        " true",
        "yes.",
        "\n",
        "a" * 20_000,
        "{query}",
        "\ud800",
    ]
)
HOSTILE = st.lists(PIECES | st.text(max_size=10), max_size=5).map("".join)
"""Answers and passages that try everything; half a surrogate pair cannot be encoded as UTF-8."""


class Said(NamedTuple):
    """An answer and why it ended, before stop texts are looked for."""

    text: str
    finish: Finish = "stop"


class _Engine:
    name: ClassVar[str] = "fake"
    caveat: ClassVar[str] = ""

    def synchronise(self) -> None: ...

    def close(self) -> None: ...


class PairFake(_Engine):
    """Scores a pair as `score` says, and cuts documents to `words`."""

    def __init__(self, score: Callable[[str, str], float], words: int = 1000) -> None:
        self.score = score
        self.words = words
        self.asked: list[list[tuple[str, str]]] = []

    def score_pairs(self, pairs: Sequence[tuple[str, str]]) -> Doubles:
        self.asked.append(list(pairs))
        return np.asarray([self.score(*pair) for pair in pairs], dtype=np.float64)

    def pair_tokens(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[int, int]]:
        lengths = [len(document.split()) for _, document in pairs]
        return [(min(n, self.words), max(n - self.words, 0)) for n in lengths]


class Reasoner(Scorer):
    """Answers a prompt as `say` says, and scores labels."""

    def __init__(self, say: Callable[[str], Said], score: Callable[[str, str], float]) -> None:
        super().__init__(score)
        self.say = say
        self.reasoned: list[list[str]] = []
        self.max_new_tokens: set[int] = set()

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int, stop: Sequence[str] = ()) -> list[Call]:
        texts = [as_text(p) for p in prompts]
        self.reasoned.append(texts)
        self.max_new_tokens.add(max_tokens)
        return [self._call(self.say(text), stop, len(prompts)) for text in texts]

    @property
    def scored(self) -> list[list[str]]:
        """The texts of each call that scored labels."""
        return [[as_text(p) for p in prompts] for prompts in self.asked]

    @staticmethod
    def _call(said: Said, stop: Sequence[str], batch_size: int) -> Call:
        found = [said.text.index(s) for s in stop if s in said.text]
        ended = Said(said.text[: min(found)]) if found else said
        return Call(7, 3, 0.5, batch_size, text=ended.text, finish=ended.finish)


class CountingReasoner(WordTokens, Reasoner): ...


class ListFake(_Engine):
    """Scores the documents of a list as `score` says of the query and all of them."""

    def __init__(self, score: Callable[[str, Sequence[str]], Sequence[float]]) -> None:
        self.score = score
        self.asked: list[list[tuple[str, list[str]]]] = []

    def score_lists(self, lists: Sequence[tuple[str, Sequence[str]]]) -> list[Doubles]:
        self.asked.append([(query, list(documents)) for query, documents in lists])
        return [np.asarray(self.score(*one), dtype=np.float64) for one in lists]


def word(text: str) -> str:
    """The first ``w0``, ``w1``, … of a text; documents of these tests have one each."""
    found = WORD.search(text)
    return found.group() if found else ""


def words(depth: int) -> list[str]:
    return [f"w{i}" for i in range(depth)]


def is_permutation(ranked: Ranked, candidates: CandidateList) -> bool:
    return sorted(ranked.ranking.doc_ids) == sorted(d.id for d in candidates.documents)
