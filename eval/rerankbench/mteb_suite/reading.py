"""What a model reads of a text that mteb hands over: an instruction in front of it, an end token behind it, and no more than fits.

Queries, and texts that are compared with their like (clustering, classification, STS, pairs), bear the task's instruction; documents
bear none. Knows neither mteb nor an engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rerankbench import prompts
from rerankbench.cutting import cut_before_end
from rerankbench.errors import ConfigError, OverLengthError
from rerankbench.protocols import Tokens

_SPECIAL = 8
"""Tokens that a tokenizer may add to a text besides those that it cuts it into, at most."""


@dataclass(frozen=True)
class Reading:
    """How a model reads.

    Attributes:
        prompt: Of kind ``query``, with an instruction a task; None leaves every text as it is.
        end_token: Behind every text, exactly once; empty for models that append their own.
        instructions: Task → instruction, for tasks that the prompt has none for, or another one.
    """

    prompt: prompts.Prompt | None = None
    end_token: str = ""
    instructions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises: ConfigError: the prompt is of another kind, or there are instructions and no prompt to put them in."""
        if self.prompt is None and self.instructions:
            raise ConfigError("Instructions are given, and no prompt that they stand in.", hint="Name a 'prompt', e.g. e2rank-mteb.")
        if self.prompt is not None and self.prompt.kind != "query":
            raise ConfigError(f"Texts of MTEB need a prompt of kind 'query', but {self.prompt.name!r} is of kind {self.prompt.kind!r}.")

    @property
    def has_instructions(self) -> bool:
        return self.prompt is not None

    def instruction(self, task: str, subset: str = "default") -> str:
        """
        Raises:
            ConfigError: there is none for this task: neither its own, nor one of this subset of it.
        """
        known = self.prompt.file.benchmarks if self.prompt else {}
        for key in (f"{task}/{subset}", task):
            if key in self.instructions:
                return self.instructions[key]
            if key in known:
                return known[key]["task"]
        name = self.prompt.name if self.prompt else ""
        raise ConfigError(
            f"The prompt {name!r} has no instruction for the task {task} ({subset}).",
            hint=f"Give it one: task_instructions: {{{task}: …}}",
        )

    def queries(self, texts: Sequence[str], task: str, subset: str = "default") -> list[str]:
        """Queries, and texts that are compared with their like, as the model reads them. Raises: ConfigError: as `instruction`."""
        if self.prompt is None:
            return self.documents(texts)
        instruction = {"task": self.instruction(task, subset)}
        bare = (text.removesuffix(self.end_token) if self.end_token else text for text in texts)
        return [str(self.prompt.render(text, end_token=self.end_token, values=instruction)) for text in bare]

    def documents(self, texts: Sequence[str]) -> list[str]:
        if not self.end_token:
            return list(texts)
        return [text.removesuffix(self.end_token) + self.end_token for text in texts]

    def as_data(self) -> dict[str, Any]:
        """All that decides what is read, JSON-able. Every instruction counts: a changed one may be of any task."""
        prompt = None if self.prompt is None else {"name": self.prompt.name, "text": self.prompt.file.text, "tasks": self._instructions()}
        return {"prompt": prompt, "end_token": self.end_token}

    def _instructions(self) -> dict[str, str]:
        known = self.prompt.file.benchmarks if self.prompt else {}
        return {**{task: values["task"] for task, values in known.items()}, **self.instructions}


def fitting(texts: Sequence[str], end_token: str, tokens: Tokens) -> tuple[list[str], int]:
    """Cut from the right what is longer than the engine takes; the end token stays.

    Returns:
        The texts, and how many of them were cut.

    Raises:
        OverLengthError: not even the end token fits.
    """
    limit = tokens.max_tokens
    # A token takes a byte at least: most texts need not be counted. One that grows when it is normalised is refused by its engine.
    rows = [row for row, text in enumerate(texts) if len(text.encode()) + _SPECIAL > limit]
    counts = tokens.count_tokens([texts[row] for row in rows]) if rows else []
    long = [row for row, count in zip(rows, counts, strict=True) if count > limit]
    made = list(texts)
    for row in long:
        body = texts[row].removesuffix(end_token) if end_token else texts[row]
        cut = cut_before_end(body, end_token, limit, tokens.truncate, lambda text: tokens.count_tokens([text])[0])
        if cut is None:
            raise OverLengthError(f"The engine takes {limit} tokens, and the end token {end_token!r} alone has more.")
        made[row] = cut
    return made, len(long)
