"""Models behind a server of OpenAI's protocol: OpenAI's own, or any other such as ``vllm serve``.

Chats go to ``chat/completions``, raw prompts to ``completions``, texts to ``embeddings``. The server tokenises and renders chats, so
this engine cannot say how long an input is before it is read, and whatever is too long is the server's to refuse. Answers are not
streamed, so that none tells when its first token was there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from rerankbench.engines import weights
from rerankbench.engines.openai_options import RequestOptions, read_key
from rerankbench.engines.openai_replies import (
    ChatReply,
    ChatScores,
    CompletionReply,
    CompletionScores,
    Embeddings,
    Generated,
    Scored,
)
from rerankbench.engines.openai_requests import Answer, Request, Server
from rerankbench.errors import EngineError, OverLengthError
from rerankbench.protocols import Doubles, Floats, ScoreKind
from rerankbench.records import Call, Chat, Prompt

EXTRA = "openai"
BEHAVIOUR = "1"
"""Part of every run's identity. Raised whenever the same options and prompt would make another request than before."""

_LOGPROBS = {"openai": 5, "vllm": 20}
"""Alternatives that ``completions`` gives at the most; ``chat/completions`` gives 20 everywhere."""


class OpenAIOptions(RequestOptions):
    """
    Attributes:
        model: As the server names it.
        server: ``openai`` sends what OpenAI itself understands. ``vllm`` also sends what ``vllm serve`` adds to the protocol: thinking on
            or off, begun answers, answers held to a pattern, and no repetition penalty, whatever the checkpoint recommends.
        max_tokens_parameter: How a chat's limit of new tokens is called; OpenAI's newer models know the second name only.
        seed: Sent where it is given. Decoding is greedy with or without.
        max_tokens: The longest prompt of a generation or a score. The server counts, so it shows only when its answer is there; and no
            input is reckoned to cost more, where `max_tokens_total` is kept.
        batch_size: Texts that one request for embeddings holds.
    """

    model: str
    server: Literal["openai", "vllm"] = "openai"
    max_tokens_parameter: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    seed: int | None = None
    max_tokens: int = Field(default=131072, ge=1)
    batch_size: int = Field(default=32, ge=1, le=2048)


