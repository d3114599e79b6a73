"""Where the published lists of a first stage lie, in the mirror's layout. Reads no list."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rerankbench.benchmarks.catalog import BenchmarkEntry, FirstStageEntry
from rerankbench.benchmarks.sources import LISTS, Folder

USUAL_DEPTH = 100
"""The depth of the authors' files, asked for where none is at hand."""


@dataclass(frozen=True)
class ListPlaces:
    """The files that may hold one benchmark's lists of one first stage, best first: with text before without.

    Attributes:
        templates: Places in the mirror's layout with ``{depth}`` to be filled in; empty where no published lists are known.
        folders: The sources on this machine.
    """

    templates: tuple[str, ...]
    folders: Sequence[Folder]

    @classmethod
    def of(cls, benchmark: BenchmarkEntry, first_stage: FirstStageEntry, folders: Sequence[Folder]) -> ListPlaces:
        named = {"key": benchmark.key, "split": benchmark.text.split}
        usual = [f"{LISTS}/{first_stage.folder}/{{key}}_top{{depth}}{suffix}" for suffix in (".jsonl", ".trec") if first_stage.folder]
        others = [run for run in first_stage.runs if benchmark.text.split or "{split}" not in run]
        return cls(tuple(t.format(**named, depth="{depth}") for t in (*usual, *others)), folders)

    def place(self, depth: int) -> str:
        """The shallowest file that is deep enough, where one is at hand; else the authors' own name, for other sources to be asked."""
        for template, depths in self._at_hand().items():
            deep_enough = [d for d in depths if d >= depth]
            if deep_enough:
                return template.format(depth=min(deep_enough))
        return self.templates[0].format(depth=max(depth, USUAL_DEPTH))

    def deepest(self) -> int | None:
        """How deep the deepest lists at hand are; None where there are none."""
        return max((d for depths in self._at_hand().values() for d in depths), default=None)

    def _at_hand(self) -> Mapping[str, list[int]]:
        return {template: [d for folder in self.folders for d in _depths(folder, template)] for template in self.templates}


def _depths(source: Folder, template: str) -> list[int]:
    folder, _, name = template.rpartition("/")
    before, _, after = name.partition("{depth}")
    pattern = re.compile(re.escape(before) + r"(\d+)" + re.escape(after))
    files = (source.root / folder).iterdir() if (source.root / folder).is_dir() else ()
    return [int(m[1]) for file in files if (m := pattern.fullmatch(file.name))]
