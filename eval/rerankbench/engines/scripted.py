"""A fake engine with the rights of a real one: answers by rule, vectors from a hash, and a record of all that it was asked."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from rerankbench import config
from rerankbench.engines.lexical import ended, read_window
from rerankbench.protocols import Floats
from rerankbench.records import Call, Chat, Prompt

Mode = Literal["echo", "reverse", "seeded", "noisy", "fixed"]


class ScriptedOptions(config.Options):
    """
    Attributes:
        mode: How a listwise prompt is answered. ``echo``: the incoming order; ``reverse``: the last passage first; ``seeded``: a
            permutation drawn from the prompt's hash; ``noisy``: the same, but its last passage is left out, its first named
            twice, and one named that was not given; ``fixed``: `answers` in turn, whatever was asked.
        answers: The answers of mode ``fixed``, in the order of the asking; after the last comes the first again. This is the one
            mode in which the same prompt may get two answers.
        dims: Length of the vectors.
        seed: Mixed into every hash.
        delay_s: Seconds that each text or prompt takes.
        log: A file to which a line ``embed|generate <first 16 digits of the SHA-256 of what was asked>`` is appended for each text or
            prompt before it is worked on. Lines of several processes do not mix.
    """

    mode: Mode = "echo"
    answers: Annotated[tuple[str, ...], Field(strict=False)] = ()
    dims: int = Field(default=64, ge=1)
    seed: int = 0
    delay_s: float = Field(default=0.0, ge=0.0)
    log: str | None = None

    @model_validator(mode="after")
    def _answers_where_fixed(self) -> ScriptedOptions:
        if (self.mode == "fixed") != bool(self.answers):
            raise ValueError("'answers' and mode 'fixed' go together: give both or neither")
        return self


class Request(NamedTuple):
    """One text or prompt that the engine was given."""

    kind: Literal["embed", "generate"]
    asked: Prompt


class ScriptedEngine:
    """Answers by rule.

    Attributes:
        requests: Everything asked so far, in order.
    """

    Options: ClassVar = ScriptedOptions
    name: ClassVar[str] = "scripted"
    caveat: ClassVar[str] = "scripted is not a model: its answers are made up by rule"

    def __init__(self, options: ScriptedOptions) -> None:
        self.options = options
        self.requests: list[Request] = []
        self._answered = 0

    @classmethod
    def provenance(cls, options: ScriptedOptions) -> dict[str, str]:
        """Names the version of the rules, to be raised with every change of the output."""
        del options
        return {"scripted": "1"}

    def embed(self, texts: Sequence[str]) -> Floats:
        """One direction a text, drawn evenly from the sphere by the text's hash; the empty text gets the zero vector."""
        vectors = np.zeros((len(texts), self.options.dims), dtype=np.float32)
        for row, text in enumerate(texts):
            self._note(Request("embed", text))
            if text:
                drawn = self._draws(text).standard_normal(self.options.dims)
                vectors[row] = drawn / np.linalg.norm(drawn)
        return vectors

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int, stop: Sequence[str] = ()) -> list[Call]:
        """A token is a word between blanks here; longer answers are cut."""
        return [self._call(prompt, max_tokens, stop) for prompt in prompts]

    def synchronise(self) -> None:
        """There is no device."""

    def close(self) -> None:
        """There is nothing to give back; `requests` stays readable."""

    def _call(self, prompt: Prompt, max_tokens: int, stop: Sequence[str]) -> Call:
        start = time.perf_counter()
        self._note(Request("generate", prompt))
        return ended(self._answer(prompt), prompt, max_tokens, stop, start)

    def _answer(self, prompt: Prompt) -> str:
        if self.options.mode == "fixed":
            self._answered += 1
            return self.options.answers[(self._answered - 1) % len(self.options.answers)]
        window = read_window(prompt)
        if window is None:
            return "This prompt holds no numbered passages with a search query."
        return " > ".join(f"[{identifier}]" for identifier in self._order(prompt, len(window.passages)))

    def _order(self, prompt: Prompt, n: int) -> list[int]:
        """Identifiers, from 1, in the order of the mode."""
        if self.options.mode == "echo":
            return list(range(1, n + 1))
        if self.options.mode == "reverse":
            return list(range(n, 0, -1))
        order = [int(p) + 1 for p in self._draws(prompt).permutation(n)]
        return order if self.options.mode == "seeded" else [*order[:-1], order[0], n + 1]

    def _draws(self, asked: Prompt) -> np.random.Generator:
        return np.random.default_rng(int.from_bytes(_digest(asked, self.options.seed)[:16], "big"))

    def _note(self, request: Request) -> None:
        self.requests.append(request)
        if self.options.log is not None:
            line = f"{request.kind} {_digest(request.asked).hex()[:16]}\n".encode()
            # One write of one line to a file opened for appending: it is whole in the file even if the process is killed next.
            handle = os.open(self.options.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                os.write(handle, line)
            finally:
                os.close(handle)
        if self.options.delay_s:
            time.sleep(self.options.delay_s)


def _digest(asked: Prompt, seed: int = 0) -> bytes:
    text = asked if isinstance(asked, str) else _flat(asked)
    return sha256((f"{seed}\x1d" if seed else "").encode() + text.encode("utf-8", "surrogatepass")).digest()


def _flat(chat: Chat) -> str:
    """Everything that a chat holds, as one text."""
    turns = [f"{m.role}\x1f{m.content}" for m in chat.messages]
    return "\x1e".join([*turns, *(["thinking"] if chat.thinking else []), *([chat.answer] if chat.answer else [])])
