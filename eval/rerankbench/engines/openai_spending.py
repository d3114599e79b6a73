"""How much may be asked of a server, and how much was: a limit that is kept before it is passed, not noticed afterwards."""

from __future__ import annotations

import asyncio

from rerankbench.errors import EngineError


class Spending:
    """Counts requests and tokens from when the engine was loaded.

    Every request reserves the most that it can cost before it is sent. Where that no longer fits it waits for the requests under
    way, whose real cost is mostly lower than reserved; where none is under way, it is not sent.

    Attributes:
        requests: Sent so far, repeated ones included.
        tokens: As the server counted them, and the most that can have been billed for requests that got no readable answer.
        unanswered: How many requests that were.

    Args:
        max_requests, max_tokens: The limits; None is no limit.
    """

    def __init__(self, max_requests: int | None, max_tokens: int | None) -> None:
        self.requests = 0
        self.tokens = 0
        self.unanswered = 0
        self._max_requests = max_requests
        self._max_tokens = max_tokens
        self._reserved = 0
        self._ended = asyncio.Event()

    def __str__(self) -> str:
        unanswered = f", {self.unanswered} of them without an answer and counted at the most that they can have cost"
        return f"Spent so far: {self.requests} requests{unanswered if self.unanswered else ''}; {self.tokens} tokens."

    def check_requests(self, count: int) -> None:
        """
        Raises:
            EngineError: `count` more requests would pass the limit.
        """
        if self._max_requests is not None and self.requests + count > self._max_requests:
            raise EngineError(
                f"{count} more {'request' if count == 1 else 'requests'} would pass max_requests, which is {self._max_requests}, and "
                f"nothing more was sent.\n{self}",
                hint="Raise the engine's max_requests, and give the same command again: finished queries are kept.",
            )

    async def begin(self, most: int) -> None:
        """Reserve `most` tokens for a request that is about to be sent.

        Raises:
            EngineError: it would pass a limit.
        """
        while self._max_tokens is not None and self.tokens + self._reserved + most > self._max_tokens:
            if not self._reserved:
                raise EngineError(
                    f"One more request, of {most} tokens at the most, might pass max_tokens_total, which is {self._max_tokens}; it "
                    f"was not sent.\n{self}",
                    hint="Raise the engine's max_tokens_total, and give the same command again: finished queries are kept.",
                )
            self._ended.clear()
            await self._ended.wait()
        self.check_requests(1)
        self.requests += 1
        self._reserved += most

    def end(self, most: int, used: int | None) -> None:
        """Give back what `begin` reserved, and count what was used; None: nobody knows, which counts as `most`."""
        self._reserved -= most
        self.tokens += most if used is None else used
        self.unanswered += used is None
        self._ended.set()
