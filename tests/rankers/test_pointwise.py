"""One document at a time: pairs, labels, and chains of prompts before them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rankers.fakes import CountingScorer, HashEmbedder, Scorer, as_text, candidates, parts
from rankers.scoring_fakes import HOSTILE, PairFake, Reasoner, Said, is_permutation, word, words
from rerankbench import prompts
from rerankbench.clock import Clock
from rerankbench.errors import ConfigError, EngineError, RankingError
from rerankbench.protocols import Engine, PairScorer, TextGenerator, TokenScorer, Workload
from rerankbench.rankers.identity import OracleRanker
from rerankbench.rankers.judging import Labels
from rerankbench.rankers.pointwise import PointwiseOptions, PointwiseRanker
from rerankbench.records import Call, Chat, Defect, DefectKind, Finish, Message, Qrels

INF = math.inf
Options = Mapping[str, object]
MONOT5: Options = {"score": "label", "prompt": "monot5", "positive": "true", "negative": "false"}
RANKT5: Options = {"score": "label", "prompt": "rankt5", "positive": "<extra_id_10>"}


def ranker(engine: Engine, options: Options = MappingProxyType({}), clock: Clock | None = None, benchmark: str = "dl19") -> PointwiseRanker:
    return PointwiseRanker.build(PointwiseOptions.model_validate(dict(options)), parts(engine, clock=clock, benchmark=benchmark))


def length(_: str, document: str) -> float:
    return float(len(document))


def by_label(positive: Callable[[str], float], negative: Callable[[str], float] = lambda _: 0.0) -> Callable[[str, str], float]:
    return lambda text, label: positive(text) if label == "true" else negative(text)


# Pairs.


def test_a_cross_encoders_scores_are_the_order_and_equal_ones_keep_the_first_stages() -> None:
    (ranked,) = ranker(PairFake(length)).rank([candidates("1", ["aa", "b", "cccc", "dd"])])
    assert ranked.ranking.doc_ids == ("d2", "d0", "d3", "d1")
    assert ranked.ranking.scores == (4.0, 2.0, 2.0, 1.0)


def test_all_pairs_of_all_lists_are_one_engine_call_and_a_list_has_one_record() -> None:
    engine, clock = PairFake(length, words=2), Clock()
    first, none, second = ranker(engine, clock=clock).rank(
        [candidates("a", ["x y z", "x"], "q1"), candidates("b", []), candidates("c", ["u v"], "q2")]
    )
    assert engine.asked == [[("q1", "x y z"), ("q1", "x"), ("q2", "u v")]]
    # Tokens of the fake are words of documents: 2 of 3 read, and 1; the other list's 2.
    assert [(c.prompt_tokens, c.completion_tokens, c.batch_size, c.phase) for c in first.calls] == [(3, 0, 3, "score")]
    assert [c.prompt_tokens for c in second.calls] == [2]
    assert first.calls[0].seconds == second.calls[0].seconds
    assert first.defects == (Defect(DefectKind.TRUNCATED, "pairs of query and document cut to the engine's length", 1),)
    assert (none.ranking.doc_ids, none.calls, second.defects) == ((), (), ())
    assert [(s.name, s.query_ids) for s in clock.spans] == [(n, ("a", "c")) for n in ("build prompt", "check lengths", "score")]
    assert ranker(engine).rank([]) == []


def test_limits_hold_for_pairs_and_title_and_text_are_read_as_one() -> None:
    engine = PairFake(length)
    (ranked,) = ranker(engine, {"max_words": 2}).rank([candidates("1", ["a b c", " "])])
    assert engine.asked == [[("a query", "a b"), ("a query", "")]]
    assert [(d.kind, d.count) for d in ranked.defects] == [(DefectKind.SHORTENED, 1), (DefectKind.EMPTY_DOCUMENT, 1)]


def test_pairs_are_not_cut_unless_it_is_asked_for() -> None:
    engine, long = PairFake(length), "a  b\n" * 2000
    ranker(engine).rank([candidates("1", [long])])
    assert engine.asked == [[("a query", long)]]


def test_a_score_that_is_no_number_is_an_error_and_not_a_rank() -> None:
    with pytest.raises(RankingError, match="'d1'"):
        ranker(PairFake(lambda _, document: math.nan if document == "b" else 1.0)).rank([candidates("1", ["a", "b"])])


def test_a_lost_score_is_an_error() -> None:
    engine = PairFake(length)
    engine.score_pairs = lambda pairs: PairFake(length).score_pairs(pairs[1:])  # type: ignore[method-assign]
    with pytest.raises(EngineError, match=r"2 pairs and gave an array of shape \(1,\)"):
        ranker(engine).rank([candidates("1", ["a", "b"])])


# Labels.


def test_one_label_gives_its_raw_logit() -> None:
    engine = Scorer(lambda text, _: {"w0": -3.5, "w1": 7.25, "w2": -INF}[word(text)])
    (ranked,) = ranker(engine, RANKT5).rank([candidates("1", words(3))])
    assert ranked.ranking.scores == (7.25, -3.5, -INF)
    assert (engine.labels, engine.kinds) == ([("<extra_id_10>",)], ["logit"])
    assert engine.asked == [["Query: a query Document: w0", "Query: a query Document: w1", "Query: a query Document: w2"]]


def test_two_labels_give_the_log_probability_of_the_first_against_the_second() -> None:
    # Shares of p(true) in both: 0.2 / (0.2 + 0.6) = 1/4, 0.03 / (0.03 + 0.01) = 3/4, and 1/2 where they are equal.
    true, false = {"w0": 0.2, "w1": 0.03, "w2": 0.1}, {"w0": 0.6, "w1": 0.01, "w2": 0.1}
    engine = Scorer(by_label(lambda t: math.log(true[word(t)]), lambda t: math.log(false[word(t)])))
    (ranked,) = ranker(engine, MONOT5).rank([candidates("1", words(3))])
    assert ranked.ranking.doc_ids == ("d1", "d2", "d0")
    assert ranked.ranking.scores == pytest.approx((math.log(3 / 4), math.log(1 / 2), math.log(1 / 4)))
    assert (engine.labels, engine.kinds) == ([("true", "false")], ["logprob"])
    assert engine.asked[0][0] == "Query: a query Document: w0 Relevant:"
    assert [(c.prompt_tokens, c.completion_tokens, c.batch_size, c.phase) for c in ranked.calls] == [(0, 3, 3, "score")]


def test_confident_documents_do_not_tie() -> None:
    # As probabilities all of these are 1.0 in double precision, and as log-probabilities 0.0 once they are subtracted from their sum.
    (ranked,) = ranker(Scorer(by_label(lambda t: -0.5 + 0.01 * int(word(t)[1:]), lambda _: -60.0)), MONOT5).rank(
        [candidates("1", words(5))]
    )
    assert ranked.ranking.doc_ids == ("d4", "d3", "d2", "d1", "d0")
    assert len(set(ranked.ranking.scores or ())) == 5


@given(st.lists(st.floats(-700, 700), min_size=1, max_size=8))
def test_log_odds_order_as_the_differences_of_the_labels_do(differences: list[float]) -> None:
    by_difference = {f"w{i}": d for i, d in enumerate(differences)}
    engine = Scorer(by_label(lambda t: by_difference[word(t)]))
    (ranked,) = ranker(engine, MONOT5).rank([candidates("1", list(by_difference))])
    given = [differences[int(d[1:])] for d in ranked.ranking.doc_ids]
    # Neighbours may change places only where the difference of differences is rounding.
    assert all(a >= b or math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-12) for a, b in pairwise(given))


def test_labels_that_an_engine_keeps_to_itself() -> None:
    # Only the negative one is told: as unlikely as can be. Only the positive one: certain. Neither: even odds, and said so.
    told = {"w0": (-INF, -1.0), "w1": (-9.0, -INF), "w2": (-INF, -INF)}
    engine = Scorer(by_label(lambda t: told[word(t)][0], lambda t: told[word(t)][1]))
    (ranked,) = ranker(engine, MONOT5).rank([candidates("1", words(3))])
    assert ranked.ranking.doc_ids == ("d1", "d2", "d0")
    assert ranked.ranking.scores == pytest.approx((0.0, math.log(0.5), -INF))
    assert [(d.kind, d.count) for d in ranked.defects] == [(DefectKind.UNPARSEABLE, 1)]
    assert "'true' nor 'false'" in ranked.defects[0].detail
    assert Labels("yes").texts == ("yes",)


def test_a_prompt_that_is_too_long_loses_words_of_its_document_and_keeps_query_and_label() -> None:
    # "Query: a query Document: … Relevant:" has 5 words besides the document's, and the fake adds 2 special tokens: 3 words fit.
    engine = CountingScorer(lambda _, label: 0.0)
    options = {**MONOT5, "max_prompt_tokens": {"dl19": 10, "default": 20}}
    (ranked,) = ranker(engine, options).rank([candidates("1", ["a b c d e f g h i", "a b"])])
    assert [as_text(p) for p in engine.asked[0]] == ["Query: a query Document: a b c Relevant:", "Query: a query Document: a b Relevant:"]
    assert [(d.kind, d.count) for d in ranked.defects] == [(DefectKind.SHORTENED, 1)]
    # 8 words + 2, 7 words + 2.
    assert [c.prompt_tokens for c in ranked.calls] == [19]


def test_documents_cut_in_different_ways_are_counted_as_one_defect() -> None:
    engine = CountingScorer(lambda _, label: 0.0)
    (ranked,) = ranker(engine, {**MONOT5, "max_prompt_tokens": 10}).rank([candidates("1", ["a b c d", "a b c d e", "a b c d e f"])])
    (defect,) = ranked.defects
    assert (defect.kind, defect.count) == (DefectKind.SHORTENED, 3)
    # 5 words besides the document's, and 2 special tokens: prompts of 11, 12 and 13 tokens, of which 3 words of document fit.
    assert defect.detail == "prompt of 11 tokens made to fit 10: its documents cut to their first 3 words; and 2 more like it"


def test_the_prompts_instruction_is_the_benchmarks(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(
        "name: own\nkind: pointwise\nsource: this test\n"
        "messages:\n  - {role: user, content: '{instruction}: {query} | {text}'}\n"
        "default: {instruction: Find}\nbenchmarks:\n  scifact: {instruction: Judge}\n"
    )
    options: Options = {"score": "label", "prompt": str(file), "positive": "yes", "negative": "no"}
    asked = {}
    for benchmark in ("dl19", "scifact"):
        engine = Scorer(lambda _, label: 0.0)
        ranker(engine, options, benchmark=benchmark).rank([candidates("1", ["x"])])
        asked[benchmark] = engine.asked
    assert asked["dl19"] == [[Chat((Message("user", "Find: a query | x"),))]]
    assert asked["scifact"] == [[Chat((Message("user", "Judge: a query | x"),))]]
    checked = PointwiseOptions.model_validate(dict(options))
    hashes = [PointwiseRanker.provenance(checked, b)["own"] for b in ("dl19", "scifact")]
    assert len(set(hashes)) == 2
    assert hashes[0] == prompts.load(str(file)).for_benchmark("dl19").hash


# Chains.

JUDGERANK: Options = {
    "score": "label",
    "prompt": ("judgerank-query", "judgerank-document", "judgerank-judgment"),
    "positive": " Yes",
    "negative": " No",
    "max_new_tokens": 9,
}


def analyst(text: str) -> Said:
    if "and a passage." in text:
        return Said(f" about {word(text)} \n", "length" if word(text) == "w1" else "stop")
    return Said("what is asked")


def test_a_chain_asks_the_query_once_and_shows_every_answer_to_the_next_prompts() -> None:
    engine = Reasoner(analyst, lambda text, label: float(int(word(text)[1:])) if label == " Yes" else 0.0)
    batch = [candidates("1", words(3), "first"), candidates("2", words(1), "second")]
    first, second = ranker(engine, JUDGERANK).rank(batch)
    assert [len(texts) for texts in engine.reasoned] == [2, 4]
    assert [len(texts) for texts in engine.scored] == [4]
    assert engine.max_new_tokens == {9}
    judgment = prompts.load("judgerank-judgment")
    given = {"query_analysis": "what is asked", "document_analysis": "about w1"}
    assert engine.scored[0][1] == judgment.render("first", ["w1"], values=given)
    assert first.ranking.doc_ids == ("d2", "d1", "d0")
    assert first.ranking.scores == pytest.approx([math.log(1 / (1 + math.exp(-n))) for n in (2, 1, 0)])
    analyses = ["document_analysis d0", "document_analysis d1", "document_analysis d2"]
    assert [c.phase for c in first.calls] == ["query_analysis", *analyses, "score"]
    assert [c.text for c in first.calls][:2] == ["what is asked", " about w0 \n"]
    assert [c.phase for c in second.calls] == ["query_analysis", "document_analysis d0", "score"]
    assert [(d.kind, d.count) for d in first.defects] == [(DefectKind.TRUNCATED, 1)]
    assert second.defects == ()


def test_a_refused_analysis_is_counted_and_judged_as_it_is() -> None:
    engine = Reasoner(lambda _: Said("", "refused"), lambda text, label: 0.0)
    (ranked,) = ranker(engine, JUDGERANK).rank([candidates("1", words(2))])
    assert ranked.ranking.doc_ids == ("d0", "d1")
    assert [(d.kind, d.count) for d in ranked.defects] == [(DefectKind.REFUSED, 3)]


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        (["rankqwen3"], "needs a prompt of kind 'pointwise', but 'rankqwen3' is of kind 'listwise'"),
        (["judgerank-query"], "needs a prompt of kind 'pointwise', but 'judgerank-query' is of kind 'query'"),
        (["rankqwen3", "monot5"], "needs a prompt of kind 'pointwise' or 'query'"),
        (["rankt5", "monot5"], "'rankt5' stands before others, but gives them nothing"),
        (["judgerank-query", "judgerank-judgment"], "shows {document_analysis}, which no prompt before it gives"),
        (["nosuch"], "There is no prompt 'nosuch'"),
    ],
)
def test_prompts_that_do_not_make_a_chain_are_refused_before_anything_runs(chain: list[str], message: str) -> None:
    options = PointwiseOptions.model_validate({**JUDGERANK, "prompt": tuple(chain)})
    with pytest.raises(ConfigError) as refused:
        PointwiseRanker.provenance(options, "dl19")
    assert message in str(refused.value)


# What it needs, and what it asks.


@pytest.mark.parametrize(
    ("options", "needs"),
    [
        ({}, (PairScorer,)),
        (MONOT5, (TokenScorer,)),
        (JUDGERANK, (TextGenerator, TokenScorer)),
        ({**MONOT5, "score": "reasoning-label"}, (TextGenerator, TokenScorer)),
        ({"score": "reasoning-number", "prompt": "erank"}, (TextGenerator, TokenScorer)),
    ],
)
def test_what_an_engine_has_to_be_able_to_depends_on_the_score(options: Options, needs: tuple[type, ...]) -> None:
    checked = PointwiseOptions.model_validate(dict(options))
    assert PointwiseRanker.needs(checked) == needs
    with pytest.raises(ConfigError, match=f"needs an engine that is a {needs[0].__name__}, got HashEmbedder"):
        PointwiseRanker.build(checked, parts(HashEmbedder()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": "monot5"}, "'pair' has no prompt"),
        ({"max_prompt_tokens": 512}, "the engine limits"),
        ({"positive": "true"}, "'pair' has no labels"),
        ({"score": "label", "positive": "true"}, "'label' needs a prompt"),
        ({"score": "label", "prompt": "monot5"}, "needs a label 'positive'"),
        ({"score": "reasoning-label", "prompt": "rank1", "negative": " false"}, "needs a label 'positive'"),
        ({"score": "reasoning-number", "prompt": "erank", "positive": "1"}, "'reasoning-number' has no labels"),
        ({"score": "label", "prompt": "monot5", "positive": True}, "valid string"),
    ],
)
def test_options_that_do_not_belong_together_are_refused(options: Options, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PointwiseOptions.model_validate(dict(options))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # 3 documents with 2, 2 (cut) and 1 words, and the query's 2 words with each.
        ({"max_words": {"default": 1, "dl": 2}}, Workload(prompts=3, words=11)),
        ({**RANKT5, "max_words": 2}, Workload(prompts=3, words=11)),
        # Each document is asked and scored: twice the words, and an answer each.
        (
            {"score": "reasoning-number", "prompt": "erank", "max_words": 2, "max_new_tokens": 50},
            Workload(prompts=6, words=22, new_tokens=150),
        ),
        # Two lists: the query's own prompt once each (2 x 2 words), each document analysed and judged.
        ({**JUDGERANK, "max_words": 2}, Workload(prompts=8, words=26, new_tokens=(2 + 3) * 9)),
    ],
)
def test_the_workload_is_told_beforehand(options: Options, expected: Workload) -> None:
    lists = [candidates("1", ["a b", "a b c"]), candidates("2", ["a"])]
    assert PointwiseRanker.workload(PointwiseOptions.model_validate(dict(options)), lists) == expected


def test_every_shipped_chain_can_be_told_by_its_hashes() -> None:
    assert set(PointwiseRanker.provenance(PointwiseOptions.model_validate(dict(JUDGERANK)), "dl19")) == set(JUDGERANK["prompt"])  # type: ignore[call-overload]
    assert PointwiseRanker.provenance(PointwiseOptions(), "dl19") == {}


# For all inputs.

GRADES = st.lists(st.integers(0, 3), max_size=30)


@settings(max_examples=200, deadline=None)
@given(grades=GRADES)
def test_an_engine_that_knows_the_grades_reaches_the_ceiling(grades: list[int]) -> None:
    one = candidates("1", words(len(grades)))
    qrels: Qrels = {"1": {f"d{i}": g for i, g in enumerate(grades)}}
    (best,) = OracleRanker(lambda: qrels).rank([one])
    known = {f"w{i}": float(g) for i, g in enumerate(grades)}
    for made in (
        ranker(PairFake(lambda _, document: known[document])),
        ranker(Scorer(by_label(lambda t: known[word(t)])), MONOT5),
        ranker(Scorer(lambda t, _: known[word(t)]), RANKT5),
    ):
        (ranked,) = made.rank([one])
        assert ranked.ranking.doc_ids == best.ranking.doc_ids
        assert ranked.defects == ()


TEXTS = st.lists(HOSTILE, max_size=4)
SCORES = st.lists(st.floats(allow_nan=False, max_value=1e300) | st.sampled_from([-INF, 0.0, -0.0]), min_size=8, max_size=8)


class Hostile:
    """Rankers on engines whose output is set before each list: making one anew would read its prompt's file anew."""

    def __init__(self) -> None:
        self.scores = iter([0.0])
        self.answers = [""]
        self.finish: Finish = "stop"
        self.rankers = {
            "pair": ranker(PairFake(lambda *_: next(self.scores))),
            "monot5": ranker(Scorer(lambda *_: next(self.scores)), MONOT5),
            "rankt5": ranker(Scorer(lambda *_: next(self.scores)), RANKT5),
        }
        self.chain = ranker(Reasoner(self._say, lambda text, label: -float(len(text) % 5) if label == " Yes" else -2.0), JUDGERANK)

    def _say(self, text: str) -> Said:
        return Said(self.answers[len(text) % len(self.answers)], self.finish)


