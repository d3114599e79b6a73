"""A served model: what is sent for a prompt, and how an answer is read."""

from __future__ import annotations

import numpy as np
import pytest

from engines.openai_server import Asked, Says, chat, chat_scores, completion, embeddings, engine, error, in_turn, serving, without_keys
from rerankbench.errors import EngineError
from rerankbench.protocols import Engine, PatternGenerator, TextEmbedder, TextGenerator, TokenScorer
from rerankbench.records import Chat, Message

QUESTION = Chat((Message("system", "be brief"), Message("user", "why?")))


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    without_keys(monkeypatch)


def test_it_is_an_engine_that_generates_scores_and_embeds() -> None:
    with serving(in_turn()) as server, engine(server) as made:
        for capability in (Engine, TextGenerator, PatternGenerator, TokenScorer, TextEmbedder):
            assert isinstance(made, capability)


def test_a_chat_is_sent_turn_by_turn_with_temperature_0_and_read_with_its_counts() -> None:
    with serving(in_turn(chat("because", tokens=(11, 2)))) as server, engine(server, seed=3) as made:
        (call,) = made.generate([QUESTION], max_tokens=20, stop=["\n"])
        assert (call.text, call.prompt_tokens, call.completion_tokens, call.finish, call.batch_size) == ("because", 11, 2, "stop", 1)
        assert call.seconds > 0
        assert server.asked[0].path == "/v1/chat/completions"
        assert server.asked[0].body == {
            "model": "tiny",
            "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "why?"}],
            "temperature": 0,
            "max_tokens": 20,
            "stop": ["\n"],
            "seed": 3,
        }
        assert "authorization" not in server.asked[0].headers
        assert made.served == {"model": {"tiny-0611": 1}, "system_fingerprint": {"fp_1": 1}}
        assert made.spent == {"requests": 1, "tokens": 13}


def test_a_raw_prompt_goes_to_the_completions() -> None:
    with (
        serving(in_turn(completion(" 4", finish="length"))) as server,
        engine(server, max_tokens_parameter="max_completion_tokens") as made,
    ):
        (call,) = made.generate(["2 + 2 ="], max_tokens=1)
        assert (call.text, call.finish) == (" 4", "length")
        assert server.asked[0].path == "/v1/completions"
        # The newer name of the limit belongs to chats alone.
        assert server.asked[0].body == {"model": "tiny", "prompt": "2 + 2 =", "temperature": 0, "max_tokens": 1}


def test_newer_models_get_the_limit_under_its_newer_name() -> None:
    with serving(in_turn(chat("x"))) as server, engine(server, max_tokens_parameter="max_completion_tokens") as made:
        made.generate([QUESTION], max_tokens=9)
        assert server.asked[0].body["max_completion_tokens"] == 9
        assert "max_tokens" not in server.asked[0].body


def test_what_only_vllm_understands_is_sent_to_vllm_alone() -> None:
    begun = Chat(QUESTION.messages, thinking=True, answer="It is ")
    with serving(in_turn(chat("so"))) as server:
        with engine(server, server="vllm") as made:
            made.generate([begun], max_tokens=9)
            made.generate_pattern([QUESTION], max_tokens=9, patterns=["a|b"])
        with engine(server) as plain:
            with pytest.raises(EngineError, match=r"an answer that was begun.*\n.*server: vllm"):
                plain.generate([QUESTION, begun], max_tokens=9)
            with pytest.raises(EngineError, match=r"to a pattern.*\n.*server: vllm"):
                plain.generate_pattern([QUESTION], max_tokens=9, patterns=["a|b"])
        first, second = server.asked
        assert first.body["messages"][-1] == {"role": "assistant", "content": "It is "}
        assert (first.body["continue_final_message"], first.body["add_generation_prompt"]) == (True, False)
        assert first.body["chat_template_kwargs"] == {"enable_thinking": True}
        assert first.body["repetition_penalty"] == 1.0
        assert second.body["structured_outputs"] == {"regex": "a|b"}
        assert second.body["chat_template_kwargs"] == {"enable_thinking": False}
        assert "continue_final_message" not in second.body


