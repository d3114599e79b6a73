"""The key of a served model comes from the environment, goes to its own server, and is shown nowhere."""

from __future__ import annotations

import logging
import traceback
from io import StringIO

import orjson
import pytest
from pydantic import ValidationError
from rich.console import Console
from rich.traceback import Traceback

from engines.openai_server import Says, completion, engine, in_turn, serving, without_keys
from rerankbench import config
from rerankbench.engines.openai_http import OpenAIEngine, OpenAIOptions
from rerankbench.errors import ConfigError, EngineError, MissingError, MissingKey

KEY = "sk-test-0123456789-of-nobody"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    without_keys(monkeypatch)


def test_openais_own_server_without_a_key_is_missing_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    options = OpenAIOptions(model="gpt-4o")
    with pytest.raises(MissingKey, match=r"api\.openai\.com need a key, and the environment variable OPENAI_API_KEY is not set") as caught:
        OpenAIEngine.provenance(options)
    assert isinstance(caught.value, MissingError)
    assert caught.value.exit_code == 3
    assert caught.value.hint.startswith("export OPENAI_API_KEY=")
    with pytest.raises(MissingKey):
        OpenAIEngine(options)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert KEY not in str(OpenAIEngine.provenance(options))
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
    with pytest.raises(MissingKey, match="line ends") as caught:
        OpenAIEngine.provenance(options)
    assert KEY not in str(caught.value)


def test_a_key_goes_only_to_the_server_that_it_is_named_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai-alone")
    monkeypatch.setenv("LOCAL_KEY", KEY)
    with serving(in_turn(completion("x"))) as server:
        with engine(server) as made:
            made.generate(["p"], max_tokens=1)
        with engine(server, key_env="LOCAL_KEY") as made:
            made.generate(["p"], max_tokens=1)
        assert [asked.headers.get("authorization") for asked in server.asked] == [None, f"Bearer {KEY}"]
        with pytest.raises(MissingKey, match="variable NOT_SET is not set"):
            OpenAIEngine.provenance(OpenAIOptions(base_url=server.url, model="tiny", key_env="NOT_SET"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"key_env": KEY},
        {"base_url": f"https://user:{KEY}@example.org/v1"},
        {"base_url": f"https://example.org/v1?key={KEY}"},
        {"base_url": "example.org"},
    ],
)
def test_a_key_in_the_configuration_is_refused_and_not_shown(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as caught:
        OpenAIOptions(model="tiny", **wrong)  # type: ignore[arg-type]
    assert KEY not in str(caught.value)
    with pytest.raises(ConfigError, match=r"key_env|base_url") as told:
        config.validate(OpenAIOptions, {"model": "tiny", **wrong}, str)
    assert KEY not in str(told.value)


ECHOES = {
    "status": Says({"error": {"message": f"wrong key: Bearer {KEY}"}}, 401),
    "html": Says(f"<html>{KEY}</html>".encode()),
    "at the cut": Says((" " * 500 + "x" * 285 + KEY * 3).encode(), 500),
    "refused": Says({"error": {"message": KEY, "code": KEY}}, 400),
}


@pytest.mark.parametrize("echo", ECHOES)
def test_the_key_is_in_no_error_no_traceback_no_log_and_no_record(
    echo: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LOCAL_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    with serving(in_turn(ECHOES[echo])) as server, engine(server, key_env="LOCAL_KEY", retries=1) as made:
        with pytest.raises(EngineError) as caught:
            made.generate(["p"], max_tokens=1)
        server.answer = in_turn(Says({**orjson.loads(orjson.dumps(completion("x").body)), "model": f"echo {KEY}"}))
        made.generate(["p"], max_tokens=1)
        assert server.asked[-1].headers["authorization"] == f"Bearer {KEY}", "it was really sent"
        shown = StringIO()
        error = caught.value
        Console(file=shown, width=300).print(Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True))
        said = [
            str(error),
            repr(error),
            "".join(traceback.format_exception(error)),
            shown.getvalue(),
            caplog.text,
            repr(made),
            repr(made.options),
            made.options.model_dump_json(),
            repr(made.provenance(made.options)),
            repr(made.served),
            repr(vars(made._server)),
        ]
        assert "generate" in shown.getvalue(), "the traceback is there"
        assert error.__cause__ is None
        assert error.__context__ is None
        # No part of it either: a cut through the key would leave its beginning.
        assert not [text for text in said if KEY[:12] in text]
