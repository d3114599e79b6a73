"""What rankers have in common that ask about several documents at once: an algorithm a list, all lists in lock step, every answer noted.

A ranker is a program over one list (see `lockstep`). It yields questions, is sent the answers, and returns the ranking.
Knows no algorithm and no engine.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

from rerankbench import prompts
from rerankbench.errors import ConfigError, RankingError
from rerankbench.prompts import Kind
from rerankbench.protocols import Parts
from rerankbench.rankers.asking import Answered, Asker, Question, lacking
from rerankbench.rankers.lockstep import Asked, Program, advance
from rerankbench.rankers.texts import Reader, TextLimits
from rerankbench.records import Call, CandidateList, Defect, DefectKind, Query, Ranked, Ranking

ListProgram = Program[Question, Answered, Ranking]


class PromptOptions(TextLimits):
    """Options of a ranker that asks by a prompt.

    Attributes:
        prompt: By name or YAML file, of the kind that the ranker needs.
    """

    prompt: str


@dataclass(slots=True)
class OneList:
    """A candidate list as its program reads it, and what came of asking about it.

    Attributes:
        query: As it is to be read.
        documents: By candidate position, as they are to be read.
    """

    candidates: CandidateList
    query: Query
    documents: tuple[str, ...]
    calls: list[Call] = field(default_factory=list)
    _counts: dict[tuple[DefectKind, str], int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.documents)

    @property
    def defects(self) -> tuple[Defect, ...]:
        return tuple(Defect(kind, detail, count) for (kind, detail), count in self._counts.items())

    def question(self, positions: Sequence[int], phase: str) -> Question:
        """Ask about the documents at these positions, shown in this order."""
        return Question(self.query, tuple([self.documents[p] for p in positions]), phase)

    def take(self, answered: Answered) -> None:
        """Keep the call, and what was done to make its prompt fit."""
        self.calls.append(answered.call)
        self.note(answered.defects, answered.call.phase)

    def note(self, defects: Sequence[Defect], phase: str = "") -> None:
        """Keep defects, with the step that they belong to; those of one kind and detail are added up."""
        for defect in defects:
            key = (defect.kind, f"{phase}: {defect.detail}" if phase else defect.detail)
            self._counts[key] = self._counts.get(key, 0) + defect.count


class StepwiseRanker(ABC):
    """A ranker whose algorithm is `_program`.

    Args:
        prompt: Of kind `kind`.
        parts: With an engine that has what `needs` names.

    Raises:
        ConfigError: a prompt of another kind, an engine without what is needed, or limits that leave no room for a prompt.
    """

    Options: ClassVar[type[PromptOptions]]
    name: ClassVar[str]
    kind: ClassVar[Kind]
    reads_text: ClassVar[bool] = True

    def __init__(self, options: PromptOptions, prompt: prompts.Prompt, parts: Parts) -> None:
        if prompt.kind != self.kind:
            raise ConfigError(
                f"The ranker {self.name!r} needs a prompt of kind {self.kind!r}, but {prompt.name!r} is of kind {prompt.kind!r}."
            )
        for capability in self.needs(options):
            if not isinstance(parts.engine, capability):
                raise lacking(self.name, parts.engine, capability)
        self.prompt = prompt
        self._options = options
        self._reader = Reader(options, parts.benchmark, parts.engine)
        self._asker = Asker(self.name, prompt, options, parts, room=self.room(options))

    @classmethod
    @abstractmethod
    def needs(cls, options: object) -> tuple[type, ...]: ...

    @classmethod
    @abstractmethod
    def room(cls, options: object) -> int:
        """Tokens of an answer that a prompt leaves free."""

    @classmethod
    def prompt_for(cls, options: PromptOptions, benchmark: str) -> prompts.Prompt:
        """The prompt that these options mean, in the wording of `benchmark`."""
        return prompts.load(options.prompt).for_benchmark(benchmark)

    @classmethod
    def build(cls, options: object, parts: Parts) -> Self:
        checked = cls.Options.model_validate(options)
        return cls(checked, cls.prompt_for(checked, parts.benchmark), parts)

    @classmethod
    def provenance(cls, options: object, benchmark: str) -> Mapping[str, str]:
        prompt = cls.prompt_for(cls.Options.model_validate(options), benchmark)
        return {prompt.name: prompt.hash}

    def rank(self, batch: Sequence[CandidateList]) -> list[Ranked]:
        """Rank every list; one engine call holds the current questions of all lists.

        Calls of each result: one a question, raw answer included, with its step as phase.

        Raises:
            DataError: a document's text is not at hand.
            OverLengthError: a prompt is too long, and either `overflow` is ``error`` or no cut makes it fit.
        """
        lists = [self._read(candidates) for candidates in batch]

        def answer(asked: Sequence[Asked[Question]]) -> list[Answered]:
            answers = self._ask([question for _, question in asked])
            for (position, _), answered in zip(asked, answers, strict=True):
                lists[position].take(answered)
            return answers

        rankings = advance([self._program(one) for one in lists], answer)
        return [Ranked(ranking, tuple(one.calls), one.defects) for ranking, one in zip(rankings, lists, strict=True)]

    @abstractmethod
    def _program(self, one: OneList) -> ListProgram: ...

    @abstractmethod
    def _ask(self, questions: Sequence[Question]) -> list[Answered]: ...

    def _read(self, candidates: CandidateList) -> OneList:
        texts = self._reader.read(candidates)
        one = OneList(candidates, Query(candidates.query.id, texts.query), texts.documents)
        one.note(texts.defects)
        return one


def refusal(call: Call) -> tuple[Defect, ...]:
    """The defect of an answer that was refused; nothing for any other."""
    return (Defect(DefectKind.REFUSED, "the model would not answer"),) if call.finish == "refused" else ()


def numbers(one: OneList, answered: Answered) -> list[float]:
    """The scores of an answer.

    Raises:
        RankingError: one of them is not a number.
    """
    scores: list[float] = answered.scores.tolist()
    if any(map(math.isnan, scores)):
        raise RankingError(f"Query {one.query.id!r}, {answered.call.phase}: the engine gave a score that is not a number (NaN).")
    return scores


def places_first(one: OneList, best: Sequence[int]) -> Ranking:
    """The documents at positions `best`, in this order; all others follow in the order of the first stage."""
    chosen = set(best)
    return Ranking.of(one.candidates, [*best, *(p for p in range(len(one)) if p not in chosen)])
