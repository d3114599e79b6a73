"""Judges that let a model reason about a document before its score is read: Rank1's labels, ERank's numbers; and JudgeRank's analyses.

A model that does not come to its answer is brought to it by the rule of each judge, which is counted. Knows no ranking.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rerankbench.rankers.asking import Answered, Asker, Continuation, Question
from rerankbench.rankers.judging import Judged, Labels, Subject
from rerankbench.records import Call, Defect, DefectKind

CLOSING_TOKENS = 16
"""More than what the judges write behind an answer takes."""

_CLOSE = "</think>"
_NUMBER = re.compile(r"(<answer>\s*)([0-9]+)\s*(</answer>|$)")
_LARGEST = 10
_DIGITS = tuple("0123456789")


class ReasonedLabels:
    """The score of a label, or of one against another, behind the reasoning (Rank1).

    Reasoning that met its limit is cut at its last sentence's end and closed, and the labels are scored behind that. An engine cannot say
    whether a model that stopped closed its reasoning or ended its answer in the midst of it: it is taken as closed.

    Source: orionw/rank1@30585c2, rank1.py.
    Paper: generation goes on to the label, and the scores come from there. Here: the labels are scored by a second call behind the same
    text, because an engine's answers come without scores.

    Args:
        max_new_tokens: The limit that the asker has for an answer.
    """

    def __init__(self, asker: Asker, labels: Labels, max_new_tokens: int) -> None:
        self._asker = asker
        self._labels = labels
        self._max_new_tokens = max_new_tokens

    def judge(self, subjects: Sequence[Subject]) -> list[Judged]:
        reasoned = _reason(self._asker, subjects, stop=(_CLOSE,))
        ends = [self._end(a.call) for a in reasoned]
        questions = [s.question(self._asker.prompt, "score") for s in subjects]
        behind = [end.behind(q, a) for end, q, a in zip(ends, questions, reasoned, strict=True)]
        answered = self._asker.score_behind(behind, self._labels.texts, self._labels.kind)
        return [self._judged(*parts) for parts in zip(reasoned, ends, answered, strict=True)]

    def _end(self, call: Call) -> _End:
        if not _stopped_short(call, self._max_new_tokens):
            return _End(call.text, _CLOSE)
        return _End(_whole_sentences(call.text), f"\n{_CLOSE}", (_unanswered(call, "the labels scored behind it"),))

    def _judged(self, reasoned: Answered, end: _End, answered: Answered) -> Judged:
        score, defects = self._labels.score(answered.scores)
        return Judged(score, (reasoned.call, answered.call), (*reasoned.defects, *end.defects, *answered.defects, *defects))


class ReasonedNumber:
    """An integer from 0 to 10, written behind the reasoning, times the probability of its digits (ERank).

    Where there is none, the likeliest digit behind the reasoning is taken for it: what the authors do then is not known.

    Source: Alibaba-NLP/ERank-14B@c2e0fef, examples/utils.py and ERank_vLLM.py (scale, form of the answer, greedy, 4,096 tokens);
    [R] the product with the probability.

    Args:
        max_new_tokens: The limit that the asker has for an answer.
    """

    def __init__(self, asker: Asker, max_new_tokens: int) -> None:
        self._asker = asker
        self._max_new_tokens = max_new_tokens

    def judge(self, subjects: Sequence[Subject]) -> list[Judged]:
        reasoned = _reason(self._asker, subjects)
        ends = [_numbered(a.call, self._max_new_tokens) for a in reasoned]
        digits = [[answered] for answered in self._digits(subjects, reasoned, ends, "score digit 1")]
        numbers = [end.number or _DIGITS[int(np.argmax(d[0].scores))] for end, d in zip(ends, digits, strict=True)]
        for i, answered in self._second_digits(subjects, reasoned, ends, numbers):
            digits[i].append(answered)
        return [_times_probability(*parts) for parts in zip(reasoned, ends, numbers, digits, strict=True)]

    def _second_digits(
        self, subjects: Sequence[Subject], reasoned: Sequence[Answered], ends: Sequence[_End], numbers: Sequence[str]
    ) -> list[tuple[int, Answered]]:
        """Positions of the numbers that have two digits, and the scores behind the first one."""
        two = [i for i, number in enumerate(numbers) if len(number) > 1]
        if not two:
            return []
        started = [replace(ends[i], close=ends[i].close + numbers[i][0]) for i in two]
        answered = self._digits([subjects[i] for i in two], [reasoned[i] for i in two], started, "score digit 2")
        return list(zip(two, answered, strict=True))

    def _digits(self, subjects: Sequence[Subject], reasoned: Sequence[Answered], ends: Sequence[_End], phase: str) -> list[Answered]:
        questions = [s.question(self._asker.prompt, phase) for s in subjects]
        return self._asker.score_behind([end.behind(q, a) for end, q, a in zip(ends, questions, reasoned, strict=True)], _DIGITS)


@dataclass(frozen=True, slots=True)
class Analysed:
    """The subjects of one list with an answer among their values, what it cost, and what was wrong."""

    subjects: list[Subject]
    calls: tuple[Call, ...]
    defects: tuple[Defect, ...]


class Analysis:
    """A prompt whose answers later prompts show (JudgeRank): asked once a list where it shows no document, else once a document.

    Args:
        max_new_tokens: The limit that the asker has for an answer.
    """

    def __init__(self, asker: Asker, max_new_tokens: int) -> None:
        self._asker = asker
        self._max_new_tokens = max_new_tokens

    def answer(self, lists: Sequence[Sequence[Subject]]) -> list[Analysed]:
        """Returns: one a list, same order; one engine call holds the questions of all."""
        asked = [self._questions(subjects) for subjects in lists]
        answers = iter(self._asker.generate([question for questions in asked for question in questions]))
        return [self._analysed(s, [next(answers) for _ in questions]) for s, questions in zip(lists, asked, strict=True)]

    def _questions(self, subjects: Sequence[Subject]) -> list[Question]:
        prompt = self._asker.prompt
        if prompt.kind == "query":
            return [replace(subjects[0].question(prompt, prompt.file.gives), documents=())]
        return [s.question(prompt, f"{prompt.file.gives} {s.document_id}") for s in subjects]

    def _analysed(self, subjects: Sequence[Subject], answers: Sequence[Answered]) -> Analysed:
        texts = [a.call.text.strip() for a in answers] * (len(subjects) // len(answers))
        gives = self._asker.prompt.file.gives
        filled = [replace(s, values={**s.values, gives: text}) for s, text in zip(subjects, texts, strict=True)]
        defects = [d for a in answers for d in (*a.defects, *self._cut(a.call))]
        return Analysed(filled, tuple(a.call for a in answers), tuple(defects))

    def _cut(self, call: Call) -> tuple[Defect, ...]:
        if not _stopped_short(call, self._max_new_tokens):
            return ()
        kind = DefectKind.REFUSED if call.finish == "refused" else DefectKind.TRUNCATED
        return (Defect(kind, f"{self._asker.prompt.file.gives}: answers that were not finished, shown as they are"),)


@dataclass(frozen=True, slots=True)
class _End:
    """Where an answer is left, so that what matters is the next token.

    Attributes:
        answer: What is kept of it.
        close: What is written behind that.
        number: The integer that the answer gives, in its shortest form; empty when none.
    """

    answer: str
    close: str
    defects: tuple[Defect, ...] = ()
    number: str = ""

    def behind(self, question: Question, reasoned: Answered) -> Continuation:
        return Continuation(question, reasoned.prompt, self.answer, self.close)


def _reason(asker: Asker, subjects: Sequence[Subject], *, stop: Sequence[str] = ()) -> list[Answered]:
    return asker.generate([s.question(asker.prompt, f"reason {s.document_id}") for s in subjects], stop=stop)


def _stopped_short(call: Call, max_new_tokens: int) -> bool:
    """Whether the answer is not whole: at its limit, or refused. An engine that does not say is judged by its count."""
    return call.finish in ("length", "refused") or (call.finish == "" and call.completion_tokens >= max_new_tokens)


def _whole_sentences(text: str) -> str:
    """`text` up to the end of its last sentence; all of it where it has none."""
    text = text.rstrip()
    return text[: max(text.rfind(mark) for mark in ".!?") + 1] or text


def _unanswered(call: Call, repair: str) -> Defect:
    if call.finish == "refused":
        return Defect(DefectKind.REFUSED, f"refused to reason: {repair}")
    return Defect(DefectKind.REASONING_WITHOUT_ANSWER, f"reasoning without an answer: {repair}")


def _numbered(call: Call, max_new_tokens: int) -> _End:
    """Where the number of an answer begins, or should have begun."""
    reasoning, closed, said = call.text.rpartition(_CLOSE)
    short = _stopped_short(call, max_new_tokens)
    written = _NUMBER.search(said)
    number = _shortest(written[2]) if written and (written[3] or not short) else ""
    left_open = not closed and (short or "<think>" in said)
    if written and number:
        defects = (_unanswered(call, "a number found in it taken"),) if left_open else ()
        return _End(reasoning + closed + said[: written.start()], written[1], defects, number)
    if left_open:
        return _End(_whole_sentences(said), f"\n{_CLOSE}<answer>", (_unanswered(call, "the likeliest digit behind it taken"),))
    before = reasoning + closed + said.partition("<answer>")[0]
    return _End(before, "<answer>", (_no_number(call, short, outside=written is not None and not number),))


def _shortest(digits: str) -> str:
    """The number without leading zeros; empty when it is too large."""
    digits = digits.lstrip("0") or "0"
    return digits if len(digits) <= len(str(_LARGEST)) and int(digits) <= _LARGEST else ""


def _no_number(call: Call, short: bool, *, outside: bool) -> Defect:
    taken = "the likeliest digit taken"
    if short:
        return _unanswered(call, taken)
    if outside:
        return Defect(DefectKind.OUT_OF_RANGE, f"numbers above {_LARGEST}: {taken}")
    return Defect(DefectKind.UNPARSEABLE, f"no integer in the answer: {taken}")


def _times_probability(reasoned: Answered, end: _End, number: str, digits: Sequence[Answered]) -> Judged:
    logprob = sum(float(a.scores[int(digit)]) for a, digit in zip(digits, number, strict=True))
    defects = [d for a in digits for d in a.defects]
    score = int(number) * float(np.exp(logprob))
    return Judged(score, (reasoned.call, *(a.call for a in digits)), (*reasoned.defects, *end.defects, *defects))