class OpenAIEngine:
    """A served model. Decoding is greedy (temperature 0), one prompt a request; a call's seconds are those of its own request.

    Args:
        sleep: How a wait between two attempts is waited.

    Raises:
        MissingExtra: httpx2 is not installed.
        MissingKey: the server needs a key, and the environment has none.
    """

    Options: ClassVar = OpenAIOptions
    name: ClassVar[str] = "openai"
    caveat: ClassVar[str] = "served model: what weights answered is the server's word alone, and may change"

    def __init__(self, options: OpenAIOptions, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        weights.require(self.name, EXTRA, "httpx2")
        self.options = options
        self._server = Server(options, sleep=sleep)
        self._dimensions: int | None = None

    @classmethod
    def provenance(cls, options: OpenAIOptions) -> dict[str, str]:
        """Asks nobody: there is no hash of what a server holds. Model and address are among the options.

        Raises:
            MissingKey: the server needs a key, and the environment has none.
        """
        weights.require(cls.name, EXTRA, "httpx2")
        read_key(options)
        return {"openai": BEHAVIOUR, "weights": "served, not verifiable"}

    @property
    def served(self) -> dict[str, dict[str, int]]:
        """What the server said that it served: ``model`` and ``system_fingerprint``, each value with the number of its answers."""
        return {name: dict(sorted(counts.items())) for name, counts in self._server.served.items()}

    @property
    def spent(self) -> dict[str, int]:
        """Since the engine was loaded: requests (repeated ones included) and tokens, as `Spending` counts them."""
        return {"requests": self._server.spending.requests, "tokens": self._server.spending.tokens}

    def account(self) -> dict[str, dict[str, Any]]:
        """``served`` and ``spent``."""
        return {"served": self.served, "spent": self.spent}

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int, stop: Sequence[str] = ()) -> list[Call]:
        """
        Raises:
            EngineError: see `Server.ask`: no answer of this call is returned, and what is spent is in the message; or a chat has a begun
                answer, which only ``server: vllm`` takes.
            OverLengthError: a prompt is longer than the model, or `max_tokens`, allows.
        """
        more: dict[str, Any] = {"stop": list(stop)} if stop else {}
        return self._generated([self._generation(prompt, max_tokens, more) for prompt in prompts])

    def generate_pattern(self, prompts: Sequence[Prompt], *, max_tokens: int, patterns: Sequence[str]) -> list[Call]:
        """
        Raises:
            EngineError: as `generate`; or the server is none of vLLM's.
        """
        self._need_vllm("holds no answers to a pattern")
        pairs = zip(prompts, patterns, strict=True)
        return self._generated([self._generation(p, max_tokens, {"structured_outputs": {"regex": pattern}}) for p, pattern in pairs])

    def label_scores(self, prompts: Sequence[Prompt], labels: Sequence[str], *, kind: ScoreKind = "logprob") -> Doubles:
        """Log-probabilities among the likeliest tokens that the server names: 20, or 5 for raw prompts at OpenAI.

        A label that is not among them has minus infinity, as has one that is not a token at all: the tokenizer is the server's.
        Tokens are compared by their text; of two that read alike the likelier one counts.

        Raises:
            EngineError: logits are asked for, which no server gives; or as `generate`.
        """
        if kind != "logprob":
            raise EngineError(
                "A server of OpenAI's protocol gives log-probabilities, and no logits.", hint="Use a local engine for this ranker."
            )
        answers = self._server.ask([self._scoring(prompt) for prompt in prompts])
        replies = [_usable(answer) for answer in answers]
        self._check_lengths([reply.usage.prompt_tokens for reply in replies])
        return np.array([[reply.logprob(label) for label in labels] for reply in replies]).reshape(len(prompts), len(labels))

    def embed(self, texts: Sequence[str]) -> Floats:
        """The empty text gets the zero vector; servers refuse it.

        Raises:
            EngineError: see `Server.ask`; or the vectors are not one a text, not of one length, or zero.
        """
        rows = [row for row, text in enumerate(texts) if text]
        chunks = [rows[start : start + self.options.batch_size] for start in range(0, len(rows), self.options.batch_size)]
        answers = self._server.ask([self._embedding([texts[row] for row in chunk]) for chunk in chunks])
        found = [vector for answer, chunk in zip(answers, chunks, strict=True) for vector in _in_order(_usable(answer), len(chunk))]
        vectors = np.zeros((len(texts), self._checked_dimensions(found, len(texts))), dtype=np.float32)
        if rows:
            vectors[rows] = _unit(np.array(found, dtype=np.float64))
        return vectors

    def synchronise(self) -> None:
        """No answer is under way between two calls."""

    def close(self) -> None:
        self._server.close()

    def _generated(self, requests: Sequence[Request[Generated]]) -> list[Call]:
        calls = [_call(answer) for answer in self._server.ask(requests)]
        self._check_lengths([call.prompt_tokens for call in calls])
        return calls

    def _generation(self, prompt: Prompt, max_tokens: int, more: Mapping[str, Any]) -> Request[Generated]:
        reply: type[Generated] = CompletionReply if isinstance(prompt, str) else ChatReply
        return self._request(prompt, max_tokens, more, reply)

    def _scoring(self, prompt: Prompt) -> Request[Scored]:
        if isinstance(prompt, str):
            return self._request(prompt, 1, {"logprobs": _LOGPROBS[self.options.server]}, CompletionScores)
        return self._request(prompt, 1, {"logprobs": True, "top_logprobs": 20}, ChatScores)

    def _request(self, prompt: Prompt, max_tokens: int, more: Mapping[str, Any], reply: type[Any]) -> Request[Any]:
        body = self._raw(prompt, max_tokens) if isinstance(prompt, str) else self._chat(prompt, max_tokens)
        settings: dict[str, Any] = {"model": self.options.model, "temperature": 0}
        if self.options.seed is not None:
            settings["seed"] = self.options.seed
        if self.options.server == "vllm":
            settings["repetition_penalty"] = 1.0  # else the server takes the one in the checkpoint's generation_config.json
        path = "completions" if isinstance(prompt, str) else "chat/completions"
        return Request(path, {**settings, **body, **more}, reply, self._most_tokens(_texts(prompt)) + max_tokens)

    @staticmethod
    def _raw(prompt: str, max_tokens: int) -> dict[str, Any]:
        return {"prompt": prompt, "max_tokens": max_tokens}

    def _chat(self, chat: Chat, max_tokens: int) -> dict[str, Any]:
        messages = [{"role": message.role, "content": message.content} for message in chat.messages]
        body: dict[str, Any] = {"messages": messages, self.options.max_tokens_parameter: max_tokens}
        if self.options.server == "vllm":
            body["chat_template_kwargs"] = {"enable_thinking": chat.thinking}
        if chat.answer:
            self._need_vllm("does not go on with an answer that was begun for it")
            # How it is put behind the chat is the template's matter. With vLLM 0.32 and thinking off, Qwen3's gives the very tokens that
            # the generation prompt and the answer would; with thinking on it puts an empty thought before the answer, or moves line ends.
            messages.append({"role": "assistant", "content": chat.answer})
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        return body

    def _embedding(self, texts: Sequence[str]) -> Request[Embeddings]:
        body = {"model": self.options.model, "input": list(texts), "encoding_format": "float"}
        return Request("embeddings", body, Embeddings, sum(self._most_tokens([text]) for text in texts))

    def _need_vllm(self, lack: str) -> None:
        if self.options.server != "vllm":
            raise EngineError(f"OpenAI's own protocol {lack}.", hint="Where the server is one of vLLM's, set the engine's server: vllm.")

    def _most_tokens(self, texts: Sequence[str]) -> int:
        """No fewer than the server will count: no tokenizer makes two tokens of one byte, and a template adds some of its own."""
        return min(sum(len(text.encode("utf-8", "surrogatepass")) + 16 for text in texts) + 256, self.options.max_tokens)

    def _check_lengths(self, counts: Sequence[int]) -> None:
        longest = max(counts, default=0)
        if longest > self.options.max_tokens:
            raise OverLengthError(
                f"The server counts {longest} tokens in prompt {list(counts).index(longest) + 1} of {len(counts)}, more than max_tokens, "
                f"which is {self.options.max_tokens}.",
                hint="Let the ranker shorten its inputs, or raise the engine's max_tokens where the model allows it.",
            )

    def _checked_dimensions(self, vectors: Sequence[Sequence[float]], texts: int) -> int:
        """The one length of all vectors of this engine; 0 where there is no text at all."""
        lengths = {len(vector) for vector in vectors} | ({self._dimensions} if self._dimensions else set())
        if len(lengths) > 1:
            raise EngineError(f"Model {self.options.model!r} gave vectors of different lengths: {sorted(lengths)}.")
        if not lengths and texts:
            raise EngineError("Nothing but empty texts: how long their zero vectors are is not known before another text was embedded.")
        self._dimensions = next(iter(lengths), None)
        return self._dimensions or 0


