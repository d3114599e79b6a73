"""Documents' texts, each stored once for a benchmark, in files that pages load when a text is asked for."""

from __future__ import annotations

import hashlib

from rerankbench.records import Document
from rerankbench.site.folder import Writer
from rerankbench.site.scripts import provided

LONGEST_TEXT = 20_000
"""Characters of a text that are kept; more than any ranker of the paper reads."""
_FILE_CHARACTERS = 200_000
_EXCERPT = 160

Place = tuple[int, int]
"""Number of the file, position in it."""


class DocumentFiles:
    """The texts of one benchmark, in the order in which lists first name them, so that a query's texts lie close together.

    Two lists may have other texts under one id (a first stage's own index); each of them is stored.

    Args:
        folder: Where ``0.js`` and so on go, as a path in the site.
        keep: False keeps no text: for a site that is given away.
    """

    def __init__(self, writer: Writer, folder: str, *, keep: bool = True) -> None:
        self.folder = folder
        self._writer = writer
        self._keep = keep
        self._places: dict[bytes, Place] = {}
        self._current: list[tuple[str, int]] = []
        self._characters = 0
        self._file = 0

    def place(self, document: Document) -> Place | None:
        """Where the text is stored; None where it is not at hand or not kept."""
        if document.text is None or not self._keep:
            return None
        text = document.contents
        key = hashlib.sha256(f"{document.id}\0{text}".encode(errors="surrogatepass")).digest()
        if key not in self._places:
            self._places[key] = self._file, len(self._current)
            self._add(text)
        return self._places[key]

    def excerpt(self, document: Document) -> str:
        """How the text begins, in one line; empty where it is not at hand or not kept."""
        if document.text is None or not self._keep:
            return ""
        return shortened(document.contents[: 2 * _EXCERPT], _EXCERPT)

    def close(self) -> None:
        """Write what is not written yet."""
        if self._current:
            name = f"{self.folder}/{self._file}.js"
            self._writer.write(name, provided(name, self._current))
            self._current, self._characters, self._file = [], 0, self._file + 1

    def _add(self, text: str) -> None:
        self._current.append((text[:LONGEST_TEXT], max(0, len(text) - LONGEST_TEXT)))
        self._characters += min(len(text), LONGEST_TEXT)
        if self._characters >= _FILE_CHARACTERS:
            self.close()


def shortened(text: str, characters: int) -> str:
    """The text in one line, cut behind so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= characters else f"{line[: characters - 1]}…"
