"""Outputs that a model's authors published with it, as data."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rerankbench.config import Options, read_yaml, validate

Matrix = tuple[tuple[float, ...], ...]


class GoldenOutput(Options):
    """One published matrix, from one engine or several.

    Attributes:
        mode, profile: Of the ranker ``embedding``.
        published: Engine → cosines, shape (queries, documents), as printed.
    """

    mode: Literal["listwise", "query-only"]
    profile: str
    published: dict[str, Matrix]


class Golden(Options):
    """What a model must give for some texts.

    Attributes:
        tolerance: How far off a cosine of another engine may be.
    """

    source: str
    tolerance: float
    queries: tuple[str, ...]
    documents: tuple[str, ...]
    outputs: tuple[GoldenOutput, ...]


def load() -> dict[str, Golden]:
    """By the system that the outputs are of."""
    file = read_yaml(Path(__file__).with_name("golden.yaml"))
    return {name: validate(Golden, data, file.place) for name, data in file.data.items()}
