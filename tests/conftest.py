"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rerankbench import hub

MIRROR = Path(os.environ.get("RERANKBENCH_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(autouse=True)
def _named_data_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mirror that the environment names is for `data_dir`: commands under test see the data that the test gives them."""
    monkeypatch.delenv("RERANKBENCH_DATA", raising=False)


@pytest.fixture(autouse=True)
def _hub_not_asked_yet() -> None:
    hub._silence.forget()


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The local mirror of real data; tests that need it skip where it is absent."""
    if not (MIRROR / "retrieval_results").is_dir():
        pytest.skip(f"no local mirror of real data at {MIRROR}: set RERANKBENCH_DATA to one")
    return MIRROR