HOSTILE_RANKERS = Hostile()


@settings(max_examples=1000, deadline=None)
@given(texts=TEXTS, scores=SCORES, kind=st.sampled_from(["pair", "monot5", "rankt5"]))
def test_whatever_is_scored_and_read_the_result_is_a_permutation(texts: list[str], scores: list[float], kind: str) -> None:
    HOSTILE_RANKERS.scores = iter(scores)
    one = candidates("1", texts)
    (ranked,) = HOSTILE_RANKERS.rankers[kind].rank([one])
    assert is_permutation(ranked, one)
    assert list(ranked.ranking.scores or ()) == sorted(ranked.ranking.scores or (), reverse=True)
    kept_back = sum(a == b == -INF for a, b in batched_in_twos(scores[: 2 * len(texts)]))
    counts = {d.kind: d.count for d in ranked.defects}
    assert counts.get(DefectKind.UNPARSEABLE, 0) == (kept_back if kind == "monot5" else 0)
    assert counts.get(DefectKind.EMPTY_DOCUMENT, 0) == sum(not t.strip() for t in texts)


def batched_in_twos(scores: list[float]) -> list[tuple[float, float]]:
    return list(zip(scores[::2], scores[1::2], strict=True))


@settings(max_examples=500, deadline=None)
@given(
    lists=st.lists(TEXTS, max_size=3),
    answers=st.lists(HOSTILE, min_size=16, max_size=16),
    finish=st.sampled_from(["", "stop", "length", "refused"]),
)
def test_a_chain_over_hostile_answers_is_a_permutation_and_its_lists_are_independent(
    lists: list[list[str]], answers: list[str], finish: Finish
) -> None:
    HOSTILE_RANKERS.answers, HOSTILE_RANKERS.finish = answers, finish
    batch = [candidates(str(i), texts, f"query {i}") for i, texts in enumerate(lists)]
    together = HOSTILE_RANKERS.chain.rank(batch)
    assert all(is_permutation(r, c) for r, c in zip(together, batch, strict=True))
    alone = [HOSTILE_RANKERS.chain.rank([one])[0] for one in batch]
    assert [(r.ranking, r.defects) for r in together] == [(r.ranking, r.defects) for r in alone]
    assert [[(c.phase, c.text, c.prompt_tokens) for c in r.calls] for r in together] == [
        [(c.phase, c.text, c.prompt_tokens) for c in r.calls] for r in alone
    ]
    # One answer to the query, and one to each document: none is whole when all met their limit.
    kind = {"length": DefectKind.TRUNCATED, "refused": DefectKind.REFUSED}.get(finish)
    asked = [1 + len(texts) if texts else 0 for texts in lists]
    assert [sum(d.count for d in r.defects if d.kind == kind) for r in together] == (asked if kind else [0] * len(lists))


def test_calls_of_one_phase_are_summed_and_keep_the_engine_calls_own_time() -> None:
    engine = Reasoner(analyst, lambda text, label: 0.0)
    (ranked,) = ranker(engine, JUDGERANK).rank([candidates("1", words(2))])
    assert ranked.calls[1] == Call(7, 3, 0.5, 2, text=" about w0 \n", phase="document_analysis d0", finish="stop")
    assert (ranked.calls[-1].completion_tokens, ranked.calls[-1].batch_size) == (2, 2)
