"""Pairwise prompting: both orders of every pair, what answers mean, and the three ways to sort by them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import inf, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankers.fakes import Ended, Fuser, HashEmbedder, Scorer, Writer, as_text, candidates, parts
from rerankbench.errors import ConfigError, RankingError
from rerankbench.protocols import Engine, TextGenerator, TokenScorer
from rerankbench.rankers.pairwise import PairwiseOptions, PairwiseRanker, read_letter, read_scores
from rerankbench.records import Call, CandidateList, Defect, DefectKind

PASSAGE = re.compile(r'^Passage [AB]: "w(\d+)', re.MULTILINE)
METHODS = ("allpairs", "heapsort", "sliding")

Prefers = Callable[[int, int], bool]
"""Whether the first of two documents, by their numbers, is said to be the better one, when they are shown in this order."""


def ranker(engine: Engine, **options: object) -> PairwiseRanker:
    return PairwiseRanker.build(PairwiseOptions(**options), parts(engine))  # type: ignore[arg-type]


def documents(depth: int) -> list[str]:
    return [f"w{i}" for i in range(depth)]


def pair(prompt: str) -> tuple[int, int]:
    first, second = map(int, PASSAGE.findall(prompt))
    return first, second


def writer(prefers: Prefers) -> Writer:
    return Writer(lambda prompt: " A" if prefers(*pair(prompt)) else " B")


def by_grade(grades: Sequence[int]) -> Prefers:
    """Right about unequal documents; of equal ones it prefers whichever comes first, so that its two answers do not agree."""
    return lambda first, second: grades[first] >= grades[second]


def stable(grades: Sequence[int]) -> list[str]:
    return [f"d{i}" for i in sorted(range(len(grades)), key=lambda i: -grades[i])]


@settings(max_examples=30, deadline=None)
@given(grades=st.lists(st.integers(0, 4), max_size=30))
def test_all_pairs_with_right_answers_are_the_list_in_order_ties_as_they_came(grades: list[int]) -> None:
    (ranked,) = ranker(writer(by_grade(grades)), method="allpairs").rank([candidates("1", documents(len(grades)))])
    assert list(ranked.ranking.doc_ids) == stable(grades)
    assert len(ranked.calls) == len(grades) * (len(grades) - 1)
    assert ranked.defects == ()


@settings(max_examples=30, deadline=None)
@given(grades=st.lists(st.integers(0, 4), max_size=40), method=st.sampled_from(["heapsort", "sliding"]), places=st.integers(1, 12))
def test_right_answers_fill_the_places_rightly_and_the_rest_stays(grades: list[int], method: str, places: int) -> None:
    (ranked,) = ranker(writer(by_grade(grades)), method=method, places=places).rank([candidates("1", documents(len(grades)))])
    got = [int(d.removeprefix("d")) for d in ranked.ranking.doc_ids]
    assert [grades[i] for i in got[:places]] == sorted(grades, reverse=True)[:places]
    assert got[places:] == sorted(set(range(len(grades))) - set(got[:places]))
    if method == "sliding":
        assert list(ranked.ranking.doc_ids)[:places] == stable(grades)[:places], "neighbours that are equal never change places"


def test_100_documents_cost_9900_prompts_for_all_pairs_and_each_shows_its_pair_in_one_order() -> None:
    engine = writer(lambda first, second: first < second)
    (ranked,) = ranker(engine, method="allpairs").rank([candidates("1", documents(100), "what is it")])
    asked = [pair(as_text(p)) for call in engine.asked for p in call]
    assert len(ranked.calls) == len(asked) == 9900
    assert set(asked) == {(a, b) for a in range(100) for b in range(100) if a != b}
    assert ranked.calls[1].phase == "pair 2-1"
    assert as_text(engine.asked[0][0]) == (
        'Given a query "what is it", which of the following two passages is more relevant to the query?\n\n'
        'Passage A: "w0"\n\nPassage B: "w1"\n\nOutput Passage A or Passage B: Passage:'
    )


def test_native_scores_of_all_pairs_are_wins_and_half_ties() -> None:
    # 2 beats 0 in both orders; 0 and 1, and 1 and 2, are tied: the one that is shown first is said to be better.
    (ranked,) = ranker(writer(lambda a, b: (a, b) != (0, 2)), method="allpairs").rank([candidates("1", documents(3))])
    assert ranked.ranking.doc_ids == ("d2", "d1", "d0")
    assert ranked.ranking.scores == (1.5, 1.0, 0.5)


def verdicts(prefers: Prefers, size: int) -> dict[tuple[int, int], bool]:
    """Whether the first is better than the second by both orders: ielab/llm-rankers, pairwise.py, `compare`."""
    return {(a, b): prefers(a, b) and not prefers(b, a) for a in range(size) for b in range(size)}


def published_sliding(better: dict[tuple[int, int], bool], size: int, places: int) -> list[int]:
    """ielab/llm-rankers, pairwise.py, bubblesort: its passes start above the pairs at the back that nothing changed."""
    order, end = list(range(size)), size - 1
    for place in range(min(places, size)):
        at, changed = end, False
        while at > place:
            if better[order[at], order[at - 1]]:
                order[at], order[at - 1] = order[at - 1], order[at]
                end += not changed and end != size - 1
                changed = True
            end -= not changed
            at -= 1
    return order[:places]


def published_heapsort(better: dict[tuple[int, int], bool], size: int, places: int) -> list[int]:
    """ielab/llm-rankers, pairwise.py, heapSort: the left child against the node, then the right child against the better one."""
    items = list(range(size))

    def let_down(end: int, node: int) -> None:
        best = node
        for child in (2 * node + 1, 2 * node + 2):
            if child < end and better[items[child], items[best]]:
                best = child
        if best != node:
            items[node], items[best] = items[best], items[node]
            let_down(end, best)

    for node in reversed(range(size // 2 + 1)):
        let_down(size, node)
    for done, end in enumerate(range(size - 1, 0, -1), start=1):
        items[0], items[end] = items[end], items[0]
        if done == places:
            break
        let_down(end, 0)
    return items[::-1][:places]


@settings(max_examples=80, deadline=None)
@given(size=st.integers(0, 18), places=st.integers(1, 12), seed=st.integers(0, 1000))
def test_any_answers_lead_to_the_order_of_the_published_algorithms(size: int, places: int, seed: int) -> None:
    def prefers(first: int, second: int) -> bool:
        return hash((seed, first, second)) % 3 > 0  # of integers, so it is the same in every process

    better = verdicts(prefers, size)
    published = {"heapsort": published_heapsort, "sliding": published_sliding}
    for method, algorithm in published.items():
        (ranked,) = ranker(writer(prefers), method=method, places=places).rank([candidates("1", documents(size))])
        expected = [f"d{i}" for i in algorithm(better, size, places)]
        assert list(ranked.ranking.doc_ids)[:places] == expected
        assert len({c.phase for c in ranked.calls}) == len(ranked.calls), "a pair is asked about once"
    (ranked,) = ranker(writer(prefers), method="allpairs").rank([candidates("1", documents(size))])
    score = {a: sum((better[a, b] - better[b, a] + 1) / 2 for b in range(size) if b != a) for a in range(size)}
    assert list(ranked.ranking.doc_ids) == [f"d{i}" for i in sorted(score, key=lambda a: -score[a])]


def test_a_list_in_order_costs_one_pass_of_neighbours() -> None:
    engine = writer(lambda first, second: first < second)
    (ranked,) = ranker(engine).rank([candidates("1", documents(100))])
    assert len(ranked.calls) == 2 * 99
    assert [c.phase for c in ranked.calls[:4]] == ["pair 99-100", "pair 100-99", "pair 98-99", "pair 99-98"]


@settings(deadline=None, max_examples=40)
@given(depths=st.lists(st.integers(0, 12), max_size=4), method=st.sampled_from(METHODS), places=st.integers(1, 12))
def test_a_batch_in_lock_step_equals_its_lists_one_by_one(depths: list[int], method: str, places: int) -> None:
    batch = [candidates(str(i), documents(depth), f"query {i}") for i, depth in enumerate(depths)]

    def noise(prompt: str) -> str:
        return ["A", "B", "Passage B.", "both", "[1]"][sum(map(ord, prompt)) % 5]

    def rank(lists: Sequence[CandidateList]) -> list[tuple[object, ...]]:
        ranked = ranker(Writer(noise), method=method, places=places).rank(lists)
        return [(r.ranking, r.defects, [(c.phase, c.text) for c in r.calls]) for r in ranked]

    assert rank(batch) == [rank([one])[0] for one in batch]


@pytest.mark.parametrize("method", METHODS)
def test_label_scores_sort_as_letters_do(method: str) -> None:
    grades = [(i * 7) % 11 for i in range(11)]
    engine = Scorer(lambda prompt, label: float(grades[pair(prompt)[(" A", " B").index(label)]]))
    (ranked,) = ranker(engine, method=method, decoding="scores").rank([candidates("1", documents(11))])
    (written,) = ranker(writer(by_grade(grades)), method=method).rank([candidates("1", documents(11))])
    assert ranked.ranking == written.ranking
    assert set(engine.labels) == {(" A", " B")}
    assert engine.kinds[0] == "logprob"


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        (" A", 0),
        ("B", 1),
        ("Passage A", 0),
        ("passage b is more relevant than Passage A", 1),
        ('"Passage: B"', 1),
        ("**A**", 0),
        ("A\n", 0),
        ("The better one is Passage B.", 1),
    ],
)
def test_an_answer_names_the_letter_that_it_begins_with_or_the_only_one(text: str, letter: int) -> None:
    assert read_letter(Call(0, 0, 0.0, text=text)) == (letter, ())


@pytest.mark.parametrize("text", ["", "Both.", "Neither", "Apples", "[2] > [1]", "I compare Passage A with Passage B", "C"])
def test_an_answer_that_names_none_or_both_is_counted(text: str) -> None:
    letter, defects = read_letter(Call(0, 0, 0.0, text=text))
    assert letter is None
    assert [d.kind for d in defects] == [DefectKind.UNPARSEABLE]


def test_of_two_scores_the_higher_counts_and_two_that_are_kept_back_are_counted() -> None:
    assert read_scores(-1.0, -2.0) == (0, ())
    assert read_scores(-inf, -2.0) == (1, ())
    assert read_scores(-2.0, -2.0) == (None, ())
    letter, defects = read_scores(-inf, -inf)
    assert (letter, [d.kind for d in defects]) == (None, [DefectKind.UNPARSEABLE])
    with pytest.raises(RankingError, match="'q7', pair 1-2: the engine gave a score that is not a number"):
        ranker(Scorer(lambda *_: nan), method="allpairs", decoding="scores").rank([candidates("q7", documents(2))])


def test_refused_pairs_are_ties_and_added_up() -> None:
    (ranked,) = ranker(Ended(lambda _: "A", "refused"), method="allpairs").rank([candidates("1", documents(4))])
    assert ranked.ranking.doc_ids == ("d0", "d1", "d2", "d3")
    assert ranked.defects == (Defect(DefectKind.REFUSED, "the model would not answer", 12),)


def test_what_does_not_fit_together_is_refused() -> None:
    assert PairwiseRanker.needs(PairwiseOptions()) == (TextGenerator,)
    assert PairwiseRanker.needs(PairwiseOptions(decoding="scores")) == (TokenScorer,)
    with pytest.raises(ConfigError, match="needs an engine that is a TextGenerator, got HashEmbedder"):
        ranker(HashEmbedder())
    with pytest.raises(ConfigError, match="needs an engine that is a TokenScorer, got Fuser"):
        ranker(Fuser(lambda _: ""), decoding="scores")
    with pytest.raises(ConfigError, match="kind 'pairwise', but 'rankqwen3'"):
        ranker(Writer(str), prompt="rankqwen3")


def test_the_work_is_estimated_by_comparisons() -> None:
    def prompts(method: str, depth: int = 100) -> int:
        return PairwiseRanker.workload(PairwiseOptions(method=method), [candidates("1", documents(depth))]).prompts  # type: ignore[arg-type]

    assert prompts("allpairs") == 9900
    # Ten passes over 99, 98, … 90 pairs.
    assert prompts("sliding") == 2 * (99 + 90) * 5
    # At most two comparisons a node; three items: one node to build, and heaps of two items and one.
    assert prompts("heapsort", 3) == 2 * 2 * 2
