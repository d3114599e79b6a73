"""What the machine at hand is, on the command line."""

from __future__ import annotations

import sys

import pytest

from cli.calling import Caller


def test_the_command_line_shows_the_machine(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    shown = call("doctor", "--device")
    assert shown.code == 0, shown.err
    assert "pynvml is not installed" in shown.out
    found = call("doctor", "--device", "--json").data()
    assert found["facts"]["GPU"] == {"name": {"absent": "pynvml is not installed"}}
    assert list(found["facts"]) == ["GPU", "processor", "memory", "system", "software"]
    assert call("doctor", "--device", "--golden", "E2Rank-0.6B").code == 2
