"""Sliding windows: schedule, lock step, repair, and what happens to prompts that are too long."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import inf, nan
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rankers.fakes import CountingWriter, Ended, Forced, HashEmbedder, PatternWriter, Scorer, Writer, as_text, candidates, parts
from rerankbench.clock import Clock
from rerankbench.errors import ConfigError, EngineError, OverLengthError, RankingError
from rerankbench.protocols import Engine, PatternGenerator, TextGenerator, TokenScorer
from rerankbench.rankers.listwise import ListwiseOptions, ListwiseRanker, forced_answer
from rerankbench.records import Call, CandidateList, Chat, Defect, DefectKind, Ranked, Ranking

PASSAGE = re.compile(r"^\[(\d+)\] ?(\S*)", re.MULTILINE)


def ranker(engine: Engine, clock: Clock | None = None, **options: object) -> ListwiseRanker:
    return ListwiseRanker.build(ListwiseOptions(**options), parts(engine, clock=clock))  # type: ignore[arg-type]


def by_grade(grades: Mapping[str, int]) -> Callable[[str], str]:
    """Answers the right order: it knows the grade of every document by its first word."""

    def answer(prompt: str) -> str:
        shown = PASSAGE.findall(prompt)
        return " > ".join(f"[{n}]" for n, word in sorted(shown, key=lambda s: -grades[s[1]]))

    return answer


def backwards(prompt: str) -> str:
    return " > ".join(f"[{n}]" for n, _ in reversed(PASSAGE.findall(prompt)))


def forwards(prompt: str) -> str:
    return " > ".join(f"[{n}]" for n, _ in PASSAGE.findall(prompt))


def documents(depth: int) -> list[str]:
    return [f"w{i}" for i in range(depth)]


@settings(max_examples=50, deadline=None)
@given(grades=st.lists(st.integers(0, 3), min_size=100, max_size=100))
def test_a_writer_that_knows_the_grades_brings_the_ten_best_of_100_to_the_front_in_one_pass(grades: list[int]) -> None:
    known = {f"w{i}": g for i, g in enumerate(grades)}
    engine = Writer(by_grade(known))
    (ranked,) = ranker(engine).rank([candidates("1", documents(100))])
    got = [grades[int(d.removeprefix("d"))] for d in ranked.ranking.doc_ids]
    # A window carries its best 10 over the 10 that the next one adds, so the first 10 ranks are right, as with all windows.
    assert got[:10] == sorted(grades, reverse=True)[:10]
    assert sorted(ranked.ranking.doc_ids) == sorted(f"d{i}" for i in range(100))
    assert ranked.defects == ()


def test_the_windows_of_a_list_are_called_from_back_to_front_and_named_by_ranks() -> None:
    (ranked,) = ranker(Writer(forwards)).rank([candidates("1", documents(35))])
    assert [c.phase for c in ranked.calls] == ["window 16-35", "window 6-25", "window 1-15"]
    assert ranked.ranking.doc_ids == tuple(f"d{i}" for i in range(35))
    assert ranked.ranking.scores is None


def test_a_window_works_on_the_order_that_the_one_before_it_left() -> None:
    # Window 2, step 1 over 0 1 2 3, each window turned round: 0 1 3 2, then 0 3 1 2, then 3 0 1 2.
    (ranked,) = ranker(Writer(backwards), window=2, step=1).rank([candidates("1", documents(4))])
    assert ranked.ranking.doc_ids == ("d3", "d0", "d1", "d2")


def test_a_second_pass_starts_from_what_the_first_one_left() -> None:
    # After the first pass 3 0 1 2 (see above); again: 3 0 2 1, then 3 2 0 1, then 2 3 0 1.
    (ranked,) = ranker(Writer(backwards), window=2, step=1, passes=2).rank([candidates("1", documents(4))])
    assert ranked.ranking.doc_ids == ("d2", "d3", "d0", "d1")
    assert [c.phase for c in ranked.calls][2:4] == ["pass 1, window 1-2", "pass 2, window 3-4"]


def test_lists_without_anything_to_order_cost_no_call() -> None:
    engine = Writer(forwards)
    none, single = ranker(engine).rank([candidates("0", []), candidates("1", ["a"])])
    assert none.ranking.doc_ids == ()
    assert single.ranking.doc_ids == ("d0",)
    assert ranker(engine).rank([]) == []
    # 11 documents, window and step 10: the front window holds one document.
    ranker(engine, window=10, step=10).rank([candidates("2", documents(11))])
    assert len(engine.asked) == 1


def test_one_call_holds_the_same_step_of_every_list() -> None:
    engine = Writer(forwards)
    clock = Clock()
    batch = [candidates("a", documents(30)), candidates("b", documents(5)), candidates("c", documents(21)), candidates("d", [])]
    ranked = ranker(engine, clock).rank(batch)
    assert [len(prompts) for prompts in engine.asked] == [3, 2]
    assert [len(r.calls) for r in ranked] == [2, 1, 2, 0]
    assert [(s.name, s.query_ids) for s in clock.spans] == [
        ("build prompt", ("a", "b", "c")),
        ("generate", ("a", "b", "c")),
        ("build prompt", ("a", "c")),
        ("generate", ("a", "c")),
    ]
    assert engine.max_new_tokens == {128}


def chat(engine: Writer | Scorer) -> Chat:
    """The first prompt that the engine was given."""
    prompt = engine.asked[0][0]
    assert isinstance(prompt, Chat)
    return prompt


def noise(prompt: str) -> str:
    """An answer with all kinds of defects that the prompt alone decides."""
    shown = PASSAGE.findall(prompt)
    key = sum(map(ord, prompt))
    return " ".join(str((key * (i + 3)) % (len(shown) + 2)) for i in range(key % (len(shown) + 3)))


@settings(deadline=None)
@given(
    depths=st.lists(st.integers(0, 40), max_size=5),
    window=st.integers(1, 12),
    passes=st.integers(1, 2),
    order=st.sampled_from(["initial", "reverse", "random"]),
    data=st.data(),
)
def test_a_batch_in_lock_step_equals_its_lists_one_by_one(
    depths: list[int], window: int, passes: int, order: str, data: st.DataObject
) -> None:
    step = data.draw(st.integers(1, window))
    batch = [candidates(str(i), documents(depth), f"query {i}") for i, depth in enumerate(depths)]

    def rank(lists: list[CandidateList]) -> list[Ranked]:
        return ranker(Writer(noise), window=window, step=step, passes=passes, initial_order=order).rank(lists)

    together = rank(batch)
    alone = [rank([one])[0] for one in batch]
    assert [r.ranking for r in together] == [r.ranking for r in alone]
    assert [r.defects for r in together] == [r.defects for r in alone]
    assert [r.ranking for r in together] == [
        by_the_rule(one, window, step, passes, order, together[i].ranking.doc_ids) for i, one in enumerate(batch)
    ]


def by_the_rule(one: CandidateList, window: int, step: int, passes: int, order: str, got: tuple[str, ...]) -> Ranking:
    """PROTOCOL.md, one list at a time, in slices; a random start cannot be foretold, only checked for being a permutation."""
    if order == "random":
        assert sorted(got) == sorted(d.id for d in one.documents)
        return Ranking(one.query.id, got)
    ids = [d.id for d in one.documents]
    if order == "reverse":
        ids.reverse()
    for _ in range(passes):
        end = len(ids)
        while end > 0:
            start = max(end - window, 0)
            shown = ids[start:end]
            if len(shown) > 1:
                passages = "\n\n".join(f"[{n}] w{d[1:]}" for n, d in enumerate(shown, start=1))
                named = [int(n) for n in re.findall("[0-9]+", noise(rankqwen3(one.query.text, passages, len(shown))))]
                kept = list(dict.fromkeys(n for n in named if 1 <= n <= len(shown)))
                rest = [n for n in range(1, len(shown) + 1) if n not in kept]
                ids[start:end] = [shown[n - 1] for n in kept + rest]
            end = end - step if start > 0 else 0
    return Ranking(one.query.id, tuple(ids))


def rankqwen3(query: str, passages: str, count: int) -> str:
    return (
        f"I will provide you with {count} passages, each indicated by a numerical identifier []. "
        f"Rank the passages based on their relevance to the search query: {query}.\n\n{passages}\n\nSearch Query: {query}.\n"
        f"Rank the {count} passages above based on their relevance to the search query. "
        "All the passages should be included and listed using identifiers, in descending order of relevance. "
        "The output format should be [] > [] > ..., e.g., [4] > [2] > ..., "
        "Only respond with the ranking results, do not say anything else or explain."
    )


def test_the_first_pass_meets_the_list_in_the_order_asked_for() -> None:
    one = candidates("1", documents(20))

    def kept(order: str, seed: int = 0) -> tuple[str, ...]:
        return ranker(Writer(forwards), initial_order=order, seed=seed).rank([one])[0].ranking.doc_ids

    assert kept("reverse") == tuple(f"d{i}" for i in range(19, -1, -1))
    shuffled = kept("random", 1)
    assert sorted(shuffled) == sorted(d.id for d in one.documents)
    assert kept("random", 1) == shuffled, "the same seed draws the same order"
    assert kept("random", 2) != shuffled


def test_a_random_order_depends_on_the_query_and_not_on_its_neighbours() -> None:
    batch = [candidates("1", documents(20)), candidates("2", documents(20))]
    first, second = ranker(Writer(forwards), initial_order="random").rank(batch)
    (alone,) = ranker(Writer(forwards), initial_order="random").rank([batch[1]])
    assert alone.ranking == second.ranking
    assert first.ranking.doc_ids != second.ranking.doc_ids


def test_repairs_are_recorded_with_their_window_and_the_raw_answer_is_kept() -> None:
    answers = iter(["[2] > [2] > [9]", "no idea"])
    (ranked,) = ranker(Writer(lambda _: next(answers)), window=3, step=2).rank([candidates("1", documents(5))])
    # 2 3 4 becomes 3 2 4; the front window 0 1 3 stays.
    assert ranked.ranking.doc_ids == ("d0", "d1", "d3", "d2", "d4")
    assert [c.text for c in ranked.calls] == ["[2] > [2] > [9]", "no idea"]
    assert ranked.defects == (
        Defect(DefectKind.REPEATED, "window 3-5: identifiers given again: 2", 1),
        Defect(DefectKind.OUT_OF_RANGE, "window 3-5: integers that are no identifier from 1 to 3", 1),
        Defect(DefectKind.MISSING, "window 3-5: identifiers left out: 1, 3", 2),
        Defect(DefectKind.UNPARSEABLE, "window 1-3: no identifier from 1 to 3 in the answer", 1),
    )


def test_passages_are_cut_to_their_word_limit_and_counted_once_a_query() -> None:
    engine = Writer(forwards)
    (ranked,) = ranker(engine, max_words=2, window=2, step=1).rank([candidates("1", ["a b c", "", "d  e"])])
    assert "[1]\n" not in as_text(engine.asked[1][0])
    assert "[1] a b\n\n[2] \n\nSearch" in as_text(engine.asked[1][0])
    assert ranked.defects == (
        Defect(DefectKind.SHORTENED, "documents cut to their first 2 words", 1),
        Defect(DefectKind.EMPTY_DOCUMENT, "documents without a word", 1),
    )


def test_another_prompt_is_a_matter_of_its_name() -> None:
    engine = Writer(lambda _: "[2] > [1]")
    (ranked,) = ranker(engine, prompt="rankgpt-multiturn").rank([candidates("1", ["a", "b"])])
    assert ranked.ranking.doc_ids == ("d1", "d0")
    assert len(chat(engine).messages) == 8, "system, two turns before, an exchange a passage, one turn after"


def test_a_prompt_that_leaves_no_room_for_the_answer_has_its_passages_cut_evenly() -> None:
    # Everything but the passages' words, and two special tokens; 6 more for words of passages, 5 for the answer.
    fixed = len(rankqwen3("q", "[1] \n\n[2] ", 2).split()) + 2

    class Roomy(CountingWriter):
        max_tokens = fixed + 6 + 5

    engine = Roomy(forwards)
    (ranked,) = ranker(engine, max_new_tokens=5).rank([candidates("1", ["a1 a2 a3 a4 a5", "b1 b2 b3 b4"], "q")])
    assert "[1] a1 a2 a3\n\n[2] b1 b2 b3\n\n" in as_text(engine.asked[0][0])
    made = f"prompt of {fixed + 9} tokens made to fit {fixed + 6}"
    assert ranked.defects == (Defect(DefectKind.SHORTENED, f"window 1-2: {made}: its documents cut to their first 3 words", 2),)


def test_truncating_a_prompt_hands_over_its_text_and_stopping_names_the_query() -> None:
    engine = CountingWriter(forwards)
    (ranked,) = ranker(engine, max_new_tokens=5, overflow="truncate").rank([candidates("1", ["a " * 50, "b"], "who asks")])
    (prompt,) = engine.asked[0]
    assert isinstance(prompt, str)
    assert engine.count_tokens([prompt]) == [36]
    assert "the query at its end with them" in ranked.defects[0].detail
    with pytest.raises(OverLengthError, match="'q7': its prompt has"):
        ranker(CountingWriter(forwards), max_new_tokens=5, overflow="error").rank([candidates("q7", ["a " * 50, "b"])])


def test_what_does_not_fit_together_is_refused(tmp_path: Path) -> None:
    begun = tmp_path / "begun.yaml"
    begun.write_text(
        'name: begun\nkind: listwise\nsource: x\nmessages: [{role: user, content: "{query} {documents}"}]\n'
        'document: "[{number}] {text}"\nanswer: "["\n',
        encoding="utf-8",
    )
    for wrong in ({"step": 0}, {"step": -1}, {"window": 5, "step": 6}, {"window": 0}, {"passes": 0}):
        with pytest.raises(ValidationError):
            ListwiseOptions(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="kind 'listwise', but 'e2rank-query'"):
        ranker(Writer(forwards), prompt="e2rank-query")
    for decoding, capability in (("generate", "TextGenerator"), ("pattern", "PatternGenerator"), ("first-token", "TokenScorer")):
        with pytest.raises(ConfigError, match=f"needs an engine that is a {capability}, got HashEmbedder"):
            ranker(HashEmbedder(), decoding=decoding)
    with pytest.raises(ConfigError, match="names documents by letters"):
        ranker(Writer(forwards), prompt="first-mistral")
    with pytest.raises(ConfigError, match="begins it already"):
        ranker(PatternWriter(forwards), prompt=str(begun), decoding="pattern")
    with pytest.raises(ValidationError, match="leaves no room for reasoning"):
        ListwiseOptions(decoding="pattern", answer="tagged")
    with pytest.raises(ConfigError, match="leaves none for a prompt"):
        ranker(CountingWriter(forwards), max_new_tokens=41)


def test_an_engine_that_gives_other_than_one_answer_a_prompt_is_refused() -> None:
    class Broken(Writer):
        def generate(self, prompts: object, *, max_tokens: int, stop: object = ()) -> list[Call]:
            return []

    with pytest.raises(EngineError, match="asked for 1 answers and gave 0"):
        ranker(Broken(forwards)).rank([candidates("1", ["a", "b"])])


def test_a_prompt_is_handed_over_as_a_chat() -> None:
    engine = Writer(forwards)
    ranker(engine).rank([candidates("1", ["a", "b"], "q")])
    assert [m.role for m in chat(engine).messages] == ["user"]
    assert (chat(engine).thinking, chat(engine).answer) == (False, "")
    assert as_text(chat(engine)) == rankqwen3("q", "[1] a\n\n[2] b", 2)


def test_each_decoding_needs_a_capability_of_its_own() -> None:
    assert ListwiseRanker.needs(ListwiseOptions()) == (TextGenerator,)
    assert ListwiseRanker.needs(ListwiseOptions(decoding="pattern")) == (PatternGenerator,)
    assert ListwiseRanker.needs(ListwiseOptions(decoding="first-token")) == (TokenScorer,)


def test_a_reasoned_order_is_read_from_the_answer_and_not_from_the_reasoning() -> None:
    said = "<think>[1] beats [2], and 3 is off; the <answer> is clear</think>\n<answer> [3] > [1] > [2] </answer>"
    (ranked,) = ranker(Writer(lambda _: said), answer="tagged").rank([candidates("1", documents(3))])
    assert ranked.ranking.doc_ids == ("d2", "d0", "d1")
    assert ranked.defects == ()


def test_reasoning_that_never_ends_is_read_as_a_whole_and_counted() -> None:
    engine = Ended(lambda _: "<think>I think that 2 is better than 1", "length")
    (ranked,) = ranker(engine, answer="tagged").rank([candidates("1", documents(3))])
    assert ranked.ranking.doc_ids == ("d1", "d0", "d2")
    assert [(d.kind, d.count) for d in ranked.defects] == [(DefectKind.REASONING_WITHOUT_ANSWER, 1), (DefectKind.MISSING, 1)]


@pytest.mark.parametrize("answer", ["plain", "tagged"])
def test_a_refused_window_keeps_its_order_whatever_else_was_said(answer: str) -> None:
    (ranked,) = ranker(Ended(lambda _: "[2] > [1]", "refused"), answer=answer).rank([candidates("1", documents(2))])
    assert ranked.ranking.doc_ids == ("d0", "d1")
    assert ranked.defects == (Defect(DefectKind.REFUSED, "window 1-2: the model would not answer", 1),)


def test_a_pattern_holds_each_window_to_as_many_identifiers_as_it_has_documents() -> None:
    engine = PatternWriter(backwards)
    (ranked,) = ranker(engine, decoding="pattern", window=3, step=2).rank([candidates("1", documents(4))])
    # Window 2-4 turns 1 2 3 round, then window 1-2 turns 0 3 round.
    assert ranked.ranking.doc_ids == ("d3", "d0", "d2", "d1")
    assert engine.patterns == [r"\[(1|2|3)\]( > \[(1|2|3)\]){2}", r"\[(1|2)\]( > \[(1|2)\]){1}"]
    assert re.fullmatch(engine.patterns[0], "[3] > [1] > [2]")
    assert not re.fullmatch(engine.patterns[0], "[3] > [1] > [4]")


def first_mistral(score: Callable[[str, str], float]) -> tuple[Scorer, ListwiseRanker]:
    engine = Scorer(score)
    return engine, ranker(engine, prompt="first-mistral", decoding="first-token")


def test_first_token_scores_put_each_window_in_order_with_one_token_a_window() -> None:
    # Document w7 is the letter's wish: the higher its number, the better.
    def score(prompt: str, label: str) -> float:
        found = re.search(rf"^\[{label}\] w(\d+)", prompt, re.MULTILINE)
        return float(found[1]) if found else -50.0

    engine, first = first_mistral(score)
    (ranked,) = first.rank([candidates("1", documents(25))])
    # Windows 6-25 and 1-15. The first turns 5 … 24 round; the second holds 0 … 4 and 24 … 15.
    assert ranked.ranking.doc_ids == tuple(f"d{i}" for i in [*range(24, 14, -1), *range(4, -1, -1), *range(14, 4, -1)])
    assert ranked.defects == ()
    assert engine.labels == [tuple("ABCDEFGHIJKLMNOPQRST")] * 2
    assert engine.kinds == ["logprob"] * 2
    assert [c.completion_tokens for c in ranked.calls] == [1, 1]
    assert as_text(chat(engine)).endswith("do not say any word or explain.[")


def test_equal_scores_and_absent_letters_keep_the_incoming_order_and_absent_ones_are_counted() -> None:
    given = {"A": -2.0, "B": -inf, "C": -2.0, "D": -1.0, "E": -inf}
    _, first = first_mistral(lambda _, label: given.get(label, 0.0))
    (ranked,) = first.rank([candidates("1", documents(5))])
    assert ranked.ranking.doc_ids == ("d3", "d0", "d2", "d1", "d4")
    assert ranked.defects == (Defect(DefectKind.MISSING, "window 1-5: identifiers without a score", 2),)


def test_a_window_without_any_score_stays_and_a_score_that_is_no_number_is_an_error() -> None:
    _, silent = first_mistral(lambda *_: -inf)
    (ranked,) = silent.rank([candidates("1", documents(3))])
    assert ranked.ranking.doc_ids == ("d0", "d1", "d2")
    assert [d.kind for d in ranked.defects] == [DefectKind.UNPARSEABLE]
    _, broken = first_mistral(lambda *_: nan)
    with pytest.raises(RankingError, match="not a number"):
        broken.rank([candidates("1", documents(3))])


def test_the_work_is_estimated_by_windows() -> None:
    work = ListwiseRanker.workload(ListwiseOptions(), [candidates("1", documents(100), "two words")])
    # 9 windows of 20 one-word documents, the query twice in each prompt.
    assert (work.prompts, work.words, work.new_tokens) == (9, 9 * (20 + 4), 9 * 128)
    letters = ListwiseOptions(decoding="first-token", prompt="first-mistral")
    assert ListwiseRanker.workload(letters, [candidates("1", documents(100))]).new_tokens == 9


# ---- answers that are forced ----


def test_forced_answers_are_whole_permutations_that_move_documents_and_need_no_repair() -> None:
    engine = Forced()
    (ranked,) = ranker(engine, decoding="forced", window=20, step=10).rank([candidates("1", documents(35))])
    assert [sorted(map(int, re.findall(r"\d+", told))) for (told,) in engine.told] == [
        list(range(1, 21)),
        list(range(1, 21)),
        list(range(1, 16)),
    ]
    assert [c.phase for c in ranked.calls] == ["window 16-35", "window 6-25", "window 1-15"]
    assert ranked.defects == ()
    assert engine.max_new_tokens == {128}
    # By the rule of sliding windows, from the answers alone.
    order = list(range(35))
    for (start, end), (told,) in zip([(15, 35), (5, 25), (0, 15)], engine.told, strict=True):
        order[start:end] = [order[start + int(n) - 1] for n in re.findall(r"\d+", told)]
    assert ranked.ranking.doc_ids == tuple(f"d{p}" for p in order)
    assert order != sorted(order)


def test_what_a_query_is_forced_to_depends_on_seed_query_and_window_alone() -> None:
    def told(seed: int, *queries: str) -> dict[str, str]:
        engine = Forced()
        made = ranker(engine, decoding="forced", window=5, step=5, seed=seed).rank([candidates(q, documents(10)) for q in queries])
        return {f"{q} {call.phase}": call.text for q, ranked in zip(queries, made, strict=True) for call in ranked.calls}

    both = told(0, "a", "b")
    assert both == told(0, "b") | told(0, "a")
    assert len(set(both.values())) == 4
    assert not set(both.values()) & set(told(1, "a", "b").values())


@given(size=st.integers(1, 60), seed=st.text())
def test_a_forced_answer_is_a_permutation_in_the_form_of_the_prompt(size: int, seed: str) -> None:
    answer = forced_answer(size, seed)
    assert re.fullmatch(r"\[\d+\]( > \[\d+\])*", answer)
    assert sorted(map(int, re.findall(r"\d+", answer))) == list(range(1, size + 1))


def test_answers_are_forced_on_engines_alone_that_can_and_never_behind_a_beginning_of_the_prompts_own() -> None:
    with pytest.raises(ConfigError, match="'listwise' needs an engine that is a AnswerForcer, got Writer"):
        ranker(Writer(forwards), decoding="forced")
    with pytest.raises(ConfigError, match="reads numbers"):
        ranker(Forced(), decoding="forced", prompt="first-mistral")
