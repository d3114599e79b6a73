"""A text that stands in a report tells nothing of the machine that made it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rerankbench.portable import portable


def test_places_are_named_the_inner_ones_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    said = f"not in {tmp_path}/hub, nor {tmp_path}/w/runs/x, nor {tmp_path}/data/y, nor {tmp_path}/else"
    assert portable(said, (tmp_path / "w" / "runs", "runs"), (tmp_path / "data", "DATA"), (None, "NOWHERE")) == (
        "not in HF_HUB_CACHE, nor runs/x, nor DATA/y, nor ~/else"
    )


def test_words_that_are_no_places_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/")
    assert portable("runs of a/b at /x", (Path("runs"), "RUNS"), (Path(), "HERE")) == "runs of a/b at /x"
    assert portable("../other/runs/x", (Path("../other/runs"), "runs")) == "runs/x"
