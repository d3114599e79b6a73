"""What an exception says of a task: whether something is not at hand or the task failed, why, and what helps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rerankbench.errors import MissingError, RerankbenchError

_NOT_AT_HAND = {
    "DatasetNotFoundError": "It is on the hub, behind a licence, or in no cache here: log in, or copy a datasets cache to HF_HOME.",
    "OfflineModeIsEnabled": "Unset HF_HUB_OFFLINE, or copy a datasets cache to HF_HOME.",
    "ConnectionError": "The hub could not be reached: try again, or copy a datasets cache to HF_HOME.",
}
"""How other libraries say that data is not to be had, by the name of the exception, and what to do next."""
_HINTS = {**_NOT_AT_HAND, "OutOfMemoryError": "Lower the engine's batch_tokens."}


@dataclass(frozen=True, slots=True)
class Failure:
    status: Literal["failed", "missing"]
    reason: str
    hint: str


def failure_of(problem: Exception) -> Failure:
    """Of ours in our words, of another library's with its name, for whoever looks for it."""
    if isinstance(problem, RerankbenchError):
        return Failure("missing" if isinstance(problem, MissingError) else "failed", problem.message, problem.hint)
    name = type(problem).__name__
    reason = f"{name}: {problem}".strip().splitlines()[0]
    return Failure("missing" if name in _NOT_AT_HAND else "failed", reason, _HINTS.get(name, ""))
