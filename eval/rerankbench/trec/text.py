"""A run or qrels file as bytes: decompressed, line ends made alike, checked to be text. Knows no columns."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rerankbench.errors import DataError, MissingData, TrecFormatError

# Large enough that a block's own cost is nothing, small enough that its arrays stay in the processor's cache.
BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Text:
    """The content of one file.

    Attributes:
        name: The file as the user named it.
        data: UTF-8 without a byte order mark; every line, the last one too, ends with a line feed alone.
    """

    name: str
    data: bytes

    def line(self, offset: int) -> int:
        """The number, from 1, of the line that holds a byte."""
        return self.data.count(b"\n", 0, offset) + 1

    def error(self, offset: int, problem: str, *, hint: str = "") -> TrecFormatError:
        """The error to raise for the line that holds a byte."""
        return TrecFormatError(self.name, self.line(offset), problem, hint=hint)

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Where consecutive stretches of whole lines start and stop, each about `BLOCK` bytes long."""
        start = 0
        while start < len(self.data):
            stop = self.data.rfind(b"\n", start, start + BLOCK) + 1 or self.data.index(b"\n", start) + 1
            yield start, stop
            start = stop


def load(path: str | os.PathLike[str]) -> Text:
    """Read a file, compressed by gzip or not (its content tells, not its name).

    Raises:
        MissingData: there is no such file.
        DataError: it cannot be read.
        TrecFormatError: it is empty or not UTF-8 text.
    """
    name = os.fspath(path)
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise MissingData(f"There is no file {name}.") from error
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}.") from error
    return as_text(name, _decompressed(name, data))


def as_text(name: str, data: bytes) -> Text:
    """Make line ends alike and check that `data` is text.

    Raises:
        TrecFormatError: it is empty or not UTF-8.
    """
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    if not data or data.isspace():
        raise TrecFormatError(name, 0, "the file is empty; expected at least one line.")
    text = Text(name, data if data.endswith(b"\n") else data + b"\n")
    _check_encoding(text)
    return text


def _decompressed(name: str, data: bytes) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise TrecFormatError(name, 0, f"the gzip data is damaged: {error}.", hint="Fetch the file again.") from error


def _check_encoding(text: Text) -> None:
    zero = text.data.find(b"\0")
    if zero >= 0:
        raise text.error(zero, "the line holds a zero byte; expected UTF-8 text.", hint="Is the file UTF-16, or no text at all?")
    if text.data.isascii():
        return
    # Block by block: the decoded text of a whole file would take up to four times its size.
    for start, stop in text.blocks():
        try:
            text.data[start:stop].decode()
        except UnicodeDecodeError as error:
            raise text.error(start + error.start, f"byte {text.data[start + error.start]:#04x} is not UTF-8.") from error
