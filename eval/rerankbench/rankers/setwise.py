"""Setwise reranking (Rank-R1): a reasoning model names the best of up to 20 documents, and a heap makes the first places of that."""

from __future__ import annotations

import random
import re
from collections.abc import Generator, Sequence
from typing import ClassVar

from pydantic import Field

from rerankbench.prompts import Kind
from rerankbench.protocols import TextGenerator, Workload
from rerankbench.rankers.asking import Answered, Question
from rerankbench.rankers.sorting import heapsort, heapsort_calls
from rerankbench.rankers.stepwise import ListProgram, OneList, PromptOptions, StepwiseRanker, places_first, refusal
from rerankbench.rankers.texts import PerBenchmark, largest, words_read
from rerankbench.records import Call, CandidateList, Defect, DefectKind

_ANSWER = re.compile(r"<think>.*?</think>\s*<answer>(.*?)</answer>", re.DOTALL)
_IDENTIFIER = re.compile(r"\[([0-9]+)\]")

Steps = Generator[Sequence[Question], Sequence[Answered], int]


class SetwiseOptions(PromptOptions):
    """The defaults are the authors' for Rank-R1.

    Attributes:
        prompt: A prompt of kind ``setwise``, by name or YAML file.
        children: Of a node of the heap; a prompt shows one document more.
        places: Ranks that are filled; all others keep the order of the first stage.
        shuffle: Whether each prompt shows its documents in an order of its own, drawn from `seed`, the query and the step.
        max_new_tokens: Of an answer with its reasoning.
    """

    prompt: str = "rank-r1"
    max_words: PerBenchmark | None = None
    max_query_tokens: PerBenchmark | None = {"default": 32, "bright": 1024}
    max_document_tokens: PerBenchmark | None = {"default": 512, "bright": 1024}
    children: int = Field(default=19, ge=1)
    places: int = Field(default=10, ge=1)
    shuffle: bool = True
    seed: int = 929
    max_new_tokens: int = Field(default=8000, ge=1)


class SetwiseRanker(StepwiseRanker):
    """Fills the first places by a heapsort whose comparisons a model makes; gives an order without scores.

    Source: ielab/llm-rankers, llmrankers/setwise.py (heap), Rank-R1/run_setwise.py (shuffle, form of the answer).
    Paper: one random generator for a whole run shuffles the documents. Here: each prompt's order is drawn from the seed, the query and the
    step, so that it does not depend on which queries were ranked before.
    """

    Options = SetwiseOptions
    name: ClassVar[str] = "setwise"
    kind: ClassVar[Kind] = "setwise"
    _options: SetwiseOptions

    @classmethod
    def needs(cls, options: object) -> tuple[type, ...]:  # noqa: ARG003 the contract of all rankers
        return (TextGenerator,)

    @classmethod
    def room(cls, options: object) -> int:
        return cls.Options.model_validate(options).max_new_tokens

    @classmethod
    def workload(cls, options: object, lists: Sequence[CandidateList]) -> Workload:
        """As if every prompt were full, and every document let down as far as the heap goes."""
        checked = cls.Options.model_validate(options)
        calls = words = 0
        for candidates in lists:
            asked = heapsort_calls(len(candidates), checked.children, checked.places)
            counts = words_read(candidates, largest(checked.max_words))
            shown = min(checked.children + 1, len(counts))
            calls += asked
            words += asked * (shown * sum(counts) // max(len(counts), 1) + len(candidates.query.text.split()))
        return Workload(prompts=calls, words=words, new_tokens=calls * checked.max_new_tokens)

    def _program(self, one: OneList) -> ListProgram:
        asked = 0

        def best(positions: Sequence[int], phase: str) -> Steps:
            nonlocal asked
            shown = self._shuffled(positions, one.query.id, asked)
            asked += 1
            (answered,) = yield [one.question(shown, phase)]
            chosen, defects = read_choice(answered.call, len(shown))
            one.note(defects, phase)
            return 0 if chosen is None else positions.index(shown[chosen])

        places = yield from heapsort(len(one), self._options.children, self._options.places, best)
        return places_first(one, places)

    def _ask(self, questions: Sequence[Question]) -> list[Answered]:
        return self._asker.generate(questions)

    def _shuffled(self, positions: Sequence[int], query_id: str, step: int) -> list[int]:
        shown = list(positions)
        if self._options.shuffle:
            random.Random(f"{self._options.seed} {query_id} {step}").shuffle(shown)  # noqa: S311 no secret
        return shown


def read_choice(call: Call, size: int) -> tuple[int | None, tuple[Defect, ...]]:
    """Which of `size` documents an answer names: what stands in the ``<answer>`` behind the first reasoning, exactly ``[3]``.

    Source: ielab/llm-rankers, Rank-R1/prompts/prompt_setwise-R1.toml (`pattern`), run_setwise.py: matched on the lower-cased output.

    Returns:
        Its position from 0; None where no document is named, and why. The document at the node of the heap then stays there.
    """
    refused = refusal(call)
    if refused:
        return None, refused
    answer = _ANSWER.search(call.text.lower())
    if answer is None:
        if call.finish == "length":
            return None, (Defect(DefectKind.REASONING_WITHOUT_ANSWER, "the reasoning met its limit: the heap's node stays"),)
        return None, (Defect(DefectKind.UNPARSEABLE, "no <answer> behind the reasoning: the heap's node stays"),)
    named = answer[1].strip()
    # As text, as the authors do: "[03]" names nothing.
    for position in range(size):
        if named == f"[{position + 1}]":
            return position, ()
    kind = DefectKind.OUT_OF_RANGE if _IDENTIFIER.fullmatch(named) else DefectKind.UNPARSEABLE
    return None, (Defect(kind, f"the <answer> is not one identifier from [1] to [{size}]: the heap's node stays"),)
