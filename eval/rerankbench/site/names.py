"""File names that any file system takes, whatever a query or system is called; and texts without the places of this machine."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=-]{0,79}")
_PLACE = re.compile(r"(?<![\w:/.~}\])-])(?:[A-Za-z]:)?(?:/[^\s/:;,'\"()]+){2,}/?")


class Names:
    """Hands out file names without a suffix. A name that is safe and free stays as it is; another one gets a hash.

    Names that differ in case alone count as one: some file systems take them for the same.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, text: str) -> str:
        """A name that was not handed out before."""
        name = text
        if not _SAFE.fullmatch(text) or text.casefold() in self._taken:
            readable = re.sub(r"[^A-Za-z0-9._=-]+", "_", text).strip("._=-")[:60]
            name = f"{readable or 'x'}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        self._taken.add(name.casefold())
        return name


def portable(text: str) -> str:
    """The text with absolute paths cut down to their last part: a site must not tell the folders of the machine that built it."""
    return _PLACE.sub(lambda found: f"…/{PurePath(found.group()).name}", text)


def portable_data(value: Any) -> Any:
    """A manifest or configuration with every text in it made portable."""
    if isinstance(value, Mapping):
        return {key: portable_data(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [portable_data(item) for item in value]
    return portable(value) if isinstance(value, str) else value
