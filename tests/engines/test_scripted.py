from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from rerankbench.engines.scripted import Request, ScriptedEngine, ScriptedOptions
from rerankbench.protocols import Engine, TextEmbedder, TextGenerator
from rerankbench.records import Chat, Message

PROMPT = "[1] a\n[2] b\n[3] c\nSearch Query: q"


def test_it_is_an_engine_that_embeds_and_generates() -> None:
    engine = ScriptedEngine(ScriptedOptions())
    assert isinstance(engine, Engine)
    assert isinstance(engine, TextEmbedder)
    assert isinstance(engine, TextGenerator)


def test_echo_and_reverse_answer_with_the_incoming_order_and_its_reverse() -> None:
    assert ScriptedEngine(ScriptedOptions()).generate([PROMPT], max_tokens=99)[0].text == "[1] > [2] > [3]"
    assert ScriptedEngine(ScriptedOptions(mode="reverse")).generate([PROMPT], max_tokens=99)[0].text == "[3] > [2] > [1]"


def test_seeded_answers_depend_on_the_prompt_and_the_seed_alone() -> None:
    long = "\n".join(f"[{i}] x" for i in range(1, 21)) + "\nSearch Query: q"
    first, second = ScriptedEngine(ScriptedOptions(mode="seeded")).generate([long, long + "?"], max_tokens=99)
    again = ScriptedEngine(ScriptedOptions(mode="seeded")).generate([long], max_tokens=99)[0]
    other = ScriptedEngine(ScriptedOptions(mode="seeded", seed=1)).generate([long], max_tokens=99)[0]
    assert sorted(first.text.split(" > ")) == sorted(f"[{i}]" for i in range(1, 21))
    assert first.text == again.text
    assert len({first.text, second.text, other.text}) == 3


def test_noisy_answers_leave_one_out_repeat_one_and_invent_one() -> None:
    found = ScriptedEngine(ScriptedOptions(mode="noisy")).generate([PROMPT], max_tokens=99)[0].text.split(" > ")
    assert len(found) == 4
    assert found[2] == found[0]  # repeated
    assert found[3] == "[4]"  # never given
    assert len({"[1]", "[2]", "[3]"} - set(found)) == 1  # missing


def test_fixed_answers_come_in_turn_and_begin_again() -> None:
    engine = ScriptedEngine(ScriptedOptions(mode="fixed", answers=("x", "y")))
    assert [call.text for call in engine.generate([PROMPT] * 3, max_tokens=9)] == ["x", "y", "x"]


def test_answers_may_come_from_yaml_as_a_list() -> None:
    assert ScriptedOptions.model_validate({"mode": "fixed", "answers": ["x"]}).answers == ("x",)


@pytest.mark.parametrize("options", [{"mode": "fixed"}, {"mode": "echo", "answers": ("x",)}])
def test_answers_without_the_mode_that_reads_them_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="go together"):
        ScriptedOptions.model_validate(options)


def test_vectors_come_from_the_text_alone_and_have_unit_length() -> None:
    vectors = ScriptedEngine(ScriptedOptions()).embed(["a", "b", ""])
    assert vectors.shape == (3, 64)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1.0, 1.0, 0.0], abs=1e-6)
    assert ScriptedEngine(ScriptedOptions()).embed(["b"]).tobytes() == vectors[1:2].tobytes()
    assert abs(float(vectors[0] @ vectors[1])) < 0.9


def test_it_remembers_what_it_was_asked() -> None:
    engine = ScriptedEngine(ScriptedOptions())
    engine.embed(["a"])
    chat = Chat((Message("user", PROMPT),))
    engine.generate([chat], max_tokens=9)
    assert engine.requests == [Request("embed", "a"), Request("generate", chat)]


def test_an_answer_ends_before_a_stop_text_or_at_its_limit_and_says_which() -> None:
    engine = ScriptedEngine(ScriptedOptions())
    whole, stopped, cut = (
        engine.generate([PROMPT], max_tokens=limit, stop=stop)[0] for limit, stop in ((99, ("!",)), (99, ("[3]", " > [2]")), (3, ()))
    )
    assert (whole.text, whole.finish) == ("[1] > [2] > [3]", "stop")
    assert (stopped.text, stopped.finish) == ("[1]", "stop")
    assert (cut.text, cut.finish, cut.completion_tokens) == ("[1] > [2]", "length", 3)


def test_chats_that_differ_in_anything_are_answered_apart() -> None:
    long = "\n".join(f"[{i}] x" for i in range(1, 21)) + "\nSearch Query: q"
    turns = (Message("user", long),)
    chats = [Chat(turns), Chat(turns, thinking=True), Chat(turns, answer="[")]
    answers = ScriptedEngine(ScriptedOptions(mode="seeded")).generate(chats, max_tokens=99)
    assert len({a.text for a in answers}) == 3


def test_the_log_grows_by_one_line_for_each_text_and_prompt_over_several_engines(tmp_path: Path) -> None:
    log = tmp_path / "asked.log"
    for _ in range(2):
        engine = ScriptedEngine(ScriptedOptions(log=str(log)))
        engine.embed(["a"])
        engine.generate([PROMPT], max_tokens=9)
    lines = log.read_text().splitlines()
    # First 16 digits of `printf a | sha256sum`.
    assert lines[0] == lines[2] == "embed ca978112ca1bbdca"
    assert lines[1] == lines[3]
    assert lines[1].startswith("generate ")


def test_a_prompt_that_it_cannot_read_gets_an_answer_without_identifiers() -> None:
    text = ScriptedEngine(ScriptedOptions()).generate(["hello"], max_tokens=99)[0].text
    assert text
    assert not any(c.isdigit() or c in "[]" for c in text)
