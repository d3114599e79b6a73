"""Reasoning before the score: where it is left, what is written behind it, and what is done when it comes to nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankers.fakes import candidates, parts
from rankers.scoring_fakes import HOSTILE, CountingReasoner, Reasoner, Said, is_permutation, word, words
from rerankbench import prompts
from rerankbench.errors import ConfigError, OverLengthError, RankingError
from rerankbench.protocols import Engine
from rerankbench.rankers.identity import OracleRanker
from rerankbench.rankers.pointwise import PointwiseOptions, PointwiseRanker
from rerankbench.records import Defect, DefectKind, Finish, Qrels

RANK1: Mapping[str, Any] = {
    "score": "reasoning-label",
    "prompt": "rank1",
    "positive": " true",
    "negative": " false",
    "max_new_tokens": 100,
}
ERANK: Mapping[str, Any] = {"score": "reasoning-number", "prompt": "erank", "max_new_tokens": 100}
EVEN = math.log(0.5)


def ranker(engine: Engine, options: Mapping[str, Any]) -> PointwiseRanker:
    return PointwiseRanker.build(PointwiseOptions.model_validate(dict(options)), parts(engine))


def even(text: str, label: str) -> float:
    return -1.0


def rank1(document: str) -> str:
    return (
        "Determine if the following passage is relevant to the query. Answer only with 'true' or 'false'.\n"
        f"Query: a query\nPassage: {document}\n<think>"
    )


# Labels.


def test_labels_are_scored_behind_the_closed_reasoning() -> None:
    said = {"w0": "\nNo.\n</think> false", "w1": "\nYes: it says so.\n</think> true"}
    engine = Reasoner(lambda t: Said(said[word(t)]), lambda t, label: math.log(0.9 if ("Yes" in t) == (label == " true") else 0.1))
    (ranked,) = ranker(engine, RANK1).rank([candidates("1", words(2))])
    assert engine.reasoned == [[rank1("w0"), rank1("w1")]]
    assert engine.scored == [[rank1("w0") + "\nNo.\n</think>", rank1("w1") + "\nYes: it says so.\n</think>"]]
    assert (engine.labels, engine.kinds, engine.max_new_tokens) == ([(" true", " false")], ["logprob"], {100})
    assert ranked.ranking.doc_ids == ("d1", "d0")
    assert ranked.ranking.scores == pytest.approx((math.log(0.9), math.log(0.1)))
    assert ranked.defects == ()
    assert [(c.phase, c.text, c.completion_tokens) for c in ranked.calls] == [
        ("reason d0", "\nNo.\n", 3),
        ("score", "", 2),
        ("reason d1", "\nYes: it says so.\n", 3),
    ]


@pytest.mark.parametrize(
    ("text", "finish", "behind"),
    [
        ("\nIt is. But whe", "length", "\nIt is.\n</think>"),
        ("\nIs it? Yes! And the", "length", "\nIs it? Yes!\n</think>"),
        ("\nIt is. \n", "length", "\nIt is.\n</think>"),
        ("\nno end in sight ", "length", "\nno end in sight\n</think>"),
        ("", "length", "\n</think>"),
        ("\nI will not.", "refused", "\nI will not.\n</think>"),
        ("\nIt is", "stop", "\nIt is</think>"),
        ("\nIt is", "", "\nIt is</think>"),  # 3 tokens of 100: not at its limit
    ],
)
def test_reasoning_that_met_its_limit_is_cut_at_a_sentences_end_and_closed(text: str, finish: Finish, behind: str) -> None:
    engine = Reasoner(lambda _: Said(text, finish), even)
    (ranked,) = ranker(engine, RANK1).rank([candidates("1", words(1))])
    assert engine.scored == [[rank1("w0") + behind]]
    kinds = {"length": [DefectKind.REASONING_WITHOUT_ANSWER], "refused": [DefectKind.REFUSED]}
    assert [d.kind for d in ranked.defects] == kinds.get(finish, [])
    assert ranked.ranking.scores == pytest.approx((EVEN,))


def test_an_engine_that_does_not_say_why_it_ended_is_judged_by_its_count_of_tokens() -> None:
    engine = Reasoner(lambda _: Said("It is. But", ""), even)
    (ranked,) = ranker(engine, {**RANK1, "max_new_tokens": 3}).rank([candidates("1", words(2))])
    assert engine.scored == [[rank1("w0") + "It is.\n</think>", rank1("w1") + "It is.\n</think>"]]
    assert ranked.defects == (Defect(DefectKind.REASONING_WITHOUT_ANSWER, "reasoning without an answer: the labels scored behind it", 2),)


def test_one_label_behind_reasoning_gives_its_logit() -> None:
    engine = Reasoner(lambda _: Said("…"), lambda t, label: float(int(word(t)[1:])))
    (ranked,) = ranker(engine, {**RANK1, "negative": ""}).rank([candidates("1", words(3))])
    assert engine.kinds == ["logit"]
    assert ranked.ranking.scores == (2.0, 1.0, 0.0)


# Numbers.


def digits(probabilities: Mapping[str, float]) -> Reasoner:
    """Says ``<answer>`` and each document's number; the probability of a digit is the one given, of any other nearly nothing."""
    return Reasoner(
        lambda t: Said(f"<think>\nHm.\n</think>\n\n<answer>{NUMBERS[word(t)]}</answer>"), lambda t, d: probability(probabilities, t, d)
    )


