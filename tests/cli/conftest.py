"""Every test of the command line works in a folder of its own, without a hub and without data that happens to lie about."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.calling import Caller


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Caller:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no-hub"))
    monkeypatch.delenv("RERANKBENCH_DATA", raising=False)
    monkeypatch.delenv("RERANKBENCH_ANSWERS", raising=False)
    return Caller(capsys, monkeypatch)
