"""Tournament reranking (ListT5): an encoder-decoder orders groups of five documents, and the best of each group meet again."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import ClassVar, Self

from pydantic import Field, model_validator

from rerankbench import prompts
from rerankbench.errors import ConfigError
from rerankbench.protocols import FusionGenerator, Parts, Workload
from rerankbench.rankers.asking import Answered, Question
from rerankbench.rankers.permutation import identifier
from rerankbench.rankers.stepwise import ListProgram, OneList, PromptOptions, StepwiseRanker, places_first, refusal
from rerankbench.rankers.texts import Overflow, PerBenchmark, largest, words_read
from rerankbench.records import Call, CandidateList, Defect, DefectKind

REFILL = 21
"""A winner's slot goes to the document this much further down the first stage's list (the authors' `dummy_number`)."""

Known = dict[frozenset[int], list[int]]
"""What is known of the groups asked about: the best positions of each set of documents, the very best last."""

_LENGTHS = {
    "dl19": 256,
    "dl20": 256,
    "dbpedia": 256,
    "signal1m": 256,
    "trec-news": 1024,
    "robust04": 1024,
    "touche2020": 1024,
    "default": 512,
}


class TournamentOptions(PromptOptions):
    """The defaults are the authors' for ListT5.

    Attributes:
        prompt: A prompt of kind ``pointwise`` for one of the texts that are read apart; it is given the text's ``number`` in its group.
        max_prompt_tokens: Of one such text. Source: soyoung97/ListT5@7ecb38e, beir_length_mapping.py; it does not know BRIGHT.
        overflow: ``truncate`` cuts a text's end, which is its document's, as the authors do.
        group: Documents that are ordered at once.
        keep: How many of a group go on.
        places: Ranks that are filled; all others keep the order of the first stage.
    """

    prompt: str = "listt5"
    max_words: PerBenchmark | None = None
    max_prompt_tokens: PerBenchmark | None = _LENGTHS
    overflow: Overflow = "truncate"
    group: int = Field(default=5, ge=2)
    keep: int = Field(default=2, ge=1)
    places: int = Field(default=10, ge=1)

    @model_validator(mode="after")
    def _groups_shrink(self) -> Self:
        if 2 * self.keep > self.group:
            raise ValueError(f"keep {self.keep} of a group of {self.group}: at most half of a group may go on")
        return self


class TournamentRanker(StepwiseRanker):
    """Fills one place after the other by a tournament each, which asks only about groups that are new; gives an order without scores.

    A round cuts the list into groups; the best `keep` of each go on in the order of their groups, until they fit into one group, whose
    best wins. A group that is not full is filled from the front of the round's list. The winner's slot in the list goes to a document
    that is still in the tournament, so that it is there twice (see `REFILL`), and the next tournament begins.

    Source: soyoung97/ListT5@14dd0f8, run_listt5.py, `run_one_loop`, `get_out_k`, `check_valid_list`.
    Paper: lists of at most 10 documents are left as they are, and the ranks behind the places hold some documents twice and others not at
    all. Here: short lists are ranked too (those of at most one group by a single answer, as `get_full_order_in_one_loop` has it), and
    the ranks behind the places hold what is left, in the order of the first stage.

    Raises:
        ConfigError: the prompt is a chat, or is not given the texts' numbers.
    """

    Options = TournamentOptions
    name: ClassVar[str] = "tournament"
    kind: ClassVar[prompts.Kind] = "pointwise"
    _options: TournamentOptions

    def __init__(self, options: TournamentOptions, prompt: prompts.Prompt, parts: Parts) -> None:
        super().__init__(options, prompt, parts)
        if prompt.file.text is None or "number" not in prompt.file.given:
            raise ConfigError(
                f"The ranker {self.name!r} needs a prompt of raw text that is given its 'number', and {prompt.name!r} is not."
            )

    @classmethod
    def needs(cls, options: object) -> tuple[type, ...]:  # noqa: ARG003 the contract of all rankers
        return (FusionGenerator,)

    @classmethod
    def room(cls, options: object) -> int:  # noqa: ARG003 the contract of all rankers
        """None: the decoder has a length of its own."""
        return 0

    @classmethod
    def workload(cls, options: object, lists: Sequence[CandidateList]) -> Workload:
        """As if each place but the first changed one group a round, and the one that is filled up."""
        checked = cls.Options.model_validate(options)
        asked = words = 0
        for candidates in lists:
            groups = _groups_asked(len(candidates), checked)
            counts = words_read(candidates, largest(checked.max_words))
            asked += groups
            words += groups * checked.group * (sum(counts) // max(len(counts), 1) + len(candidates.query.text.split()))
        return Workload(prompts=asked * checked.group, words=words, new_tokens=asked * (checked.group + 1))

    def _program(self, one: OneList) -> ListProgram:
        if len(one) < 2:
            return places_first(one, range(len(one)))
        known: Known = {}
        if len(one) <= self._options.group:
            places = yield from self._whole(one)
            return places_first(one, places)
        slots = list(range(len(one)))
        taken: list[int] = []
        for place in range(1, min(self._options.places, len(one)) + 1):
            winner = yield from self._winner(one, slots, known, f"place {place}")
            taken.append(winner)
            if len(taken) < len(one):
                slots[slots.index(winner)] = (winner + REFILL) % len(one)
                slots = [_remaining(p, taken, len(one)) for p in slots]
        return places_first(one, taken)

    def _ask(self, questions: Sequence[Question]) -> list[Answered]:
        # As many identifiers as documents, and the end of the answer.
        return self._asker.fuse(questions, max_tokens=self._options.group + 1)

    def _whole(self, one: OneList) -> Generator[Sequence[Question], Sequence[Answered], list[int]]:
        """The order of a list that is one group: documents come again until it is full."""
        size = self._options.group
        shown = sorted(p % len(one) for p in range(size))
        phase = f"group {_ranks(range(len(one)))}"
        (answered,) = yield [one.question(shown, phase)]
        ordered, defects = read_best(answered.call, shown, size)
        one.note(defects, phase)
        return list(dict.fromkeys(reversed(ordered)))

    def _winner(self, one: OneList, slots: list[int], known: Known, phase: str) -> Generator[Sequence[Question], Sequence[Answered], int]:
        size = self._options.group
        while len(slots) > size:
            groups = [slots[start : start + size] for start in range(0, len(slots), size)]
            before = slots
            best = yield from self._best(one, [_filled(g, slots, size) for g in groups], known, phase)
            slots = [p for kept in best for p in kept]
        (last,) = yield from self._best(one, [_filled(slots, before, size)], known, phase)
        return last[-1]

    def _best(
        self, one: OneList, groups: Sequence[Sequence[int]], known: Known, phase: str
    ) -> Generator[Sequence[Question], Sequence[Answered], list[list[int]]]:
        """The best of each group, the very best last. A set of documents is asked about once, shown in the order of the first stage."""
        new: dict[frozenset[int], list[int]] = {}
        for group in groups:
            if len(set(group)) > 1 and frozenset(group) not in known:
                new.setdefault(frozenset(group), sorted(group))
        if new:
            questions = [one.question(shown, f"{phase}, group {_ranks(sorted(set(shown)))}") for shown in new.values()]
            answers = yield questions
            for (key, shown), question, answered in zip(new.items(), questions, answers, strict=True):
                known[key], defects = read_best(answered.call, shown, self._options.keep)
                one.note(defects, question.phase)
        return [known[frozenset(g)] if len(set(g)) > 1 else [g[0]] for g in groups]


def read_best(call: Call, shown: Sequence[int], keep: int) -> tuple[list[int], tuple[Defect, ...]]:
    """The best of a group as an answer such as ``3 1 2 5 4`` has it: its last `keep` identifiers, the best last.

    Where one of them is not an identifier, or the model would not answer, the group's first document stands for all of them.

    Source: soyoung97/ListT5@14dd0f8, run_listt5.py, `get_rel_index`.
    Paper: an identifier out of range ends the program. Here: it is read as no identifier, and counted.

    Args:
        shown: The positions of the documents in the group.

    Returns:
        Positions, fewer than `keep` where the answer is shorter, and repeated where it repeats itself.
    """
    first = [shown[0]] * keep
    refused = refusal(call)
    if refused:
        return first, refused
    words = call.text.split()[-keep:]
    if not words or not all(w.isascii() and w.isdigit() for w in words):
        return first, (Defect(DefectKind.UNPARSEABLE, "the answer does not end with identifiers: the group's first document goes on"),)
    numbers = [identifier(w, len(shown)) for w in words]
    outside = numbers.count(None)
    if outside:
        detail = f"integers that are no identifier from 1 to {len(shown)}: the group's first document goes on"
        return first, (Defect(DefectKind.OUT_OF_RANGE, detail, outside),)
    found = [n for n in numbers if n is not None]
    defects = []
    if len(set(found)) < len(found):
        defects.append(Defect(DefectKind.REPEATED, "identifiers given again", len(found) - len(set(found))))
    if len(found) < keep:
        defects.append(Defect(DefectKind.MISSING, "identifiers left out", keep - len(found)))
    return [shown[n - 1] for n in found], tuple(defects)


def _filled(group: Sequence[int], slots: Sequence[int], size: int) -> list[int]:
    """The group with others of the round's list behind it, from its front and around; with its own where there are no others."""
    others = [p for p in slots if p not in group] or list(slots)
    return [*group, *(others[i % len(others)] for i in range(size - len(group)))]


def _remaining(position: int, taken: Sequence[int], size: int) -> int:
    """The first document from `position` on, around the list, that has no place yet."""
    while position in taken:
        position = (position + 1) % size
    return position


def _ranks(positions: Sequence[int]) -> str:
    """Positions as ranks of the first stage: ``1-5``, or ``1, 7, 9``."""
    if positions[-1] - positions[0] == len(positions) - 1 and len(positions) > 1:
        return f"{positions[0] + 1}-{positions[-1] + 1}"
    return ", ".join(str(p + 1) for p in positions)


def _groups_asked(size: int, options: TournamentOptions) -> int:
    if size < 2:
        return 0
    if size <= options.group:
        return 1
    first = later = 1  # the last round
    places, group = min(options.places, size), options.group
    while size > group:
        groups = -(-size // group)
        first += groups
        later += 1 if size % group == 0 else 2
        size = options.keep * groups
    return first + (places - 1) * later
