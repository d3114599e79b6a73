"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The local mirror of real data; tests that need it skip where it is absent."""
    path = Path(os.environ.get("RERANKBENCH_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (path / "retrieval_results").is_dir():
        pytest.skip(f"no local mirror of real data at {path}: set RERANKBENCH_DATA to one")
    return path