@pytest.mark.parametrize(
    ("says", "text", "finish"),
    [
        (chat("a", finish="stop"), "a", "stop"),
        (chat("a", finish="length"), "a", "length"),
        (chat("a", finish=None), "a", ""),
        (chat(None, finish="content_filter"), "", "refused"),
        (chat(None, refusal="I can not help with 18 of them"), "", "refused"),
        # A reasoning parser on the server: put back as engines without one give it.
        (chat("[1]", reasoning="hm"), "<think>hm</think>[1]", "stop"),
        (chat(None, reasoning_content="hm", finish="length"), "<think>hm", "length"),
    ],
)
def test_why_an_answer_ended_is_told_and_a_refusal_is_no_text(says: Says, text: str, finish: str) -> None:
    with serving(in_turn(says)) as server, engine(server) as made:
        (call,) = made.generate([QUESTION], max_tokens=9)
        assert (call.text, call.finish) == (text, finish)


def test_a_prompt_that_a_filter_refuses_is_refused_and_the_others_are_answered() -> None:
    def answer(asked: Asked) -> Says:
        return error(400, "filtered by policy", "content_filter") if asked.prompt == "b" else completion(asked.prompt)

    with serving(answer) as server, engine(server) as made:
        calls = made.generate(["a", "b", "c"], max_tokens=1)
        assert [(c.text, c.finish) for c in calls] == [("a", "stop"), ("", "refused"), ("c", "stop")]
        assert len(server.asked) == 3
        with pytest.raises(EngineError, match="refused to read an input"):
            made.label_scores(["b"], ["x"])


def test_labels_are_scored_among_the_likeliest_tokens_and_minus_infinity_where_the_server_is_silent() -> None:
    def answer(asked: Asked) -> Says:
        if asked.path.endswith("/chat/completions"):
            return chat_scores(("yes", -0.25), [("no", -2.0), (" yes", -0.5), ("maybe", -9999.0)])
        frame = completion("").body
        assert isinstance(frame, dict)
        frame["choices"][0]["logprobs"] = {"top_logprobs": [{"no": -0.125, " no": -3.0}]}
        return Says(frame)

    with serving(answer) as server, engine(server) as made:
        scores = made.label_scores([QUESTION, "raw"], ["yes", "no", "maybe"])
        infinity = float("inf")
        assert scores.tolist() == [[-0.25, -2.0, -infinity], [-infinity, -0.125, -infinity]]
        assert scores.dtype == np.float64
        sent = {asked.path: asked.body for asked in server.asked}
        assert sent["/v1/chat/completions"]["top_logprobs"] == 20
        assert sent["/v1/chat/completions"]["max_tokens"] == 1
        assert sent["/v1/completions"]["logprobs"] == 5
        assert made.label_scores([], ["yes"]).shape == (0, 1)
        with pytest.raises(EngineError, match="no logits"):
            made.label_scores([QUESTION], ["yes"], kind="logit")


def test_texts_are_embedded_in_batches_to_unit_vectors_in_their_order() -> None:
    known = {"a": [3.0, 4.0], "b": [0.0, 2.0], "c": [-5.0, 0.0]}

    def answer(asked: Asked) -> Says:
        texts = asked.body["input"]
        return embeddings({i: known[texts[i]] for i in reversed(range(len(texts)))})  # in another order than asked: `index` counts

    with serving(answer) as server, engine(server, batch_size=2) as made:
        vectors = made.embed(["a", "", "b", "c"])
        # Lengths 5, 2 and 5; the empty text has none.
        assert vectors.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]
        assert vectors.dtype == np.float32
        assert sorted(asked.body["input"] for asked in server.asked) == [["a", "b"], ["c"]]
        assert made.embed([""]).tolist() == [[0.0, 0.0]]
        assert made.embed([]).shape == (0, 2)


@pytest.mark.parametrize(
    ("says", "match"),
    [
        (embeddings({0: [1.0]}), "given 2 texts to embed, and gave 1 vectors, numbered \\[0\\]"),
        (embeddings({0: [1.0], 1: [1.0], 2: [1.0]}), "gave 3 vectors"),
        (embeddings({0: [1.0], 2: [1.0]}), "numbered \\[0, 2\\]"),
        (embeddings({0: [1.0], 1: [1.0, 2.0]}), "different lengths: \\[1, 2\\]"),
        (embeddings({0: [1.0], 1: [0.0]}), "a vector of zeros"),
        (embeddings({0: [1.0], 1: [float("nan")]}), "finite number"),
        (embeddings({0: [1.0], 1: []}), "at least 1 item"),
    ],
)
def test_vectors_that_are_not_one_a_text_are_refused(says: Says, match: str) -> None:
    with serving(in_turn(says)) as server, engine(server) as made, pytest.raises(EngineError, match=match):
        made.embed(["a", "b"])


def test_empty_texts_alone_have_no_known_length() -> None:
    with serving(in_turn()) as server, engine(server) as made, pytest.raises(EngineError, match="Nothing but empty texts"):
        made.embed([""])
