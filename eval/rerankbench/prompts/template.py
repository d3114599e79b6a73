"""Text with `{placeholders}`, filled in a single pass: braces inside a value stay literal text. Knows no prompt."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed text.

    Attributes:
        parts: Literal text and the placeholder behind it, in order; the placeholder is empty behind the last literal.
    """

    parts: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `text`; ``{{`` and ``}}`` stand for braces.

        Raises:
            ValueError: a brace without its partner, a placeholder without a name, or one with a format or conversion.
        """
        parts = []
        for literal, name, spec, conversion in string.Formatter().parse(text):
            if name == "" or spec or conversion:
                raise ValueError(f"expected a bare name between braces, found {{{name}{f'!{conversion}' if conversion else ''}:{spec}}}")
            parts.append((literal, name or ""))
        return cls(tuple(parts))

    @property
    def placeholders(self) -> frozenset[str]:
        return frozenset(name for _, name in self.parts if name)

    def fill(self, values: Mapping[str, str]) -> str:
        """The text with every placeholder replaced by its value, once."""
        return "".join([literal + values[name] if name else literal for literal, name in self.parts])
