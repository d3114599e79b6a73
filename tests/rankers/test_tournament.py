"""Tournaments: against the published algorithm, written again for one list, one group at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rankers.fakes import CountingFuser, Fuser, Writer, candidates, parts
from rerankbench.errors import ConfigError
from rerankbench.protocols import Engine
from rerankbench.rankers.tournament import TournamentOptions, TournamentRanker, read_best
from rerankbench.records import Call, CandidateList, Defect, DefectKind

TEXT = re.compile(r"Query: .*, Index: (\d+), Context: w(\d+)")


def ranker(engine: Engine, benchmark: str = "dl19", **options: object) -> TournamentRanker:
    return TournamentRanker.build(TournamentOptions(**options), parts(engine, benchmark=benchmark))  # type: ignore[arg-type]


def documents(depth: int) -> list[str]:
    return [f"w{i}" for i in range(depth)]


def read(texts: Sequence[str]) -> list[int]:
    """The documents of a group by their numbers, in the order of their indices."""
    found = [TEXT.fullmatch(text) for text in texts]
    assert [int(m[1]) for m in found if m] == list(range(1, len(texts) + 1))
    return [int(m[2]) for m in found if m]


def by_grade(grades: Mapping[int, int]) -> Callable[[Sequence[str]], str]:
    """From the least to the most relevant; it knows the grade of each document by its number. Of equals the earlier is better."""

    def answer(texts: Sequence[str]) -> str:
        shown = read(texts)
        return " ".join(str(i + 1) for i in sorted(range(len(shown)), key=lambda i: (grades[shown[i]], -i)))

    return answer


@settings(max_examples=40, deadline=None)
@given(grades=st.lists(st.integers(0, 3), min_size=100, max_size=100))
def test_an_engine_that_knows_the_grades_fills_the_ten_places_rightly_and_the_rest_stays(grades: list[int]) -> None:
    (ranked,) = ranker(Fuser(by_grade(dict(enumerate(grades))))).rank([candidates("1", documents(100))])
    got = [int(d.removeprefix("d")) for d in ranked.ranking.doc_ids]
    assert [grades[i] for i in got[:10]] == sorted(grades, reverse=True)[:10]
    assert got[10:] == sorted(set(range(100)) - set(got[:10]))
    assert ranked.defects == ()


def test_the_first_tournament_of_100_documents_asks_about_35_groups_in_five_steps() -> None:
    engine = Fuser(by_grade({i: -i for i in range(100)}))
    (ranked,) = ranker(engine, places=1).rank([candidates("1", documents(100))])
    # 20 groups leave 40 documents, 8 leave 16, 4 (the last filled up) leave 8, 2 leave 4, and these with one more are the last group.
    assert [len(call) for call in engine.asked] == [20, 8, 4, 2, 1]
    assert [c.phase for c in ranked.calls][:2] == ["place 1, group 1-5", "place 1, group 6-10"]
    # Each group leaves its second and its first, in this order, and five of these are the next group.
    assert [c.phase for c in ranked.calls][20] == "place 1, group 1, 2, 6, 7, 12"
    assert engine.max_new_tokens == {6}


def test_later_tournaments_ask_only_about_groups_that_changed() -> None:
    engine = Fuser(by_grade({i: -i for i in range(100)}))
    ranker(engine, places=2).rank([candidates("1", documents(100))])
    # The winner, 0, leaves its slot to 21: group 1 2 3 4 21, then the groups on the way to the top. The rounds of 16 and of 8 documents
    # have a group that is filled up from their front, which has changed too.
    assert [len(call) for call in engine.asked][5:] == [1, 1, 2, 2, 1]
    assert read(engine.asked[5][0]) == [1, 2, 3, 4, 21]
    assert TournamentRanker.workload(TournamentOptions(places=2), [candidates("1", documents(100))]).prompts == 5 * (35 + 7)


def published(size: int, group: int, keep: int, places: int, answer: Callable[[list[int]], list[int]]) -> list[int]:
    """soyoung97/ListT5, run_listt5.py: indices in a list; `answer` gives the identifiers that the model ends with, the best last."""
    slots = list(range(size))
    excluded: list[int] = []
    cache: dict[frozenset[int], list[int]] = {}

    def ask(index: list[int]) -> list[int]:
        if len(set(index)) == 1:
            return index[:-1]
        index = sorted(index)
        if frozenset(index) not in cache:
            cache[frozenset(index)] = [index[n - 1] for n in answer(index)]
        return cache[frozenset(index)]

    def fill(chosen: list[int], among: list[int]) -> list[int]:
        out_of_bounds = {*chosen, *excluded}
        allowed = [x for x in among if x not in out_of_bounds] or among
        return [allowed[i % len(allowed)] for i in range(group - len(chosen))]

    def loop(among: list[int]) -> int:
        saved: list[int] = []
        for start in range(0, len(among), group):
            cut = among[start : start + group]
            if len(cut) < group:
                saved += ask(cut + fill(cut, among))
            else:
                saved += [cut[0]] if len(set(cut)) == 1 else ask(cut)
        if len(saved) > group:
            return loop(saved)
        return ask(saved + fill(saved, among))[-1]

    for _ in range(min(places, size)):
        winner = loop(slots)
        excluded.append(winner)
        if len(excluded) == size:
            break
        slots[slots.index(winner)] = (winner + 21) % size
        for gone in excluded:
            while gone in slots:
                at, new = slots.index(gone), (gone + 1) % size
                while new in excluded:
                    new = (new + 1) % size
                slots[at] = new
    return excluded


@settings(deadline=None, max_examples=300)
@given(
    size=st.integers(7, 110),
    shape=st.sampled_from([(5, 2), (5, 1), (4, 2), (6, 3)]),
    places=st.integers(1, 12),
    seed=st.integers(0, 1000),
)
def test_any_answers_lead_to_the_places_of_the_published_algorithm(size: int, shape: tuple[int, int], places: int, seed: int) -> None:
    group, keep = shape

    def said(shown: Sequence[int]) -> list[int]:
        # Any identifiers, also the same one twice; hashes of integers are the same in every process.
        return [hash((seed, i, *shown)) % len(shown) + 1 for i in range(keep)]

    engine = Fuser(lambda texts: " ".join(map(str, said(read(texts)))))
    (ranked,) = ranker(engine, group=group, keep=keep, places=places).rank([candidates("1", documents(size))])
    expected = published(size, group, keep, places, said)
    assert ranked.ranking.doc_ids[: len(expected)] == tuple(f"d{i}" for i in expected)
    assert len(expected) == min(places, size)


def test_a_list_of_one_group_is_ordered_by_one_answer_and_filled_up_with_its_own_documents() -> None:
    engine = Fuser(by_grade({0: 1, 1: 3, 2: 2}))
    none, one, three = ranker(engine).rank([candidates("0", []), candidates("1", ["w0"]), candidates("2", documents(3))])
    assert (none.calls, one.calls) == ((), ())
    assert three.ranking.doc_ids == ("d1", "d2", "d0")
    assert [read(group) for call in engine.asked for group in call] == [[0, 0, 1, 1, 2]]
    assert [c.phase for c in three.calls] == ["group 1-3"]


@pytest.mark.parametrize(
    ("text", "finish", "positions", "kinds"),
    [
        ("3 1 2 5 4", "stop", [50, 40], {}),
        ("1 2", "stop", [10, 20], {}),
        ("4", "stop", [40], {DefectKind.MISSING: 1}),
        ("2 4 4", "stop", [40, 40], {DefectKind.REPEATED: 1}),
        ("x 3 2", "stop", [30, 20], {}),
        ("3 2 x", "stop", [10, 10], {DefectKind.UNPARSEABLE: 1}),
        ("3 -2", "stop", [10, 10], {DefectKind.UNPARSEABLE: 1}),
        ("3 ²", "stop", [10, 10], {DefectKind.UNPARSEABLE: 1}),
        ("", "stop", [10, 10], {DefectKind.UNPARSEABLE: 1}),
        ("6 0", "stop", [10, 10], {DefectKind.OUT_OF_RANGE: 2}),
        ("1 " + "9" * 5000, "stop", [10, 10], {DefectKind.OUT_OF_RANGE: 1}),
        ("3 2", "refused", [10, 10], {DefectKind.REFUSED: 1}),
    ],
)
def test_the_best_are_the_last_identifiers_and_else_the_group_s_first(
    text: str, finish: str, positions: list[int], kinds: dict[DefectKind, int]
) -> None:
    call = Call(0, 0, 0.0, text=text, finish=finish)  # type: ignore[arg-type]  # a literal of the table
    found, defects = read_best(call, [10, 20, 30, 40, 50], 2)
    assert found == positions
    assert {d.kind: d.count for d in defects} == kinds


def test_a_defect_is_counted_once_however_often_its_group_comes_back() -> None:
    engine = Fuser(lambda _: "no idea")
    (ranked,) = ranker(engine, places=2).rank([candidates("1", documents(10))])
    # 1-5 and 6-10 leave 1 1 and 6 6; these and the next of the list make the last group. Then 1's slot goes to 2 (22 of 10).
    assert ranked.ranking.doc_ids[:2] == ("d0", "d1")
    assert {d.kind for d in ranked.defects} == {DefectKind.UNPARSEABLE}
    assert sum(d.count for d in ranked.defects) == len(ranked.calls)


@settings(deadline=None, max_examples=30)
@given(depths=st.lists(st.integers(0, 40), max_size=4), places=st.integers(1, 12))
def test_a_batch_in_lock_step_equals_its_lists_one_by_one(depths: list[int], places: int) -> None:
    batch = [candidates(str(i), documents(depth), f"query {i}") for i, depth in enumerate(depths)]

    def noise(texts: Sequence[str]) -> str:
        key = sum(map(ord, "".join(texts)))
        return " ".join(str((key * (i + 3)) % 7) for i in range(key % 5))

    def rank(lists: Sequence[CandidateList]) -> list[tuple[object, ...]]:
        ranked = ranker(Fuser(noise), places=places).rank(lists)
        return [(r.ranking, r.defects, [(c.phase, c.text) for c in r.calls]) for r in ranked]

    assert rank(batch) == [rank([one])[0] for one in batch]


def test_each_text_is_cut_from_the_right_to_its_benchmark_s_length() -> None:
    class Roomy(CountingFuser):
        max_tokens = 2000

    def longest(benchmark: str) -> int:
        engine = Roomy(lambda _: "1 2 3 4 5")
        (ranked,) = ranker(engine, benchmark=benchmark).rank([candidates("1", ["w " * 3000, "v"], "q")])
        (group,) = engine.asked[0]
        assert len(group) == 5
        # Sorted, the long document stands at 1, 2 and 3. "Query: q, Index: i, Context:" is 5 words, and two tokens are special.
        assert [(d.kind, d.count) for d in ranked.defects] == [(DefectKind.TRUNCATED, 3)]
        return group[0].count("w")

    assert [longest(b) for b in ("dl19", "scifact", "robust04", "bright-pony")] == [249, 505, 1017, 505]


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs an engine that is a FusionGenerator, got Writer"):
        ranker(Writer(str))
    with pytest.raises(ConfigError, match="kind 'pointwise', but 'rankqwen3'"):
        ranker(Fuser(lambda _: ""), prompt="rankqwen3")
    with pytest.raises(ConfigError, match="given its 'number'"):
        ranker(Fuser(lambda _: ""), prompt="monot5")
    for wrong in ({"keep": 3}, {"group": 1}, {"keep": 0}, {"places": 0}):
        with pytest.raises(ValidationError):
            TournamentOptions(**wrong)  # type: ignore[arg-type]


def test_the_work_is_estimated_by_rounds() -> None:
    # 35 groups for the first place and 7 for each of nine more, 5 texts each.
    work = TournamentRanker.workload(TournamentOptions(), [candidates("1", documents(100), "two words"), candidates("2", ["a"])])
    assert (work.prompts, work.words, work.new_tokens) == (98 * 5, 98 * 5 * 3, 98 * 6)


def test_defects_of_one_kind_are_added_up_over_a_group() -> None:
    class Small(CountingFuser):
        max_tokens = 8

    (ranked,) = ranker(Small(lambda _: "1 2 3 4 5")).rank([candidates("1", ["w w w w", "v v v v v"], "q")])
    assert ranked.defects == (
        Defect(DefectKind.TRUNCATED, "group 1-2: 3 of 11 tokens cut from the right, the query is whole", 3),
        Defect(DefectKind.TRUNCATED, "group 1-2: 4 of 12 tokens cut from the right, the query is whole", 2),
    )
