"""What a server of OpenAI's protocol answers: read strictly, or turned into a fault that says what was wrong. Sends nothing."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, Literal, TypeVar

import orjson
from pydantic import AllowInfNan, BaseModel, Field, ValidationError

from rerankbench.errors import EngineError, OverLengthError
from rerankbench.records import Finish


class Usage(BaseModel):
    """Tokens as the server counted them; embeddings have no completion."""

    prompt_tokens: int = Field(ge=0)
    completion_tokens: int | None = Field(default=None, ge=0)

    @property
    def total(self) -> int:
        return self.prompt_tokens + (self.completion_tokens or 0)


class Reply(BaseModel):
    """What every answer has.

    Attributes:
        model, system_fingerprint: What the server says that it served, e.g. a dated snapshot of the model that was asked for.
    """

    usage: Usage
    model: str | None = None
    system_fingerprint: str | None = None


R = TypeVar("R", bound=Reply)


class GenerationUsage(Usage):
    completion_tokens: int = Field(ge=0)


class Generated(Reply, ABC):
    """An answer with a text."""

    usage: GenerationUsage

    @property
    @abstractmethod
    def text(self) -> str: ...

    @property
    @abstractmethod
    def finish(self) -> Finish: ...


FinishReason = Literal["stop", "length", "content_filter"]
"""Others, such as vLLM's ``abort`` and ``error``, come with answers that are not whole: they are faults."""

_FINISH: Mapping[FinishReason | None, Finish] = {"stop": "stop", "length": "length", "content_filter": "refused", None: ""}


class ChatMessage(BaseModel):
    """
    Attributes:
        reasoning, reasoning_content: What a server's reasoning parser took out of the text: vLLM's name, and the older one.
    """

    content: str | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None

    @property
    def text(self) -> str:
        """The answer as the model wrote it, reasoning in front, as engines without such a parser give it."""
        thought, content = self.reasoning or self.reasoning_content, self.content or ""
        if not thought:
            return content
        return f"<think>{thought}</think>{content}" if content else f"<think>{thought}"


class ChatChoice(BaseModel):
    message: ChatMessage
    finish_reason: FinishReason | None = None


class ChatReply(Generated):
    choices: list[ChatChoice] = Field(min_length=1)

    @property
    def text(self) -> str:
        return self.choices[0].message.text

    @property
    def finish(self) -> Finish:
        choice = self.choices[0]
        return "refused" if choice.message.refusal else _FINISH[choice.finish_reason]


class CompletionChoice(BaseModel):
    text: str
    finish_reason: FinishReason | None = None


class CompletionReply(Generated):
    choices: list[CompletionChoice] = Field(min_length=1)

    @property
    def text(self) -> str:
        return self.choices[0].text

    @property
    def finish(self) -> Finish:
        return _FINISH[self.choices[0].finish_reason]


class Scored(Reply, ABC):
    """An answer with the log-probabilities of its first token's most likely values."""

    @abstractmethod
    def alternatives(self) -> Iterator[tuple[str, float]]:
        """Tokens' texts and log-probabilities. Two tokens may read alike."""

    def logprob(self, token: str) -> float:
        """Of the token that reads so (the more likely one of two); minus infinity where the server does not name it."""
        # -9999.0 is how OpenAI and vLLM write that a token is too unlikely to be told.
        return max((value for text, value in self.alternatives() if text == token and value > -9999.0), default=-math.inf)


class TokenLogprob(BaseModel):
    token: str
    logprob: float


class FirstTokens(TokenLogprob):
    top_logprobs: list[TokenLogprob]


class ChatLogprobs(BaseModel):
    content: list[FirstTokens] = Field(min_length=1)


class ChatScoresChoice(BaseModel):
    logprobs: ChatLogprobs


class ChatScores(Scored):
    choices: list[ChatScoresChoice] = Field(min_length=1)

    def alternatives(self) -> Iterator[tuple[str, float]]:
        first = self.choices[0].logprobs.content[0]
        yield first.token, first.logprob
        yield from ((other.token, other.logprob) for other in first.top_logprobs)


class CompletionLogprobs(BaseModel):
    top_logprobs: list[dict[str, float]] = Field(min_length=1)


class CompletionScoresChoice(BaseModel):
    logprobs: CompletionLogprobs


class CompletionScores(Scored):
    choices: list[CompletionScoresChoice] = Field(min_length=1)

    def alternatives(self) -> Iterator[tuple[str, float]]:
        yield from self.choices[0].logprobs.top_logprobs[0].items()


class Embedding(BaseModel):
    index: int
    embedding: list[Annotated[float, AllowInfNan(allow_inf_nan=False)]] = Field(min_length=1)


class Embeddings(Reply):
    data: list[Embedding]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a request got no usable answer.

    Attributes:
        problem: As long as the server made it, and with all that it echoes, until `Server` cleans it.
        status: Of the HTTP answer; 0 without one.
        retry: Whether the same request may succeed later.
        wait_s: How long the server asks to wait before that.
        billed: Whether the request may have cost tokens all the same.
        refused: Whether the content was refused, by the rules of who serves the model.
    """

    problem: str
    status: int = 0
    retry: bool = True
    wait_s: float = 0.0
    billed: bool = False
    refused: bool = False
    error: type[EngineError] = EngineError


def read_reply(content: bytes, model: type[R]) -> R | Fault:
    """An answer with status 200."""
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
    what = f"{where}: {first['msg']}" if where else first["msg"]
    text = content.decode("utf-8", "replace")
    return Fault(f"an answer with status 200 that is not what was asked for ({what}): {text}", 200, billed=True)


_RETRIED = {408, 409, 425, 429}
_OVER_LENGTH = re.compile(r"maximum (?:context|model) length|context_length_exceeded")
_REFUSALS = {"content_filter", "invalid_prompt"}
"""Codes of a status 400 by which Azure and OpenAI refuse a prompt for what it says."""


def read_refusal(status: int, headers: Mapping[str, str], content: bytes) -> Fault:
    """An answer with any other status."""
    message, code = _error_in(content)
    problem = f"HTTP {status}: {message}"
    if status == 400 and code in _REFUSALS:
        return Fault(problem, status, retry=False, refused=True)
    if status in {400, 413, 422} and _OVER_LENGTH.search(f"{code} {message}"):
        return Fault(problem, status, retry=False, error=OverLengthError)
    # An account without money answers 429 too, and will tomorrow.
    retry = (status in _RETRIED or status >= 500) and code != "insufficient_quota"
    return Fault(problem, status, retry=retry, wait_s=retry_after(headers))


def _error_in(content: bytes) -> tuple[str, str]:
    """Message and code of an error: OpenAI's form, the one without a frame, FastAPI's; else the text as it is."""
    text = content.decode("utf-8", "replace")
    try:
        data: Any = orjson.loads(content)
    except orjson.JSONDecodeError:
        return text, ""
    error = data.get("error", data) if isinstance(data, dict) else None
    if not isinstance(error, dict):
        return (error if isinstance(error, str) else text), ""
    message = error.get("message") or error.get("detail")
    return str(message) if message else text, str(error.get("code") or "")


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that the server asks to wait, said in seconds or as a date; 0 where it says nothing that can be read.

    A date is compared with the server's own clock where it tells the time (RFC 9110, 10.2.3 and 6.6.1).
    """
    said = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", said):
        return float(said)
    until = _date(said)
    now = _date(headers.get("date", "")) or datetime.now(UTC)
    return max((until - now).total_seconds(), 0.0) if until else 0.0


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
