"""Pairwise ranking prompting (PRP): a model is asked which of two documents is better, in both orders, and the answers are sorted by."""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from rerankbench.prompts import Kind
from rerankbench.protocols import TextGenerator, TokenScorer, Workload
from rerankbench.rankers.asking import Answered, Question
from rerankbench.rankers.sorting import heapsort, heapsort_calls
from rerankbench.rankers.stepwise import ListProgram, OneList, PromptOptions, StepwiseRanker, numbers, places_first, refusal
from rerankbench.rankers.texts import largest, words_read
from rerankbench.records import Call, CandidateList, Defect, DefectKind, Ranking

_BEGINS = re.compile(r"[\W_]*(?:passage\b[\W_]*)?([ab])\b", re.IGNORECASE)
_NAMES = re.compile(r"\bpassage[\W_]*([ab])\b", re.IGNORECASE)

Method = Literal["allpairs", "heapsort", "sliding"]
Steps = Generator[Sequence[Question], Sequence[Answered], int | None]


class PairwiseOptions(PromptOptions):
    """
    Attributes:
        prompt: A prompt of kind ``pairwise`` that calls its documents A and B, by name or YAML file.
        method: ``allpairs`` asks about every pair and orders the whole list by wins; ``heapsort`` and ``sliding`` fill the first places.
        places: Ranks that ``heapsort`` and ``sliding`` fill; all others keep the order of the first stage.
        decoding: ``generate`` reads the letter that the model writes; ``scores`` takes the one of `labels` that scores higher.
        labels: The next token that means A, and the one that means B.
        max_new_tokens: Of a written answer.
    """

    prompt: str = "prp"
    method: Method = "sliding"
    places: int = Field(default=10, ge=1)
    decoding: Literal["generate", "scores"] = "generate"
    labels: tuple[str, str] = (" A", " B")
    max_new_tokens: int = Field(default=1, ge=1)


