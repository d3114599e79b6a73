"""The records of a JSON file: one a line, one array, or a single object; compressed or not. Knows no form of record."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import orjson

from rerankbench.errors import DataError, MissingData

_BOM = b"\xef\xbb\xbf"
_WHITE = b" \t\r\n"


class Placed(NamedTuple):
    """A record and where it stands: file and line, or file and record."""

    place: str
    record: Any


def json_records(path: Path) -> Iterator[Placed]:
    """Every record of a file, in its order. JSON lines are read one by one, anything else as a whole.

    Raises:
        MissingData: there is no such file.
        DataError: it cannot be read, or is not JSON.
    """
    with _opened(path) as file:
        number, line = 1, file.readline().removeprefix(_BOM)
        while line and not line.strip():
            number, line = number + 1, file.readline()
        # json.dump(indent=…) puts a lone brace on the first line, JSON lines never do.
        if line.lstrip(_WHITE).startswith(b"[") or line.strip() == b"{":
            yield from _whole_document(path, number, line + file.read())
            return
        while line:
            if line.strip():
                yield Placed(f"{path}:{number}", _parsed(f"{path}:{number}", line))
            number, line = number + 1, file.readline()


def first_byte(path: Path) -> bytes:
    """The first byte of the content that is no white space.

    Raises:
        MissingData: there is no such file.
        DataError: it cannot be read, or is empty.
    """
    with _opened(path) as file:
        while chunk := file.read(4096):
            if content := chunk.removeprefix(_BOM).lstrip(_WHITE):
                return content[:1]
    raise DataError(f"{path}: holds no candidate list: the file is empty.", hint="Is the download complete?")


def _parsed(place: str, line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise DataError(f"{place}: not a JSON object: {error}.", hint="Is the download complete?") from error


def _whole_document(path: Path, first_line: int, content: bytes) -> Iterator[Placed]:
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise DataError(
            f"{path}:{first_line - 1 + error.lineno}: not JSON: {error}.",
            hint="Is the download complete? (RankLLM's append mode writes one array behind the other: keep one of them.)",
        ) from error
    for number, record in enumerate(document if isinstance(document, list) else [document], start=1):
        yield Placed(f"{path}: record {number}", record)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file's content, compressed by gzip or not (its content tells, not its name)."""
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            yield cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if zipped else raw
    except FileNotFoundError as error:
        raise MissingData(f"There is no file {path}.") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: the gzip data is damaged: {error}.", hint="Fetch the file again.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
