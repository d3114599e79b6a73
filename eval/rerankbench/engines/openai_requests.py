"""Requests to a server of OpenAI's protocol: several at a time, repeated where that can help, within a spending limit.

Knows neither prompts nor models. Plain HTTP by httpx2, on which OpenAI's own client stands as well: of that client three paths and a
header would be used, while its retries, which count nothing, and its reading, which takes an answer of HTML for text, would have to
be switched off.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Thread
from typing import TYPE_CHECKING, Any, Generic

from pydantic import SecretStr

from rerankbench import __version__
from rerankbench.engines.openai_options import OPENAI_KEY, RequestOptions, read_key
from rerankbench.engines.openai_replies import Fault, R, Reply, read_refusal, read_reply
from rerankbench.engines.openai_spending import Spending
from rerankbench.errors import EngineError, OverLengthError

if TYPE_CHECKING:
    import httpx2

CONNECT_TIMEOUT_S = 10.0
_SHOWN_CHARACTERS = 300
"""Of what a server says, in an error."""


@dataclass(frozen=True, slots=True)
class Request(Generic[R]):
    """
    Attributes:
        path: Behind the base address, e.g. ``chat/completions``.
        reply: What a usable answer is read as.
        most_tokens: The most that it can cost.
    """

    path: str
    body: Mapping[str, Any]
    reply: type[R]
    most_tokens: int


@dataclass(frozen=True, slots=True)
class Answer(Generic[R]):
    """
    Attributes:
        reply: None where the server refused the content.
        seconds: From sending to the answer's last byte, of the attempt that succeeded: no waiting, no failed attempts.
    """

    reply: R | None
    seconds: float


class Server:
    """A server that is asked over HTTP. Its requests run in a thread of their own, so that it works below any caller's event loop.

    Attributes:
        spending: What was asked of it so far.
        served: What it says that it served: ``model`` and ``system_fingerprint``, each value with the number of its answers.

    Args:
        sleep: How a wait is waited.

    Raises:
        MissingKey: see `read_key`.
    """

    def __init__(self, options: RequestOptions, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        import httpx2

        self._key = read_key(options)
        self._options = options
        self._sleep = sleep
        self._transport_error = httpx2.RequestError
        self._not_connected = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol, httpx2.ProxyError)
        self._client = httpx2.AsyncClient(
            base_url=options.address,
            headers={"User-Agent": f"rerankbench/{__version__}", "Content-Type": "application/json", **_authorization(self._key)},
            timeout=httpx2.Timeout(None, connect=CONNECT_TIMEOUT_S),  # the rest is under the one limit for the whole request
            # uvicorn, below `vllm serve` and others, drops idle connections after 5 s: one of that age would be lost as it is used again.
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=options.max_concurrency, keepalive_expiry=3.0),
        )
        self.spending = Spending(options.max_requests, options.max_tokens_total)
        self.served: dict[str, Counter[str]] = {"model": Counter(), "system_fingerprint": Counter()}
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="openai-requests", daemon=True)
        self._thread.start()

    def ask(self, requests: Sequence[Request[R]]) -> list[Answer[R]]:
        """Send all, at most `max_concurrency` at a time.

        Returns:
            One answer a request, same order.

        Raises:
            EngineError: a request failed for good, or a spending limit would be passed. The first such request ends the call: those
                under way are dropped, no other is sent, and no answer of this call is returned. What it cost is counted.
            OverLengthError: the server says that a request is longer than the model takes.
        """
        self.spending.check_requests(len(requests))  # before a part is paid for that cannot be used
        future = asyncio.run_coroutine_threadsafe(self._answers(requests), self._loop)
        try:
            return future.result()
        finally:
            future.cancel()  # of use where the wait was interrupted: then nothing is sent any more

    def close(self) -> None:
        """Drop connections and thread."""
        if not self._loop.is_closed():
            asyncio.run_coroutine_threadsafe(self._client.aclose(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _answers(self, requests: Sequence[Request[R]]) -> list[Answer[R]]:
        waiting = deque(enumerate(requests))
        answers: dict[int, Answer[R]] = {}
        workers = min(self._options.max_concurrency, len(requests))
        tasks = [asyncio.ensure_future(self._work(waiting, answers, len(requests))) for _ in range(workers)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return [answers[position] for position in range(len(requests))]

    async def _work(self, waiting: deque[tuple[int, Request[R]]], answers: dict[int, Answer[R]], count: int) -> None:
        while waiting:
            position, request = waiting.popleft()
            try:
                answers[position] = await self._answer(request, position, count)
            except EngineError:
                waiting.clear()  # else another worker might begin with the next one before it is stopped
                raise

    async def _answer(self, request: Request[R], position: int, count: int) -> Answer[R]:
        # By position: requests that failed together are not repeated together, and a run can be repeated as it was.
        jitter = random.Random(position)  # noqa: S311 no secret
        attempt = 1
        while isinstance(outcome := await self._attempt(request), Fault):
            if not outcome.retry or attempt > self._options.retries or outcome.wait_s > self._options.max_wait_s:
                raise self._failure(outcome, f"request {position + 1} of {count}, attempt {attempt}")
            backoff = min(self._options.backoff_s * 2.0 ** (attempt - 1), self._options.max_wait_s) * (1 - jitter.random() / 2)
            await self._sleep(max(outcome.wait_s, backoff))
            attempt += 1
        return outcome

    async def _attempt(self, request: Request[R]) -> Answer[R] | Fault:
        await self.spending.begin(request.most_tokens)
        used: int | None = None  # as long as nobody says otherwise: also what is dropped halfway may be billed
        try:
            start = time.perf_counter()
            response = await self._response(request)
            seconds = time.perf_counter() - start
            outcome = response if isinstance(response, Fault) else _read(response, request.reply)
            if isinstance(outcome, Reply):
                used = outcome.usage.total
                self._note(outcome)
                return Answer(outcome, seconds)
            used = None if outcome.billed else 0
            # Cleaned here and not where it is shown: a traceback may show the variables of every function that it passes.
            return Answer(None, seconds) if outcome.refused else replace(outcome, problem=self._clean(outcome.problem))
        finally:
            self.spending.end(request.most_tokens, used)

    async def _response(self, request: Request[R]) -> httpx2.Response | Fault:
        # Python's own writer, not orjson: it writes also what is no valid Unicode, which then is the server's to refuse.
        body = json.dumps(request.body).encode()
        try:
            async with asyncio.timeout(self._options.timeout_s):
                return await self._client.post(request.path, content=body)
        except TimeoutError:
            return Fault(f"no whole answer within timeout_s, which is {self._options.timeout_s:g}", billed=True)
        except self._not_connected as error:
            return Fault(f"no connection ({type(error).__name__}: {error})")
        except self._transport_error as error:
            return Fault(f"the connection failed ({type(error).__name__}: {error})", billed=True)

    def _note(self, reply: Reply) -> None:
        for name, counts in self.served.items():
            said = getattr(reply, name)
            if said is not None:
                counts[self._clean(said)] += 1

    def _failure(self, fault: Fault, where: str) -> EngineError:
        asked = f"; it asks to wait {fault.wait_s:g} s" if fault.wait_s else ""
        problem = f"The server {self._options.host} gave no usable answer ({where}): {fault.problem}{asked}\n{self.spending}"
        return fault.error(problem, hint=self._hint(fault))

    def _hint(self, fault: Fault) -> str:
        if fault.status in {401, 403}:
            named = self._options.key_env or (OPENAI_KEY if self._key else None)
            return f"Is the key in {named} the right one?" if named else "Name the environment variable with the server's key in key_env."
        if fault.status == 404:
            return "Is this model served there, and does the base_url end where the protocol's paths begin, mostly in /v1?"
        if issubclass(fault.error, OverLengthError):
            return "Let the ranker shorten its inputs, or serve the model with a longer context."
        if fault.status == 429 and fault.retry:
            return "Lower the engine's max_concurrency, or raise its retries or max_wait_s."
        return "" if fault.status else f"Does the server {self._options.host} run?"

    def _clean(self, said: str) -> str:
        """What a server said, on one line, short, and without the key, which some servers echo."""
        if self._key is not None:
            said = said.replace(self._key.get_secret_value(), "[key]")  # first: a cut could leave a part of it
        said = " ".join(said.split())
        return said if len(said) <= _SHOWN_CHARACTERS else f"{said[:_SHOWN_CHARACTERS]}…"


def _authorization(key: SecretStr | None) -> dict[str, str]:
    return {} if key is None else {"Authorization": f"Bearer {key.get_secret_value()}"}


def _read(response: httpx2.Response, reply: type[R]) -> R | Fault:
    if response.status_code == 200:
        return read_reply(response.content, reply)
    return read_refusal(response.status_code, response.headers, response.content)
