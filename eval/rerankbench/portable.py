"""Texts that read the same wherever they are made: without the folders of this machine."""

from __future__ import annotations

from pathlib import Path

from rerankbench import hub


def portable(text: str, *places: tuple[Path | None, str]) -> str:
    """The text with each place by its name; the hub's cache and the home folder have theirs.

    Args:
        places: Folder and name, the inner ones first; None for one that there is not.
    """
    for place, name in (*places, (hub.cache_folder(), "HF_HUB_CACHE"), (Path.home(), "~")):
        if place is not None and place not in {Path(), Path(place.anchor)}:
            # A relative one may be a word like any other, "runs" say, unless something follows below it.
            text = text.replace(str(place), name) if place.is_absolute() else text.replace(f"{place}/", f"{name}/")
    return text
