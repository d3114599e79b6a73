"""Where a server of OpenAI's protocol is, how much and how patiently it is asked, and the key that it may want. Asks nobody."""

from __future__ import annotations

import os
import re
from typing import ClassVar, Self
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, SecretStr, model_validator

from rerankbench import config
from rerankbench.errors import MissingKey

OPENAI_URL = "https://api.openai.com/v1"
OPENAI_KEY = "OPENAI_API_KEY"


class RequestOptions(config.Options):
    """
    Attributes:
        base_url: Where the protocol's paths begin, e.g. ``http://127.0.0.1:8000/v1``; None is OpenAI's own. OPENAI_BASE_URL in the
            environment is not read: what decides a run stands in its configuration.
        key_env: The environment variable that holds the key. None is OPENAI_API_KEY for OpenAI's own server, and no key for any
            other, so that a key never goes to a server that it was not meant for.
        max_concurrency: Requests under way at once.
        timeout_s: For one request, from connecting to the last byte of its answer.
        retries: How often a request is repeated that failed by its connection, by a timeout, by status 408, 409, 425, 429 or 5xx, or
            by an answer that cannot be read.
        backoff_s: What is waited before the first repetition, at the most; doubled with every further one.
        max_wait_s: The longest wait. A server that asks for a longer one (``Retry-After``) is not asked again.
        max_requests: Requests that may be sent, repeated ones included, from when the engine is loaded.
        max_tokens_total: Tokens that may be spent, of prompts and answers together, from when the engine is loaded.
    """

    # An error must not show what somebody took for the place of a key.
    model_config = ConfigDict(hide_input_in_errors=True)

    NEUTRAL: ClassVar[frozenset[str]] = frozenset(
        {"key_env", "max_concurrency", "timeout_s", "retries", "backoff_s", "max_wait_s", "max_requests", "max_tokens_total"}
    )

    base_url: str | None = None
    key_env: str | None = None
    max_concurrency: int = Field(default=16, ge=1, le=1024)
    timeout_s: float = Field(default=600.0, gt=0)
    retries: int = Field(default=5, ge=0, le=20)
    backoff_s: float = Field(default=1.0, gt=0)
    max_wait_s: float = Field(default=60.0, gt=0)
    max_requests: int | None = Field(default=None, ge=1)
    max_tokens_total: int | None = Field(default=None, ge=1)

    # On the whole model, because an error of a single field comes with that field's value.
    @model_validator(mode="after")
    def _address_and_no_secret(self) -> Self:
        url = urlsplit(self.address)
        if url.scheme not in {"http", "https"} or not url.hostname or url.query or url.fragment:
            raise ValueError("base_url is an address such as http://127.0.0.1:8000/v1, without anything after a '?' or '#'")
        if url.username or url.password:
            raise ValueError("base_url holds a user or a password: name the environment variable with the key in key_env")
        if self.key_env is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.key_env):
            raise ValueError("key_env is the name of an environment variable, and never a key itself")
        return self

    @property
    def address(self) -> str:
        return OPENAI_URL if self.base_url is None else self.base_url

    @property
    def host(self) -> str:
        return urlsplit(self.address).netloc


def read_key(options: RequestOptions) -> SecretStr | None:
    """The key from the environment; None where the server needs none.

    Raises:
        MissingKey: it needs one, and the variable is not set, or what it holds can be no key.
    """
    own = options.host == urlsplit(OPENAI_URL).netloc
    name = options.key_env or (OPENAI_KEY if own else None)
    if name is None:
        return None
    key = os.environ.get(name, "")
    if not key:
        problem = f"The models of {options.host} need a key, and the environment variable {name} is not set."
    elif not re.fullmatch(r"[!-~]+", key):  # httpx2 would say so too, and show the key
        problem = f"The environment variable {name} holds blanks, line ends or characters outside ASCII, which no key has."
    else:
        return SecretStr(key)
    raise MissingKey(problem, hint=f"export {name}=...   (it is read from the environment alone, and written nowhere)")
