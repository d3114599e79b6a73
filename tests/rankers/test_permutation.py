"""Answers of language models, good and bad, become permutations; what was repaired is said."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerankbench.rankers.permutation import parse_permutation, tagged_answer
from rerankbench.records import DefectKind

REPEATED, MISSING, OUTSIDE, UNPARSEABLE = DefectKind.REPEATED, DefectKind.MISSING, DefectKind.OUT_OF_RANGE, DefectKind.UNPARSEABLE


@pytest.mark.parametrize(
    ("answer", "size", "order", "kinds"),
    [
        ("[2] > [3] > [1]", 3, [1, 2, 0], {}),
        ("2 3 1", 3, [1, 2, 0], {}),
        ("[02]>[3]>[001]", 3, [1, 2, 0], {}),
        ("[2] > [2] > [1] > [2]", 2, [1, 0], {REPEATED: 2}),
        ("[3] > [1]", 4, [2, 0, 1, 3], {MISSING: 2}),
        ("[0] > [5] > [2] > [1] > [99]", 2, [1, 0], {OUTSIDE: 3}),
        ("[1-3]", 3, [0, 2, 1], {MISSING: 1}),
        ("-2 > 1.5", 2, [1, 0], {OUTSIDE: 1}),
        ("", 3, [0, 1, 2], {UNPARSEABLE: 1}),
        ("I cannot rank these.", 2, [0, 1], {UNPARSEABLE: 1}),
        ("[7] > [8]", 2, [0, 1], {OUTSIDE: 2, UNPARSEABLE: 1}),
        ("\x00[2]\x00", 2, [1, 0], {MISSING: 1}),
        ("٢ ² ２", 2, [0, 1], {UNPARSEABLE: 1}),
        ("9" * 5000 + " 2 " + "0" * 5000 + "1", 2, [1, 0], {OUTSIDE: 1}),
        ("[1]", 1, [0], {}),
        ("anything", 0, [], {}),
    ],
)
def test_an_answer_is_read_and_repaired_by_the_rule(answer: str, size: int, order: list[int], kinds: dict[DefectKind, int]) -> None:
    got, defects = parse_permutation(answer, size)
    assert got == order
    assert {d.kind: d.count for d in defects} == kinds


def test_a_repair_says_which_identifiers_it_touched() -> None:
    _, defects = parse_permutation("[3] > [3] > [1] > [3]", 5)
    assert [d.detail for d in defects] == ["identifiers given again: 3", "identifiers left out: 2, 4, 5"]


def rule(answer: str, size: int) -> list[int]:
    """PROTOCOL: integers in order, duplicates and foreign ones dropped, missing ones appended in their incoming order."""
    named = [
        n for n in (int(digits[-40:]) if set(digits[:-40]) <= {"0"} else -1 for digits in re.findall("[0-9]+", answer)) if 1 <= n <= size
    ]
    first = sorted(set(named), key=named.index)
    return [n - 1 for n in first] + sorted(set(range(size)) - {n - 1 for n in first})


ANSWERS = st.one_of(
    st.text(),
    st.text(alphabet="0123456789[]>-.,\n\x00 ٣²", max_size=200),
    st.lists(st.integers(-5, 30)).map(lambda ns: " > ".join(f"[{n}]" for n in ns)),
    st.text(alphabet="0129", min_size=4290, max_size=4400),
)


@settings(max_examples=1500, deadline=None)
@given(answer=ANSWERS, size=st.integers(0, 25))
def test_any_text_gives_the_permutation_of_the_rule_and_defects_that_add_up(answer: str, size: int) -> None:
    order, defects = parse_permutation(answer, size)
    assert order == rule(answer, size)
    counts = {d.kind: d.count for d in defects}
    assert len(counts) == len(defects)
    named = len(re.findall("[0-9]+", answer)) - counts.get(REPEATED, 0) - counts.get(OUTSIDE, 0)
    assert named + counts.get(MISSING, 0) + (size if UNPARSEABLE in counts else 0) == size


@pytest.mark.parametrize(
    ("output", "answer"),
    [
        ("<think>1 or 2</think><answer>[2] > [1]</answer>", "[2] > [1]"),
        ("<think>1</think>\n<Answer>\n[2]\n</ANSWER> so be it", "\n[2]\n"),
        ("<think>the <answer> tags</think><answer>[2]</answer>", "[2]"),
        ("<answer>[1]</answer> No: <answer>[2]</answer>", "[2]"),
        ("<think>1</think><answer>[2] > [1] > [", "[2] > [1] > ["),
        ("<think>3 is best</think>\n\n[2] > [1]", "\n\n[2] > [1]"),
        ("<think>3</think> 4 </think> 5", " 5"),
        ("<think>1</think><answer></answer>", ""),
        ("<think>1 <answer>[2]</answer>", "[2]"),
    ],
)
def test_an_answer_is_found_behind_the_reasoning(output: str, answer: str) -> None:
    assert tagged_answer(output) == (answer, ())


@pytest.mark.parametrize("output", ["", "<think>2 beats 1", "[2] > [1]", "answer: 2 </answer>", "<think>in <answer> tags: 2"])
def test_reasoning_without_an_end_is_read_as_it_is_and_counted(output: str) -> None:
    text, defects = tagged_answer(output)
    assert text == output.removeprefix("<think>in <answer>")
    assert [d.kind for d in defects] == [DefectKind.REASONING_WITHOUT_ANSWER]
