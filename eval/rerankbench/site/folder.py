"""The site's folder: built aside, then put in place whole. A folder that is no site of ours is never touched."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rerankbench.errors import StoreError

MARKER = "site.json"
"""The file that says that a folder is a site; of a finished one, it says of what."""
_BUILDING = '{"made_by": "rerankbench site", "state": "being built"}\n'
_OURS = '"made_by": "rerankbench site"'


class Writer:
    """Writes the files of a site, each one once.

    Attributes:
        sizes: Path in the site → bytes.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sizes: dict[str, int] = {}
        self._folders: set[Path] = set()

    def write(self, path: str, text: str) -> None:
        """Raises: StoreError: the file was written before, which would lose a page."""
        if path in self.sizes:
            raise StoreError(f"Two pages of the site claim the place {path}.")
        file = self.root / path
        if file.parent not in self._folders:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._folders.add(file.parent)
        content = text.encode()
        file.write_bytes(content)
        self.sizes[path] = len(content)

    def adopt(self, files: Iterable[Path]) -> None:
        """Count files that something else has written into the site."""
        self.sizes.update({file.relative_to(self.root).as_posix(): file.stat().st_size for file in files})


@contextmanager
def replaced(target: Path) -> Iterator[Writer]:
    """A writer into a folder beside `target` that takes its place when the body has ended well.

    A body that raises, or a process that is killed, leaves what was there before.

    Raises:
        StoreError: `target` holds something that is no site, or cannot be written.
    """
    target = target.resolve()
    aside, old = (target.with_name(f".{target.name}.{what}") for what in ("building", "replaced"))
    for folder in (target, aside, old):
        _refuse_foreign(folder)
    try:
        _remove(aside)
        aside.mkdir(parents=True)
        (aside / MARKER).write_text(_BUILDING, encoding="utf-8")
        yield Writer(aside)
        _remove(old)
        if target.exists():
            target.rename(old)
        aside.rename(target)
        _remove(old)
    except OSError as error:
        raise StoreError(f"{error.filename or target}: cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _refuse_foreign(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise StoreError(f"{folder} is a file: a site needs a folder.", hint="Name another --out.")
    marker = folder / MARKER
    empty = next(folder.iterdir(), None) is None
    if not empty and not (marker.is_file() and _OURS in marker.read_text(encoding="utf-8", errors="replace")):
        raise StoreError(f"{folder} is no site of rerankbench, and would be replaced.", hint="Name another --out, or empty that folder.")


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
