"""Listwise reranking over sliding windows: a language model puts each window in order.

RankGPT, RankQwen3, RankVicuna and RankZephyr write the order; Rearank and ReasonRank reason before they write it; FirstMistral
never writes it: the order is that of the scores of the first identifier. Where speed alone is measured, on weights that are drawn, the
answers are drawn too, and as long as real ones.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from rerankbench import prompts
from rerankbench.errors import ConfigError
from rerankbench.protocols import AnswerForcer, Parts, PatternGenerator, TextGenerator, TokenScorer, Workload
from rerankbench.rankers.asking import Answered, Question
from rerankbench.rankers.permutation import parse_permutation, tagged_answer
from rerankbench.rankers.stepwise import ListProgram, OneList, PromptOptions, StepwiseRanker, numbers, refusal
from rerankbench.rankers.texts import largest, words_read
from rerankbench.rankers.windows import check, windows
from rerankbench.records import CandidateList, Defect, DefectKind, Ranking

CAPABILITY = {"generate": TextGenerator, "pattern": PatternGenerator, "first-token": TokenScorer, "forced": AnswerForcer}


class ListwiseOptions(PromptOptions):
    """The defaults are the paper's RankQwen3.

    Attributes:
        prompt: A prompt of kind ``listwise``, by name or YAML file.
        window, step: Documents a call, and how far the next window is moved towards the front.
        passes: How often the windows run over the whole list.
        initial_order: The order in which the first pass meets the list.
        seed: Of the random initial order and of forced answers; each query draws its own, whatever else is in the batch.
        max_new_tokens: Of an answer. 20 identifiers take about 90 tokens of Qwen3; reasoning takes thousands.
        decoding: How the order is had. ``generate``: written freely; ``pattern``: written, held to as many valid identifiers as there are
            documents (one may still come twice); ``first-token``: by falling score of each document's identifier as the next token, for
            prompts that begin the answer; ``forced``: every answer is a permutation of its window that is drawn, and the engine is made to
            decode just that, for measurements of speed on weights that are drawn (`forced_answer`).
        answer: Where a written order stands: in the whole output (``plain``), or in the ``<answer>`` behind the reasoning (``tagged``).
    """

    prompt: str = "rankqwen3"
    window: int = 20
    step: int = 10
    passes: int = Field(default=1, ge=1)
    initial_order: Literal["initial", "reverse", "random"] = "initial"
    seed: int = 0
    max_new_tokens: int = Field(default=128, ge=1)
    decoding: Literal["generate", "pattern", "first-token", "forced"] = "generate"
    answer: Literal["plain", "tagged"] = "plain"

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        try:
            check(self.window, self.step)
        except ConfigError as error:
            raise ValueError(error.message) from error
        if self.answer == "tagged" and self.decoding != "generate":
            raise ValueError(f"decoding {self.decoding!r} leaves no room for reasoning: answer 'tagged' needs decoding 'generate'")
        return self


class ListwiseRanker(StepwiseRanker):
    """Ranks window by window, from the back of the list to its front; gives an order without scores.

    Raises:
        ConfigError: the prompt's identifiers or the beginning of its answer do not suit the decoding.
    """

    Options = ListwiseOptions
    name: ClassVar[str] = "listwise"
    kind: ClassVar[prompts.Kind] = "listwise"
    _options: ListwiseOptions

    def __init__(self, options: ListwiseOptions, prompt: prompts.Prompt, parts: Parts) -> None:
        super().__init__(options, prompt, parts)
        if options.decoding != "first-token" and prompt.file.identifiers != "digits":
            raise ConfigError(
                f"decoding {options.decoding!r} reads numbers, but prompt {prompt.name!r} names documents by {prompt.file.identifiers}.",
                hint="Set decoding to first-token, or name a prompt with digits.",
            )
        if options.decoding in {"pattern", "forced"} and prompt.file.answer:
            raise ConfigError(f"decoding {options.decoding!r} writes the whole answer, but prompt {prompt.name!r} begins it already.")
        self._labels = prompt.identifiers(options.window) if options.decoding == "first-token" else ()

    @classmethod
    def needs(cls, options: object) -> tuple[type, ...]:
        return (CAPABILITY[cls.Options.model_validate(options).decoding],)

    @classmethod
    def room(cls, options: object) -> int:
        checked = cls.Options.model_validate(options)
        return 1 if checked.decoding == "first-token" else checked.max_new_tokens

    @classmethod
    def workload(cls, options: object, lists: Sequence[CandidateList]) -> Workload:
        """As if every window showed the documents that stand there at first."""
        checked = cls.Options.model_validate(options)
        calls = words = 0
        for candidates in lists:
            counts = words_read(candidates, largest(checked.max_words))
            schedule = windows(len(candidates), checked.window, checked.step) * checked.passes
            calls += len(schedule)
            words += sum(sum(counts[start:end]) + 2 * len(candidates.query.text.split()) for start, end in schedule)
        return Workload(prompts=calls, words=words, new_tokens=calls * cls.room(checked))

    def _program(self, one: OneList) -> ListProgram:
        order = self._initial_order(one.candidates)
        for window in self._windows(len(one)):
            shown = order[window.start : window.end]
            (answered,) = yield [one.question(shown, window.phase)]
            found, defects = self._order(one, answered, len(shown))
            one.note(defects, window.phase)
            order[window.start : window.end] = [shown[p] for p in found]
        return Ranking.of(one.candidates, order)

    def _ask(self, questions: Sequence[Question]) -> list[Answered]:
        if self._options.decoding == "first-token":
            # All labels, also for a window that is not full: what a list is asked must not depend on its neighbours.
            return self._asker.score(questions, self._labels)
        if self._options.decoding == "pattern":
            return self._asker.generate(questions, patterns=[order_pattern(len(q.documents)) for q in questions])
        if self._options.decoding == "forced":
            seed = self._options.seed
            return self._asker.force(questions, [forced_answer(len(q.documents), f"{seed} {q.query.id} {q.phase}") for q in questions])
        return self._asker.generate(questions)

    def _order(self, one: OneList, answered: Answered, size: int) -> tuple[list[int], tuple[Defect, ...]]:
        """Positions in the window, best first, and what had to be repaired."""
        if self._options.decoding == "first-token":
            return order_by_scores(numbers(one, answered)[:size])
        refused = refusal(answered.call)
        if refused:
            return list(range(size)), refused
        text, unanswered = tagged_answer(answered.call.text) if self._options.answer == "tagged" else (answered.call.text, ())
        order, repairs = parse_permutation(text, size)
        return order, (*unanswered, *repairs)

    def _initial_order(self, candidates: CandidateList) -> list[int]:
        order = list(range(len(candidates)))
        if self._options.initial_order == "reverse":
            order.reverse()
        elif self._options.initial_order == "random":
            random.Random(f"{self._options.seed} {candidates.query.id}").shuffle(order)  # noqa: S311 no secret
        return order

    def _windows(self, depth: int) -> list[_Window]:
        """All windows of all passes, but for those of a single document, which need no call."""
        options = self._options
        once = [w for w in windows(depth, options.window, options.step) if w[1] - w[0] > 1]
        return [
            _Window(start, end, f"{f'pass {number}, ' if options.passes > 1 else ''}window {start + 1}-{end}")
            for number in range(1, options.passes + 1)
            for start, end in once
        ]


@dataclass(frozen=True, slots=True)
class _Window:
    """Positions from `start` to before `end`; `phase` names them by rank."""

    start: int
    end: int
    phase: str


def order_pattern(size: int) -> str:
    """A regular expression for ``[2] > [1] > …``, as many identifiers from 1 to `size` as there are documents."""
    identifier = rf"\[({'|'.join(map(str, range(1, size + 1)))})\]"
    return f"{identifier}( > {identifier}){{{size - 1}}}"


def forced_answer(size: int, seed: str) -> str:
    """A permutation of 1 to `size`, all alike probable, as a model writes it that does as it is told: ``[2] > [1] > …``."""
    numbers = list(range(1, size + 1))
    random.Random(seed).shuffle(numbers)  # noqa: S311 no secret
    return " > ".join(f"[{number}]" for number in numbers)


def order_by_scores(scores: Sequence[float]) -> tuple[list[int], tuple[Defect, ...]]:
    """Positions by falling score; equal ones, and those without a score (minus infinity), keep the incoming order.

    Source: RankLLM before its pull request 345, `run_llm_batched`: the letters among the 30 likeliest tokens, the rest as they came.
    """
    missing = sum(s == -math.inf for s in scores)
    defects: tuple[Defect, ...] = ()
    if missing and missing == len(scores):
        defects = (Defect(DefectKind.UNPARSEABLE, "no identifier has a score"),)
    elif missing:
        defects = (Defect(DefectKind.MISSING, "identifiers without a score", missing),)
    return sorted(range(len(scores)), key=lambda p: -scores[p]), defects
