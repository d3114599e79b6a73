"""One thing that was read of a machine, or why it could not be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Fact:
    """
    Attributes:
        value: None where `absent` says why there is none.
        unit: Of a number, e.g. ``"MHz"``.
    """

    name: str
    value: str | int | float | None = None
    unit: str = ""
    absent: str = ""

    @property
    def text(self) -> str:
        """As a person reads it; in parentheses why there is nothing."""
        if self.value is None:
            return f"({self.absent})"
        shown = str(self.value) if isinstance(self.value, str) else f"{self.value:,}"
        return f"{shown} {self.unit}".rstrip()


@dataclass(frozen=True, slots=True)
class Section:
    """Facts about one thing, e.g. ``"GPU 0"``."""

    name: str
    facts: tuple[Fact, ...]


def as_data(sections: Iterable[Section]) -> dict[str, Any]:
    """Section → fact → its value and unit, or why it is absent."""
    return {section.name: {fact.name: _fact(fact) for fact in section.facts} for section in sections}


def _fact(fact: Fact) -> dict[str, Any]:
    if fact.value is None:
        return {"absent": fact.absent}
    return {"value": fact.value, **({"unit": fact.unit} if fact.unit else {})}