NUMBERS = {"w0": "7", "w1": "10", "w2": "1", "w3": "0"}


def probability(probabilities: Mapping[str, float], text: str, digit: str) -> float:
    return math.log(probabilities.get(word(text) + text.rpartition("<answer>")[2] + digit, 1e-9))


def test_a_number_counts_times_the_probability_of_its_digits() -> None:
    # 7 x 0.9 = 6.3; 10 x 0.8 x 0.75 = 6; 1 x 0.95; 0 x anything.
    engine = digits({"w07": 0.9, "w11": 0.8, "w110": 0.75, "w21": 0.95, "w30": 0.99})
    (ranked,) = ranker(engine, ERANK).rank([candidates("1", words(4))])
    assert ranked.ranking.doc_ids == ("d0", "d1", "d2", "d3")
    assert ranked.ranking.scores == pytest.approx((6.3, 6.0, 0.95, 0.0))
    assert ranked.defects == ()
    assert engine.labels == [tuple("0123456789")] * 2
    prompt = prompts.load("erank").for_benchmark("dl19").render("a query", ["w1"])
    assert not isinstance(prompt, str)
    assert prompt.thinking
    first, second = engine.scored
    assert first[1] == prompt.messages[0].content + "<think>\nHm.\n</think>\n\n<answer>"
    assert second == [first[1] + "1"]
    assert [c.phase for c in ranked.calls] == ["reason d0", "score digit 1", "reason d1", "score digit 2", "reason d2", "reason d3"]
    assert [c.completion_tokens for c in ranked.calls if c.phase.startswith("score")] == [4, 1]


LIKELIEST = {"3": -0.1, "4": -3.0}