def _call(answer: Answer[Generated]) -> Call:
    reply = answer.reply
    if reply is None:
        return Call(0, 0, answer.seconds, finish="refused")
    return Call(reply.usage.prompt_tokens, reply.usage.completion_tokens, answer.seconds, text=reply.text, finish=reply.finish)


def _usable(answer: Answer[Any]) -> Any:
    if answer.reply is None:
        raise EngineError("The server refused to read an input, by the rules of who serves the model: it has neither score nor vector.")
    return answer.reply


def _texts(prompt: Prompt) -> list[str]:
    return [prompt] if isinstance(prompt, str) else [*(message.content for message in prompt.messages), prompt.answer]


def _in_order(reply: Embeddings, count: int) -> list[list[float]]:
    data = sorted(reply.data, key=lambda embedding: embedding.index)
    if [embedding.index for embedding in data] != list(range(count)):
        given = [embedding.index for embedding in reply.data]
        raise EngineError(f"The server was given {count} texts to embed, and gave {len(given)} vectors, numbered {given[:20]}.")
    return [embedding.embedding for embedding in data]


def _unit(vectors: Doubles) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not lengths.all():
        raise EngineError("The server gave a vector of zeros for a text that is not empty.")
    unit: Floats = (vectors / lengths).astype(np.float32)
    return unit
