"""From a language model's answer to an order, whatever the answer is. Pure."""

from __future__ import annotations

import re

from rerankbench.records import Defect, DefectKind

_INTEGER = re.compile(r"[0-9]+")
_ANSWER = re.compile("<answer>", re.IGNORECASE)
_END_OF_ANSWER = re.compile("</answer>", re.IGNORECASE)
_THOUGHT = re.compile("<think>", re.IGNORECASE)
_END_OF_THOUGHT = re.compile("</think>", re.IGNORECASE)
_WITHOUT_END = (Defect(DefectKind.REASONING_WITHOUT_ANSWER, "no answer behind the end of the reasoning: it is read out of the reasoning"),)


def parse_permutation(text: str, size: int) -> tuple[list[int], tuple[Defect, ...]]:
    """Read the order of `size` documents, numbered from 1, out of an answer such as ``"[2] > [1] > [3]"``.

    The answer's integers are taken in order, wherever they stand; what is around them is not read: ``-2`` is 2, ``1.5`` and ``1-5``
    are 1 and 5. One that occurs again, or that names no document, is dropped; documents left out follow in incoming order.

    Source: LLM4Ranking, policy/rankgpt.py, `parse_output`; the same in RankGPT and RankLLM.
    Paper: any Unicode digit counts. Here: ASCII digits only, because a digit of another script is text of a document, not an
    identifier that the prompt gave.

    Returns:
        Positions from 0, best first, always a permutation; and what had to be repaired, at most one defect a kind.
    """
    order: dict[int, None] = {}
    repeated: list[int] = []
    outside = 0
    for digits in _INTEGER.findall(text):
        number = identifier(digits, size)
        if number is None:
            outside += 1
        elif number - 1 in order:
            repeated.append(number)
        else:
            order[number - 1] = None
    missing = [p for p in range(size) if p not in order]
    return [*order, *missing], _defects(size, repeated, outside, missing)


def tagged_answer(text: str) -> tuple[str, tuple[Defect, ...]]:
    """The part of a reasoning model's output that is its answer.

    That is the text of the last ``<answer>``, up to ``</answer>`` or, where the output broke off, to its end; without such a tag the text
    behind the last ``</think>``; without that too the whole output. Reasoning without an end is counted.

    Source: Rearank, rank_gpt.py, `clean_response`; ReasonRank, rerank/rankllm.py, `_clean_response`.
    Paper: Rearank takes the first ``<answer>`` that is closed, ReasonRank the first that follows ``</think>`` and else the last; an
    output with ``</think>`` but without ``<answer>`` is read behind it by Rearank, and as a whole by ReasonRank. Here: one rule for both.
    They agree on every output that answers once, behind its reasoning.
    """
    answers, thoughts = _ANSWER.split(text), _END_OF_THOUGHT.split(text)
    if len(answers) > 1:
        answer, *closed = _END_OF_ANSWER.split(answers[-1])
        thinks = not closed and len(thoughts) == 1 and _THOUGHT.search(text) is not None
        return answer, _WITHOUT_END if thinks else ()
    return (thoughts[-1], ()) if len(thoughts) > 1 else (text, _WITHOUT_END)


def identifier(digits: str, size: int) -> int | None:
    """The identifier from 1 to `size` that ASCII digits spell, or None when it is out of range."""
    significant = digits.lstrip("0")
    # By length first: int() refuses more than 4,300 digits, and an answer may hold any number of them.
    if len(significant) > len(str(size)):
        return None
    number = int(significant or "0")
    return number if 1 <= number <= size else None


def _defects(size: int, repeated: list[int], outside: int, missing: list[int]) -> tuple[Defect, ...]:
    defects = []
    if repeated:
        defects.append(Defect(DefectKind.REPEATED, f"identifiers given again: {_spelled(sorted(set(repeated)))}", len(repeated)))
    if outside:
        defects.append(Defect(DefectKind.OUT_OF_RANGE, f"integers that are no identifier from 1 to {size}", outside))
    if missing and len(missing) == size:
        defects.append(Defect(DefectKind.UNPARSEABLE, f"no identifier from 1 to {size} in the answer"))
    elif missing:
        defects.append(Defect(DefectKind.MISSING, f"identifiers left out: {_spelled([p + 1 for p in missing])}", len(missing)))
    return tuple(defects)


def _spelled(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