@pytest.mark.parametrize(
    ("said", "finish", "behind", "number", "kind"),
    [
        ("<think>a</think><answer>8</answer>", "stop", "<think>a</think><answer>", 8, None),
        ("<think>a</think> <answer>\n 08\n</answer> so", "stop", "<think>a</think> <answer>\n ", 8, None),
        ("<think>a</think><answer>8", "stop", "<think>a</think><answer>", 8, None),
        ("<answer>8</answer>", "stop", "<answer>", 8, None),  # a model that does not reason
        # What stands in the reasoning is no answer, and only the first answer behind it counts.
        (
            "<think><answer>2</answer></think><answer>8</answer><answer>9</answer>",
            "stop",
            "<think><answer>2</answer></think><answer>",
            8,
            None,
        ),
        # Nothing behind the reasoning: read out of it, or forced.
        ("<think>so <answer>8</answer>", "length", "<think>so <answer>", 8, DefectKind.REASONING_WITHOUT_ANSWER),
        ("<think>so <answer>8</answer>", "stop", "<think>so <answer>", 8, DefectKind.REASONING_WITHOUT_ANSWER),
        ("<think>It is. But", "length", "<think>It is.\n</think><answer>", 3, DefectKind.REASONING_WITHOUT_ANSWER),
        ("<think>a</think><answer>1", "length", "<think>a</think><answer>", 3, DefectKind.REASONING_WITHOUT_ANSWER),  # of 10?
        ("<think>It is.", "stop", "<think>It is.\n</think><answer>", 3, DefectKind.REASONING_WITHOUT_ANSWER),
        ("", "refused", "\n</think><answer>", 3, DefectKind.REFUSED),
        # An answer that is no number from 0 to 10.
        ("<think>a</think> about 8.", "stop", "<think>a</think> about 8.<answer>", 3, DefectKind.UNPARSEABLE),
        ("<think>a</think><answer>7.5</answer>", "stop", "<think>a</think><answer>", 3, DefectKind.UNPARSEABLE),
        ("<think>a</think><answer>-3</answer>", "stop", "<think>a</think><answer>", 3, DefectKind.UNPARSEABLE),
        ("<think>a</think><answer>٣</answer>", "stop", "<think>a</think><answer>", 3, DefectKind.UNPARSEABLE),
        ("", "stop", "<answer>", 3, DefectKind.UNPARSEABLE),
        ("<think>a</think><answer>11</answer>", "stop", "<think>a</think><answer>", 3, DefectKind.OUT_OF_RANGE),
        (f"</think><answer>{'9' * 5000}</answer>", "stop", "</think><answer>", 3, DefectKind.OUT_OF_RANGE),
    ],
)
def test_where_a_number_is_looked_for_and_what_is_done_without_one(
    said: str, finish: Finish, behind: str, number: int, kind: DefectKind | None
) -> None:
    engine = Reasoner(lambda _: Said(said, finish), lambda _, digit: LIKELIEST.get(digit, -5.0))
    (ranked,) = ranker(engine, ERANK).rank([candidates("1", ["w0"])])
    assert [text.endswith(behind) for (text,) in engine.scored] == [True]
    assert [d.kind for d in ranked.defects] == ([kind] if kind else [])
    assert ranked.ranking.scores == pytest.approx((number * math.exp(LIKELIEST.get(str(number), -5.0)),))


def test_a_digit_without_a_number_for_its_probability_is_an_error() -> None:
    with pytest.raises(RankingError, match="not a number"):
        ranker(Reasoner(lambda _: Said("</think><answer>5</answer>"), lambda *_: math.nan), ERANK).rank([candidates("1", ["w0"])])


# Lengths.


class Roomy(CountingReasoner):
    max_tokens = 80


def test_reasoning_too_long_to_go_on_is_cut_and_what_is_written_behind_it_stays() -> None:
    # The prompt has 22 words; of 80 tokens 2 are special and one is the label's, so 77 words go in: 55 behind the prompt. Its last
    # word ends in "<think>", and "</think>" is a word of its own behind "\n".
    engine = Roomy(lambda _: Said(" x" * 100, "length"), even)
    (ranked,) = ranker(engine, {**RANK1, "max_new_tokens": 20}).rank([candidates("1", ["w0"])])
    ((sent,),) = engine.scored
    assert len(sent.split()) == 77
    assert sent.startswith(rank1("w0") + " x x")
    assert sent.endswith(" x\n</think>")
    assert [d.kind for d in ranked.defects] == [DefectKind.REASONING_WITHOUT_ANSWER, DefectKind.TRUNCATED]
    assert [c.prompt_tokens for c in ranked.calls] == [7, 79]


def test_a_prompt_leaves_room_for_the_reasoning_and_what_is_written_behind_it() -> None:
    # 80 tokens less 20 of reasoning and 16 for what comes behind: 44 for the prompt.
    engine = Roomy(lambda _: Said("yes"), even)
    (ranked,) = ranker(engine, {**RANK1, "max_new_tokens": 20}).rank([candidates("1", ["w0 " * 100])])
    assert [len(text.split()) + 2 for text in engine.reasoned[0]] == [44]
    assert [(d.kind, d.count) for d in ranked.defects] == [(DefectKind.SHORTENED, 1)]
    with pytest.raises(ConfigError, match="leaves none for a prompt"):
        ranker(engine, {**RANK1, "max_new_tokens": 64})