class PairwiseRanker(StepwiseRanker):
    """Orders by comparisons. A document is better than another where both orders of the pair say so; else they are equal.

    Native scores of ``allpairs`` are wins, a tie counting one half to each side; equal scores keep the incoming order. The other methods
    give an order alone, in which a document overtakes another only where it is better. A pair is asked about once.

    Source: Qin et al. 2023 (arXiv 2306.17563), PRP-Allpair, PRP-Sorting, PRP-Sliding-K; ielab/llm-rankers@5bcaa80, llmrankers/pairwise.py.
    Paper: heapsort and sliding may ask about a pair again. Here: what was answered is remembered, which changes no order because the
    same prompt gets the same answer.
    """

    Options = PairwiseOptions
    name: ClassVar[str] = "pairwise"
    kind: ClassVar[Kind] = "pairwise"
    _options: PairwiseOptions

    @classmethod
    def needs(cls, options: object) -> tuple[type, ...]:
        return (TextGenerator if cls.Options.model_validate(options).decoding == "generate" else TokenScorer,)

    @classmethod
    def room(cls, options: object) -> int:
        checked = cls.Options.model_validate(options)
        return checked.max_new_tokens if checked.decoding == "generate" else 1

    @classmethod
    def workload(cls, options: object, lists: Sequence[CandidateList]) -> Workload:
        """As if no comparison came twice, and no heap were shallower than it may be."""
        checked = cls.Options.model_validate(options)
        asked = words = 0
        for candidates in lists:
            prompts = 2 * _comparisons(len(candidates), checked)
            counts = words_read(candidates, largest(checked.max_words))
            asked += prompts
            words += prompts * (2 * sum(counts) // max(len(counts), 1) + len(candidates.query.text.split()))
        return Workload(prompts=asked, words=words, new_tokens=asked * cls.room(checked))

    def _program(self, one: OneList) -> ListProgram:
        pairs = _Pairs(one, self._options)
        if self._options.method == "allpairs":
            scores = yield from _wins(pairs, len(one))
            return Ranking.by_score(one.candidates, scores)
        if self._options.method == "sliding":
            order = yield from _slide(pairs, len(one), self._options.places)
            return places_first(one, order[: self._options.places])
        places = yield from heapsort(len(one), 2, self._options.places, pairs.best)
        return places_first(one, places)

    def _ask(self, questions: Sequence[Question]) -> list[Answered]:
        if self._options.decoding == "scores":
            return self._asker.score(questions, self._options.labels)
        return self._asker.generate(questions)


class _Pairs:
    """Comparisons of one list, each made once."""

    def __init__(self, one: OneList, options: PairwiseOptions) -> None:
        self._one = one
        self._written = options.decoding == "generate"
        self._better: dict[tuple[int, int], int | None] = {}

    def compare(self, pairs: Sequence[tuple[int, int]]) -> Generator[Sequence[Question], Sequence[Answered], None]:
        """Ask about pairs of positions, the smaller first, that are not known yet."""
        new = [p for p in pairs if p not in self._better]
        if not new:
            return
        answers = iter((yield [self._one.question(shown, _phase(*shown)) for a, b in new for shown in ((a, b), (b, a))]))
        for a, b in new:
            said = self._letter(next(answers)), self._letter(next(answers))
            self._better[a, b] = a if said == (0, 1) else b if said == (1, 0) else None

    def better(self, a: int, b: int) -> Steps:
        """The better document of two; None where they are equal."""
        pair = (min(a, b), max(a, b))
        yield from self.compare([pair])
        return self._better[pair]

    def best(self, positions: Sequence[int], phase: str) -> Generator[Sequence[Question], Sequence[Answered], int]:  # noqa: ARG002 pairs have names of their own
        """Index of the best: the first, until another is better than the best so far."""
        best = 0
        for index in range(1, len(positions)):
            if (yield from self.better(positions[index], positions[best])) == positions[index]:
                best = index
        return best

    def _letter(self, answered: Answered) -> int | None:
        letter, defects = read_letter(answered.call) if self._written else read_scores(*numbers(self._one, answered))
        self._one.note(defects)
        return letter


def _wins(pairs: _Pairs, size: int) -> Generator[Sequence[Question], Sequence[Answered], list[float]]:
    scores = [0.0] * size
    for a in range(size - 1):
        # A document at a time: all pairs of a batch at once would be a million prompts in memory.
        yield from pairs.compare([(a, b) for b in range(a + 1, size)])
        for b in range(a + 1, size):
            better = yield from pairs.better(a, b)
            scores[a] += 0.5 if better is None else float(better == a)
            scores[b] += 0.5 if better is None else float(better == b)
    return scores


def _slide(pairs: _Pairs, size: int, places: int) -> Generator[Sequence[Question], Sequence[Answered], list[int]]:
    """A pass for each place, from the back of the list to that place: of two neighbours the better goes to the front."""
    order = list(range(size))
    for place in range(min(places, size)):
        for at in range(size - 1, place, -1):
            if (yield from pairs.better(order[at], order[at - 1])) == order[at]:
                order[at - 1], order[at] = order[at], order[at - 1]
    return order


def read_letter(call: Call) -> tuple[int | None, tuple[Defect, ...]]:
    """The letter with which an answer begins, behind ``Passage`` or not; else the one letter that ``Passage`` stands before in it.

    Returns:
        0 for A, 1 for B; None where neither is said, or both, and why.
    """
    refused = refusal(call)
    if refused:
        return None, refused
    begins = _BEGINS.match(call.text)
    named = {begins[1].lower()} if begins else {letter.lower() for letter in _NAMES.findall(call.text)}
    if len(named) == 1:
        return "ab".index(named.pop()), ()
    return None, (Defect(DefectKind.UNPARSEABLE, "answers that name neither document, or both: the pair is a tie"),)


def read_scores(a: float, b: float) -> tuple[int | None, tuple[Defect, ...]]:
    """The label with the higher score.

    Returns:
        0 for A, 1 for B; None where they are equal, or both are kept back (minus infinity), which is a defect.
    """
    if a == b:
        missing = Defect(DefectKind.UNPARSEABLE, "pairs of which no label has a score: the pair is a tie")
        return None, (missing,) if a == -math.inf else ()
    return (0 if a > b else 1), ()


def _phase(first: int, second: int) -> str:
    return f"pair {first + 1}-{second + 1}"


def _comparisons(size: int, options: PairwiseOptions) -> int:
    if options.method == "allpairs":
        return size * (size - 1) // 2
    if options.method == "heapsort":
        return 2 * heapsort_calls(size, 2, options.places)
    return sum(size - 1 - place for place in range(min(options.places, size)))
