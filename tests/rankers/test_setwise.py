"""Setwise reranking: which documents stand in a prompt, how its answer is read, and what the heap makes of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankers.fakes import CountingWriter, Ended, HashEmbedder, Writer, as_text, candidates, parts
from rerankbench.errors import ConfigError
from rerankbench.protocols import Engine
from rerankbench.rankers.setwise import SetwiseOptions, SetwiseRanker, read_choice
from rerankbench.records import Call, CandidateList, Defect, DefectKind

DOCUMENT = re.compile(r"^\[(\d+)\]: (\S*)", re.MULTILINE)
NO_TOKENS: dict[str, object] = {"max_query_tokens": None, "max_document_tokens": None}


def ranker(engine: Engine, **options: object) -> SetwiseRanker:
    return SetwiseRanker.build(SetwiseOptions(**{**NO_TOKENS, **options}), parts(engine))  # type: ignore[arg-type]


def named(identifier: object) -> str:
    return f"<think>Well.</think>\n<answer>[{identifier}]</answer>"


def by_grade(grades: Mapping[str, int]) -> Callable[[str], str]:
    """Names the best of the documents shown; it knows the grade of each by its first word."""

    def answer(prompt: str) -> str:
        return named(max(DOCUMENT.findall(prompt), key=lambda shown: grades[shown[1]])[0])

    return answer


def documents(depth: int) -> list[str]:
    return [f"w{i}" for i in range(depth)]


@settings(max_examples=25, deadline=None)
@given(grades=st.lists(st.integers(0, 3), min_size=100, max_size=100))
def test_a_writer_that_knows_the_grades_fills_the_ten_places_rightly_and_the_rest_stays(grades: list[int]) -> None:
    (ranked,) = ranker(Writer(by_grade({f"w{i}": g for i, g in enumerate(grades)}))).rank([candidates("1", documents(100))])
    got = [int(d.removeprefix("d")) for d in ranked.ranking.doc_ids]
    assert [grades[i] for i in got[:10]] == sorted(grades, reverse=True)[:10]
    assert got[10:] == sorted(set(range(100)) - set(got[:10]))
    # Six nodes have children, and nine more places are filled: at least a question each; at most 25 (see test_sorting).
    assert 15 <= len(ranked.calls) <= 25
    assert ranked.defects == ()


def test_a_list_that_is_one_prompt_is_ranked_in_ten_questions() -> None:
    grades = {f"w{i}": i for i in range(20)}
    (ranked,) = ranker(Writer(by_grade(grades))).rank([candidates("1", documents(20))])
    assert ranked.ranking.doc_ids == (*(f"d{i}" for i in range(19, 9, -1)), *(f"d{i}" for i in range(10)))
    assert [c.phase for c in ranked.calls] == ["heap 1", *(f"place {p}" for p in range(2, 11))]


def shown(engine: Writer) -> list[list[str]]:
    """The documents of each prompt, in its order."""
    return [[word for _, word in DOCUMENT.findall(as_text(p))] for call in engine.asked for p in call]


def test_documents_are_shuffled_in_every_prompt_by_seed_query_and_step() -> None:
    def orders(query: str, **options: object) -> list[list[str]]:
        engine = Writer(lambda _: "")  # nothing moves, so every prompt but the first shows what the one before it took the best from
        ranker(engine, **options).rank([candidates(query, documents(12))])
        return shown(engine)

    assert orders("1") == orders("1")
    assert orders("1") != orders("2")
    assert orders("1") != orders("1", seed=1)
    assert orders("1", shuffle=False)[0] == documents(12)
    assert sorted(orders("1")[0]) == sorted(documents(12))
    # Places 2 and 3 without shuffling: the last document comes to the root in turn.
    assert orders("1", shuffle=False, places=3)[1:] == [["w11", *documents(11)[1:]], ["w10", *documents(10)[1:]]]


def test_the_order_does_not_depend_on_the_shuffle_where_answers_do_not() -> None:
    grades = {f"w{i}": (i * 37) % 101 for i in range(60)}
    for seed in (1, 2):
        shuffled, plain = (
            ranker(Writer(by_grade(grades)), shuffle=shuffle, seed=seed).rank([candidates("1", documents(60))])[0]
            for shuffle in (True, False)
        )
        assert shuffled.ranking == plain.ranking


def noise(prompt: str) -> str:
    key = sum(map(ord, prompt))
    return [named(key % 23), "no idea", named("x")][key % 3]


@settings(deadline=None, max_examples=40)
@given(depths=st.lists(st.integers(0, 30), max_size=4), children=st.integers(1, 8), places=st.integers(1, 12))
def test_a_batch_in_lock_step_equals_its_lists_one_by_one(depths: list[int], children: int, places: int) -> None:
    batch = [candidates(str(i), documents(depth), f"query {i}") for i, depth in enumerate(depths)]

    def rank(lists: Sequence[CandidateList]) -> list[tuple[object, ...]]:
        ranked = ranker(Writer(noise), children=children, places=places).rank(lists)
        return [(r.ranking, r.defects, [(c.phase, c.text) for c in r.calls]) for r in ranked]

    assert rank(batch) == [rank([one])[0] for one in batch]


@pytest.mark.parametrize(
    ("text", "position"),
    [
        (named(3), 2),
        ("<THINK>a\nb</THINK> <ANSWER> [1] </ANSWER>", 0),
        ("so: <think>[1]</think><answer>[2]</answer> <answer>[3]</answer>", 1),
        ("<think>the <answer>[1]</answer> form</think><answer>[2]</answer>", 1),
    ],
)
def test_the_answer_behind_the_reasoning_names_a_document(text: str, position: int) -> None:
    assert read_choice(Call(0, 0, 0.0, text=text), 3) == (position, ())


@pytest.mark.parametrize(
    ("text", "finish", "kind"),
    [
        ("[2]", "stop", DefectKind.UNPARSEABLE),
        ("<answer>[2]</answer>", "stop", DefectKind.UNPARSEABLE),
        (named("2, 3"), "stop", DefectKind.UNPARSEABLE),
        ("<think></think><answer>2</answer>", "stop", DefectKind.UNPARSEABLE),
        (named(4), "stop", DefectKind.OUT_OF_RANGE),
        (named(0), "stop", DefectKind.OUT_OF_RANGE),
        (named("9" * 5000), "stop", DefectKind.OUT_OF_RANGE),
        ("<think>[2] is", "length", DefectKind.REASONING_WITHOUT_ANSWER),
        (named(2), "refused", DefectKind.REFUSED),
        ("", "", DefectKind.UNPARSEABLE),
    ],
)
def test_any_other_answer_names_none_and_says_why(text: str, finish: str, kind: DefectKind) -> None:
    position, defects = read_choice(Call(0, 0, 0.0, text=text, finish=finish), 3)  # type: ignore[arg-type]  # a literal of the table
    assert position is None
    assert [d.kind for d in defects] == [kind]


def test_without_an_answer_the_node_of_the_heap_stays() -> None:
    (ranked,) = ranker(Ended(lambda _: "<think>hm", "length"), places=2).rank([candidates("1", documents(3))])
    # Root 0 stays and takes the first place; the last document comes to the root, and stays too.
    assert ranked.ranking.doc_ids == ("d0", "d2", "d1")
    detail = "the reasoning met its limit: the heap's node stays"
    assert ranked.defects == (
        Defect(DefectKind.REASONING_WITHOUT_ANSWER, f"heap 1: {detail}"),
        Defect(DefectKind.REASONING_WITHOUT_ANSWER, f"place 2: {detail}"),
    )


def test_texts_are_cut_to_the_tokens_that_the_authors_gave_each_benchmark() -> None:
    class Roomy(CountingWriter):
        max_tokens = 32768

    def asked(benchmark: str) -> str:
        engine = Roomy(lambda _: named(1))
        ranks = SetwiseRanker.build(SetwiseOptions(), parts(engine, benchmark=benchmark))
        (ranked,) = ranks.rank([candidates("1", ["w " * 2000, "v"], "q " * 2000)])
        assert {d.kind for d in ranked.defects} == {DefectKind.SHORTENED, DefectKind.OVER_LENGTH}
        return as_text(engine.asked[0][0])

    # Two special tokens of each limit's count are none of the text.
    assert (asked("dl19").count("w "), asked("dl19").count("q ")) == (509, 29)
    assert asked("bright-biology").count("w ") == 1021


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(ConfigError, match="kind 'setwise', but 'rankqwen3'"):
        ranker(Writer(noise), prompt="rankqwen3")
    with pytest.raises(ConfigError, match="needs an engine that is a TextGenerator, got HashEmbedder"):
        ranker(HashEmbedder())
    with pytest.raises(ConfigError, match="count"):
        SetwiseRanker.build(SetwiseOptions(), parts(Writer(noise)))


def test_the_work_is_estimated_by_the_heap_s_longest_ways() -> None:
    work = SetwiseRanker.workload(SetwiseOptions(), [candidates("1", documents(100), "two words"), candidates("2", [])])
    assert (work.prompts, work.words, work.new_tokens) == (25, 25 * (20 + 2), 25 * 8000)
