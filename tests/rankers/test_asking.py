"""Questions on their way to an engine: rendered, fitted, timed and named, and what engines get wrong."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest

from rankers.fakes import CountingFuser, CountingScorer, CountingWriter, Fuser, PatternWriter, Scorer, Writer, as_text, parts
from rerankbench import prompts
from rerankbench.clock import Clock
from rerankbench.errors import ConfigError, EngineError, OverLengthError
from rerankbench.protocols import Doubles, Engine
from rerankbench.rankers.asking import Asker, Question
from rerankbench.rankers.texts import TextLimits
from rerankbench.records import Call, Defect, DefectKind, Prompt, Query


def asker(engine: Engine, prompt: str = "prp", room: int = 5, clock: Clock | None = None, limits: TextLimits | None = None) -> Asker:
    return Asker("tester", prompts.load(prompt), limits or TextLimits(), parts(engine, clock=clock), room=room)


def question(query_id: str, *documents: str, phase: str = "step") -> Question:
    return Question(Query(query_id, "who"), documents, phase)


def test_answers_come_with_their_prompt_their_phase_and_one_span_for_all() -> None:
    engine, clock = Writer(lambda prompt: prompt[-9:]), Clock()
    first, second = asker(engine, clock=clock).generate([question("1", "a", "b", phase="x"), question("2", "c", "d")], stop=("!",))
    assert (first.call.phase, second.call.phase) == ("x", "step")
    assert (first.call.text, first.call.batch_size, first.call.seconds) == (" Passage:", 2, 0.5)
    assert first.prompt == engine.asked[0][0]
    assert first.scores.shape == (0,)
    assert (engine.max_new_tokens, engine.stop) == ({5}, ("!",))
    assert [(s.name, s.query_ids) for s in clock.spans] == [("build prompt", ("1", "2")), ("generate", ("1", "2"))]


def test_a_query_that_asks_twice_is_named_once() -> None:
    clock = Clock()
    asker(Writer(str), clock=clock).generate([question("1", "a", "b"), question("1", "b", "a")])
    assert {s.query_ids for s in clock.spans} == {("1",)}


def test_scores_come_a_row_a_question_with_the_time_of_the_whole_call() -> None:
    class Slow(CountingScorer):
        max_tokens = 100

        def label_scores(self, prompts: Sequence[Prompt], labels: Sequence[str], **kind: object) -> Doubles:
            time.sleep(0.02)
            return super().label_scores(prompts, labels, kind="logit")

    engine, clock = Slow(lambda prompt, label: len(label) + prompt.count("a")), Clock()
    answers = asker(engine, clock=clock).score([question("1", "x", "y"), question("2", "aa", "y")], ["A", "no"], "logit")
    assert (answers[1].scores - answers[0].scores).tolist() == [2.0, 2.0]
    assert (answers[0].scores[1] - answers[0].scores[0]) == 1.0
    assert all(0.02 <= a.call.seconds < 10 for a in answers)
    assert [a.call.batch_size for a in answers] == [2, 2]
    assert [a.call.prompt_tokens for a in answers] == engine.count_tokens([as_text(a.prompt) for a in answers])
    assert [s.name for s in clock.spans] == ["build prompt", "check lengths", "score"]


def test_fused_questions_have_a_text_for_each_document_and_one_answer() -> None:
    class Roomy(CountingFuser):
        max_tokens = 12

    engine = Roomy(lambda group: str(len(group)))
    first, second = asker(engine, "listt5", 0, limits=TextLimits(overflow="truncate")).fuse(
        [question("1", "a", "b " * 9), question("2", "c")], max_tokens=6
    )
    texts = ("Query: who, Index: 1, Context: a", "Query: who, Index: 2, Context: b b b b b")
    assert engine.asked == [[texts, ("Query: who, Index: 1, Context: c",)]]
    assert engine.max_new_tokens == {6}
    assert (first.call.text, second.call.text) == ("2", "1")
    assert first.prompt == "\n".join(texts)
    assert first.defects == (Defect(DefectKind.TRUNCATED, "4 of 16 tokens cut from the right, the query is whole"),)
    # The fake engine says that it read one token.
    assert (first.call.prompt_tokens, second.defects) == (1, ())


def test_patterns_go_to_the_engine_one_a_question() -> None:
    engine = PatternWriter(str)
    asker(engine).generate([question("1", "a", "b"), question("2", "c", "d")], patterns=["x", "y"])
    assert engine.patterns == ["x", "y"]


def test_a_prompt_leaves_room_for_its_answer_and_a_lower_limit_counts_too() -> None:
    class Roomy(CountingWriter):
        max_tokens = 60

    long = question("1", "a " * 50, "b " * 50)

    def tokens(limit: int | None) -> int:
        engine = Roomy(lambda _: "")
        asker(engine, room=10, limits=TextLimits(max_prompt_tokens=limit)).generate([long])
        return engine.count_tokens([as_text(engine.asked[0][0])])[0]

    # Both documents are cut to the same number of words, so that one token may be left over.
    assert tokens(None) in {49, 50}
    assert tokens(45) in {44, 45}
    assert tokens(1000) == tokens(None)


def test_a_prompt_that_cannot_fit_names_its_query() -> None:
    with pytest.raises(OverLengthError, match="'q7'"):
        asker(CountingWriter(str), room=35).generate([question("q7", "a", "b")])
    with pytest.raises(ConfigError, match="leaves none for a prompt"):
        asker(CountingWriter(str), room=41)


def test_an_engine_without_the_capability_is_named() -> None:
    asked = [question("1", "a", "b")]
    with pytest.raises(ConfigError, match="'tester' needs an engine that is a TextGenerator, got Scorer"):
        asker(Scorer(lambda *_: 0.0)).generate(asked)
    with pytest.raises(ConfigError, match="is a TokenScorer, got Writer"):
        asker(Writer(str)).score(asked, ["A"])
    with pytest.raises(ConfigError, match="is a PatternGenerator, got Writer"):
        asker(Writer(str)).generate(asked, patterns=["x"])
    with pytest.raises(ConfigError, match="is a FusionGenerator, got Writer"):
        asker(Writer(str), "listt5").fuse(asked, max_tokens=6)


def test_answers_and_scores_too_few_are_refused() -> None:
    class Silent(Writer):
        def generate(self, prompts: object, **settings: object) -> list[Call]:
            return []

    class Deaf(Fuser):
        def generate_fused(self, groups: object, **settings: object) -> list[Call]:
            return [Call(0, 0, 0.0)] * 2

    class Narrow(Scorer):
        def label_scores(self, prompts: object, labels: object, **kind: object) -> Doubles:
            return np.zeros((1, 1))

    asked = [question("1", "a", "b")]
    with pytest.raises(EngineError, match="Silent was asked for 1 answers and gave 0"):
        asker(Silent(str)).generate(asked)
    with pytest.raises(EngineError, match="Deaf was asked for 1 answers and gave 2"):
        asker(Deaf(lambda _: ""), "listt5").fuse(asked, max_tokens=6)
    with pytest.raises(EngineError, match=r"Narrow was asked to score 2 labels of 1 prompts and gave an array of shape \(1, 1\)"):
        asker(Narrow(lambda *_: 0.0)).score(asked, ["A", "B"])
