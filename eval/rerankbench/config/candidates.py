"""First stages of an experiment's own: from what a file says of them to parts that are checked.

A first stage may be made of others, which it names or writes out; an engine may be the name of one of the file's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rerankbench.config.options import Place, below
from rerankbench.config.systems import Names, Part, build_part
from rerankbench.errors import ConfigError, nearest

Written = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class CandidateNames:
    """What a first stage may refer to.

    Attributes:
        candidates: The file's first stages, as written.
        folder: Where the file lies: paths of lists start there.
    """

    candidates: Written
    engines: Mapping[str, dict[str, Any]]
    folder: Path
    place: Place

    def parts(self) -> dict[str, Part]:
        """Every first stage, checked.

        Raises:
            ConfigError: an unknown name or kind, an option that a kind does not take, or a first stage that is made of itself.
        """
        return {name: build_part("first_stage", self._named(name, ()), self._place(name)) for name in self.candidates}

    def _named(self, name: str, within: tuple[str, ...]) -> dict[str, Any]:
        return self._whole(self.candidates[name], self._place(name), (*within, name))

    def _whole(self, data: Mapping[str, Any], place: Place, within: tuple[str, ...]) -> dict[str, Any]:
        """With everything that it names written out, and paths that start where this process does."""
        found = dict(data)
        if "engine" in found:
            found["engine"] = Names(engines=self.engines).engine(found["engine"], place)
        if found.get("kind") == "file" and isinstance(found.get("path"), str):
            found["path"] = str(self.folder / Path(found["path"]).expanduser())
        if isinstance(found.get("stages"), list):
            found["stages"] = [self._stage(stage, below(place, "stages", i), within) for i, stage in enumerate(found["stages"])]
        return found

    def _stage(self, stage: object, place: Place, within: tuple[str, ...]) -> object:
        if isinstance(stage, Mapping):
            return self._whole(stage, place, within)
        if not isinstance(stage, str):
            return stage  # the kind's options say what is expected
        if stage not in self.candidates:
            raise ConfigError(f"{place(())}: there is no first stage {stage!r} among 'candidates'. {nearest(stage, self.candidates)}")
        if stage in within:
            raise ConfigError(f"{place(())}: {stage!r} is made of itself: {' → '.join((*within, stage))}")
        return self._named(stage, within)

    def _place(self, name: str) -> Place:
        return below(self.place, "candidates", name)


def named_engines(data: object) -> Iterator[str]:
    """The names of engines that a first stage, or one that it is made of, refers to."""
    if isinstance(data, Mapping):
        if isinstance(data.get("engine"), str):
            yield data["engine"]
        stages = data.get("stages")
        for stage in stages if isinstance(stages, list) else ():
            yield from named_engines(stage)