def test_no_cut_of_the_answer_helps_a_prompt_that_is_itself_too_long() -> None:
    class Forgetful(Roomy):
        """Takes less than it said when the prompt was made."""

        def generate(self, *args: Any, **options: Any) -> Any:
            self.max_tokens = 20
            return super().generate(*args, **options)

    with pytest.raises(OverLengthError, match=r"Query '1': its prompt, continued, has \d+ tokens; the engine takes 19"):
        ranker(Forgetful(lambda _: Said("x. " * 30), even), {**RANK1, "max_new_tokens": 20}).rank([candidates("1", ["w0"])])


# For all inputs.


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=20))
def test_an_engine_that_knows_the_grades_reaches_the_ceiling(grades: list[int]) -> None:
    one = candidates("1", words(len(grades)))
    qrels: Qrels = {"1": {f"d{i}": g for i, g in enumerate(grades)}}
    (best,) = OracleRanker(lambda: qrels).rank([one])
    known = {f"w{i}": g for i, g in enumerate(grades)}
    HOSTILE_RANKERS.say = lambda t: Said(f"so</think><answer>{3 * known[word(t)]}</answer>")
    HOSTILE_RANKERS.score = lambda t, label: float(known[word(t)]) if label == " true" else 0.0
    for made in HOSTILE_RANKERS.rankers.values():
        (ranked,) = made.rank([one])
        assert ranked.ranking.doc_ids == best.ranking.doc_ids
        assert ranked.defects == ()


class Large(CountingReasoner):
    max_tokens = 400


class Hostile:
    """Both rankers, on an engine that says and scores what is set; with and without counting tokens."""

    say: Callable[[str], Said]
    score: Callable[[str, str], float]

    def __init__(self) -> None:
        self.rankers = {
            (kind, engine): ranker(engine(self._say, self._score), options)
            for kind, options in (("label", RANK1), ("number", ERANK))
            for engine in (Reasoner, Large)
        }

    def _say(self, text: str) -> Said:
        return self.say(text)

    def _score(self, text: str, label: str) -> float:
        return self.score(text, label)


HOSTILE_RANKERS = Hostile()
FINISHES: st.SearchStrategy[Finish] = st.sampled_from(["", "stop", "length", "refused"])
SCORES = st.floats(max_value=0.0, allow_nan=False) | st.just(-math.inf)


@settings(max_examples=1500, deadline=None)
@given(
    texts=st.lists(HOSTILE, max_size=3),
    others=st.lists(HOSTILE, max_size=2),
    said=st.lists(st.tuples(HOSTILE, FINISHES), min_size=3, max_size=3),
    scores=st.lists(SCORES, min_size=7, max_size=7),
    kind=st.sampled_from(sorted(HOSTILE_RANKERS.rankers, key=str)),
)
def test_whatever_is_reasoned_the_result_is_a_permutation_and_lists_are_independent(
    texts: list[str], others: list[str], said: list[tuple[str, Finish]], scores: list[float], kind: tuple[str, type[Reasoner]]
) -> None:
    HOSTILE_RANKERS.say = lambda text: Said(*said[len(text) % 3])
    HOSTILE_RANKERS.score = lambda text, label: scores[(len(text) + 3 * ord(label[-1])) % 7]
    made = HOSTILE_RANKERS.rankers[kind]
    batch = [candidates("1", texts, "first"), candidates("2", others, "the second")]
    together = made.rank(batch)
    assert all(is_permutation(r, c) for r, c in zip(together, batch, strict=True))
    alone = [made.rank([one])[0] for one in batch]
    assert [(r.ranking, r.defects) for r in together] == [(r.ranking, r.defects) for r in alone]
    reasoned = [[c for c in r.calls if c.phase.startswith("reason ")] for r in together]
    assert [[c.phase for c in calls] for calls in reasoned] == [[f"reason d{i}" for i in range(len(c))] for c in batch]
    # Every refusal is counted; reasoning at its limit is, unless a number ends it.
    for result, calls in zip(together, reasoned, strict=True):
        counts = {d.kind: d.count for d in result.defects}
        refused = sum(c.finish == "refused" for c in calls)
        assert (counts.get(DefectKind.REFUSED, 0) == refused) or kind[0] == "number"
        if kind[0] == "label":
            assert counts.get(DefectKind.REASONING_WITHOUT_ANSWER, 0) == sum(c.finish == "length" for c in calls)
