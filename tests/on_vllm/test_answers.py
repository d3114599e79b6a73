from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rerankbench.clock import Clock
from rerankbench.engines.transformers_local import TransformersEngine, TransformersOptions
from rerankbench.engines.vllm_offline import VllmEngine, VllmOptions
from rerankbench.errors import EngineError, OverLengthError
from rerankbench.protocols import Doubles, Engine, Parts, PatternGenerator, ScoreKind, TextGenerator, TokenScorer
from rerankbench.rankers.listwise import ListwiseOptions, ListwiseRanker
from rerankbench.records import Call, CandidateList, Chat, Message, Prompt

CHAT = Chat((Message("user", "[1] fleas\n[2] stock markets\nSearch Query: fleas.\nRank the 2 passages above"),), answer="[")
PROMPTS: list[Prompt] = ["The capital of China is", CHAT, "x"]
DEPTH = 30


@pytest.fixture(scope="module")
def vllm(small_qwen3: Path) -> Iterator[VllmEngine]:
    engine = VllmEngine(VllmOptions(model=str(small_qwen3), enforce_eager=True))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def transformers(small_qwen3: Path) -> TransformersEngine:
    return TransformersEngine(TransformersOptions(model=str(small_qwen3), device="cpu"))


def test_it_can_do_what_it_says(vllm: VllmEngine) -> None:
    for capability in (Engine, TextGenerator, PatternGenerator, TokenScorer):
        assert isinstance(vllm, capability)


def same(ours: list[Call], theirs: list[Call]) -> None:
    """All but the times and how many were worked on at once."""
    assert [(c.text, c.finish, c.prompt_tokens, c.completion_tokens) for c in ours] == [
        (c.text, c.finish, c.prompt_tokens, c.completion_tokens) for c in theirs
    ]


def test_greedy_answers_are_those_of_the_transformers_engine(vllm: VllmEngine, transformers: TransformersEngine) -> None:
    calls = vllm.generate(PROMPTS, max_tokens=12)
    same(calls, transformers.generate(PROMPTS, max_tokens=12))
    assert {c.finish for c in calls} == {"length"}
    assert len({c.text for c in calls}) == 3
    assert {c.batch_size for c in calls} == {3}
    assert all(0 < c.first_token_s < c.seconds for c in calls)
    assert vllm.generate([], max_tokens=12) == []


def test_an_answer_ends_before_the_first_stop_text_that_it_would_hold(vllm: VllmEngine, transformers: TransformersEngine) -> None:
    whole = vllm.generate(["x"], max_tokens=12)[0].text
    early, late = whole[len(whole) // 2 :][:3], whole[-2:]
    stop = [late, "never said", early]
    (call,) = vllm.generate(["x"], max_tokens=12, stop=stop)
    assert call.text == whole[: min(whole.index(early), whole.index(late))]
    assert call.finish == "stop"
    assert call.completion_tokens < 12
    same([call], transformers.generate(["x"], max_tokens=12, stop=stop))
    assert vllm.generate(["x"], max_tokens=12, stop=["never said"])[0].finish == "length"


def test_a_prompt_whose_answer_may_not_fit_is_refused_before_anything_runs(vllm: VllmEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm, "_llm", lambda *_: pytest.fail("vLLM was asked"))
    with pytest.raises(OverLengthError, match="longer than 2 tokens; the first is number 2"):
        vllm.generate(["x", "one two three"], max_tokens=8190)
    with pytest.raises(OverLengthError, match="longer than 2 tokens"):
        vllm.generate_pattern(["one two three"], max_tokens=8190, patterns=["yes"])
    with pytest.raises(EngineError, match="empty prompt"):
        vllm.generate([""], max_tokens=1)


def test_the_greedy_listwise_answers_of_dl19s_windows_are_the_same_on_both_engines(
    vllm: VllmEngine, transformers: TransformersEngine, dl19: list[CandidateList]
) -> None:
    lists = [candidates.top(DEPTH) for candidates in dl19]
    options = ListwiseOptions(max_new_tokens=8)
    ours, theirs = (ListwiseRanker.build(options, Parts("dl19", engine, dict, Clock())).rank(lists) for engine in (vllm, transformers))
    # 30 documents in windows of 20 by steps of 10.
    assert [[c.phase for c in r.calls] for r in ours] == [["window 11-30", "window 1-20"]] * 43
    assert len({c.text for r in ours for c in r.calls}) > 40, "answers differ from query to query"
    for one, other in zip(ours, theirs, strict=True):
        same(list(one.calls), list(other.calls))
        assert one.ranking == other.ranking


@pytest.mark.parametrize(
    "pattern", [r"(yes|no)", r"\[([1-9]|1[0-9]|20)\]( > \[([1-9]|1[0-9]|20)\]){3}", r"<answer> [A-C]{2,5} </answer>", "字[0-9]{3}"]
)
def test_a_whole_answer_matches_its_pattern(vllm: VllmEngine, pattern: str) -> None:
    calls = vllm.generate_pattern(PROMPTS, max_tokens=60, patterns=[pattern] * 3)
    assert [bool(re.fullmatch(pattern, c.text)) for c in calls] == [True] * 3
    assert {c.finish for c in calls} == {"stop"}


def test_each_prompt_has_a_pattern_of_its_own_and_an_answer_may_still_be_cut_short(vllm: VllmEngine) -> None:
    calls = vllm.generate_pattern(PROMPTS, max_tokens=4, patterns=["a{2}", "b{400}", "c"])
    assert [c.text for c in (calls[0], calls[2])] == ["aa", "c"]
    assert re.fullmatch("b+", calls[1].text)
    assert [c.finish for c in calls] == ["stop", "length", "stop"]


def test_what_is_no_pattern_is_an_error_and_the_engine_goes_on(vllm: VllmEngine) -> None:
    with pytest.raises(EngineError, match="vLLM failed at model"):
        vllm.generate_pattern(["x", "y"], max_tokens=4, patterns=["fine", "(open"])
    assert vllm.generate_pattern(["x"], max_tokens=4, patterns=["no"])[0].text == "no"


def next_scores(folder: Path, ids: list[int], kind: ScoreKind) -> Doubles:
    """Of every token behind these, by the plain library: shape (vocabulary,)."""
    torch: Any = pytest.importorskip("torch")
    library: Any = pytest.importorskip("transformers")
    model = library.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0, -1].double()
    scores: Doubles = (logits if kind == "logit" else logits.log_softmax(0)).numpy()
    return scores


