"""Many lists ranked side by side: every algorithm is written for one list, and one engine call serves all lists that wait.

An algorithm is a generator: it yields the requests that it needs answered before it can go on, is sent their answers, and returns what
it found out. What one list gets does not depend on the others. Knows no engine and no prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

from rerankbench.errors import EngineError

Request = TypeVar("Request")
Answer = TypeVar("Answer")
Result = TypeVar("Result")

Program = Generator[Sequence[Request], Sequence[Answer], Result]
"""An algorithm over one list: yields requests, gets as many answers in the same order, returns its result."""

Asked = tuple[int, Request]
"""Which program asks (its position), and what."""


def advance(
    programs: Sequence[Program[Request, Answer, Result]], answer: Callable[[Sequence[Asked[Request]]], Sequence[Answer]]
) -> list[Result]:
    """Run all programs to their ends, in lock step: one call of `answer` holds the current requests of all that still run.

    Returns:
        What each program returned, in order.

    Raises:
        EngineError: `answer` gave more or fewer answers than it was asked for.
    """
    results: dict[int, Result] = {}
    waiting: dict[int, Sequence[Request]] = {}

    def resume(position: int, answers: Sequence[Answer] | None) -> None:
        try:
            waiting[position] = next(programs[position]) if answers is None else programs[position].send(answers)
        except StopIteration as end:
            waiting.pop(position, None)
            results[position] = end.value

    for position in range(len(programs)):
        resume(position, None)
    while waiting:
        asked = [(position, request) for position, requests in waiting.items() for request in requests]
        answers = answer(asked) if asked else []
        if len(answers) != len(asked):
            raise EngineError(f"The engine was asked for {len(asked)} answers and gave {len(answers)}.")
        given = iter(answers)
        for position, requests in list(waiting.items()):
            resume(position, [next(given) for _ in requests])
    return [results[position] for position in range(len(programs))]
