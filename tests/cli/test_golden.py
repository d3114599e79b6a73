"""``doctor --golden``: a model beside the outputs that its authors published, on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.calling import Caller

pytest_plugins = ["engines.conftest"]


def test_a_model_that_is_not_theirs_is_reported_and_nothing_is_refused(call: Caller, tiny_qwen3: Path) -> None:
    pytest.importorskip("torch")
    said = call("doctor", "--golden", "E2Rank-0.6B", "--model", tiny_qwen3, "--json")
    assert said.code == 0
    found = said.data()
    assert [o["mode"] for o in found["outputs"]] == ["query-only", "listwise"]
    assert not any(o["agrees"] for o in found["outputs"])
    assert found["verdict"].startswith("All modes are off")
    # The published cosines beside ours, to four digits.
    table = call("doctor", "--golden", "E2Rank-0.6B", "--model", tiny_qwen3).out
    assert "{0.5958 0.0301} {0.0603 0.5596}" in table
    assert "OFF by more than 0.01" in table


def test_weights_that_are_not_at_hand_are_missing(call: Caller, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    said = call("doctor", "--golden", "E2Rank-0.6B", "--model", tmp_path / "nowhere")
    assert said.code == 3
    assert "neither a folder that exists nor a name on the hub" in said.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--golden", "E2Rank-0.7B"], "Did you mean 'E2Rank-0.6B'?"),
        (["--golden", "E2Rank-0.6B", "--engine", "lexicla"], "no engine 'lexicla'"),
        (["--model", "x"], "there is no --golden"),
    ],
)
def test_what_contradicts_itself_is_told(call: Caller, arguments: list[str], message: str) -> None:
    said = call("doctor", *arguments)
    assert said.code == 2
    assert message in said.err