def label_of_rank(engine: VllmEngine, scores: Doubles, rank: int) -> str:
    """A label of one token whose score has about this rank."""
    tokenizer = engine.tokens.tokenizer
    texts = ((str(tokenizer.decode([i])), i) for i in np.argsort(-scores)[rank:].tolist())
    return next(text for text, i in texts if text.isprintable() and tokenizer.encode(text) == [i])


@pytest.mark.parametrize("kind", ["logprob", "logit"])
def test_scores_of_labels_are_those_of_the_model_however_improbable_they_are(vllm: VllmEngine, small_qwen3: Path, kind: ScoreKind) -> None:
    ids = [i.tolist() for i in vllm.tokens.prompt_ids(PROMPTS)]
    expected = [next_scores(small_qwen3, i, kind) for i in ids]
    labels = [" yes", " no", "A", *(label_of_rank(vllm, expected[0], rank) for rank in (0, 75_000, 149_000))]
    columns = vllm.tokens.label_ids(labels)
    assert expected[0][columns[3]] - expected[0][columns[5]] > 10, "the best and nearly the worst of all tokens"
    scores = vllm.label_scores(PROMPTS, labels, kind=kind)
    assert scores.shape == (3, 6)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, [row[columns] for row in expected], atol=2e-5)
    # A label twice, and none at all.
    assert np.array_equal(vllm.label_scores(["x"], ["A", "A"], kind=kind), scores[[2], 2:3].repeat(2, axis=1))
    assert vllm.label_scores(["x"], []).shape == (1, 0)
    assert vllm.label_scores([], labels).shape == (0, 6)


def test_answers_do_not_depend_on_which_scores_can_be_had(vllm: VllmEngine) -> None:
    vllm.label_scores(["x"], ["A"], kind="logprob")
    before = vllm.generate(PROMPTS, max_tokens=6)
    vllm.label_scores(["x"], ["A"], kind="logit")
    same(vllm.generate(PROMPTS, max_tokens=6), before)


def test_labels_that_cannot_be_scored_are_named(vllm: VllmEngine) -> None:
    with pytest.raises(EngineError, match="' definitely not' is not exactly one token"):
        vllm.label_scores(["x"], ["A", " definitely not"])
    many = [chr(code) for code in range(ord("一"), ord("一") + 500)]
    single = [c for c in many if len(vllm.tokens.tokenizer.encode(c)) == 1][:129]
    with pytest.raises(EngineError, match="at most 128 labels at once, got 129"):
        vllm.label_scores(["x"], single)
