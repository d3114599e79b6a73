"""Tables of MTEB scores, ``layout: mteb``: which models, which tasks, and where mteb's result files lie. Nothing here is ranked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from rerankbench.config.experiments import load_systems
from rerankbench.config.options import Options, Place, below, validate
from rerankbench.config.schema import Weights
from rerankbench.config.systems import System
from rerankbench.config.yaml_file import YamlFile
from rerankbench.errors import ConfigError, nearest


class MtebEntry(Options):
    """One row.

    Attributes:
        base: A system of `systems.yaml`: the row's name, the hub name of its engine's model, and how its weights are had.
        model: The model's name on the hub, where `base` names none or another.
        revision: Which revision's results, where several are at hand.
        instructions: Whether the paper put an instruction before this model's queries: results without one are then not compared.
    """

    name: str = Field(default="", pattern=r"^[^\s/\\]*$")
    base: str = ""
    model: str = ""
    revision: str = ""
    instructions: bool = False


class MtebFile(Options):
    """A table of main scores.

    Attributes:
        table: The paper's table that stands beside.
        benchmark: Whose tasks are averaged, and what mteb would be asked to run.
        tasks: The columns, where they are not those of the paper's table.
        results: A folder of mteb results, as a path, or in the folder of runs, in the local mirror, or beside this file: wherever there
            is one, and in all of them where there are several.
    """

    layout: Literal["mteb"]
    title: str
    description: str = ""
    table: int | None = None
    benchmark: str
    tasks: tuple[str, ...] = ()
    results: str = Field(default="mteb_results", min_length=1)
    systems: tuple[MtebEntry, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_columns(self) -> Self:
        if self.table is None and not self.tasks:
            raise ValueError("the columns are not said: give 'tasks', or the 'table' of the paper")
        repeated = {task for task in self.tasks if self.tasks.count(task) > 1}
        if repeated:
            raise ValueError(f"task {min(repeated)!r} stands there twice")
        return self


@dataclass(frozen=True)
class MtebSystem:
    """A row: a model whose results mteb has written, or will.

    Attributes:
        model: Its name on the hub; empty where no checkpoint is known.
        stands_in: Whether that is another one than `systems.yaml` names for the system.
    """

    name: str
    model: str
    revision: str
    has_instructions: bool
    weights: Weights
    stands_in: bool = False


@dataclass(frozen=True)
class MtebTable:
    """A checked table of MTEB scores.

    Attributes:
        name: The file's stem: where its reports go.
        place: Names a key of the file for an error message.
        folder: Where the file lies.
    """

    name: str
    file: MtebFile
    place: Place
    folder: Path
    systems: tuple[MtebSystem, ...]

    def only(self, systems: Sequence[str] = ()) -> MtebTable:
        """Keep the named systems; all where none is named.

        Raises:
            ConfigError: a name does not occur in this table.
        """
        names = [system.name for system in self.systems]
        for name in systems:
            if name not in names:
                raise ConfigError(f"This table has no system {name!r}. {nearest(name, names)}")
        return replace(self, systems=tuple(s for s in self.systems if not systems or s.name in systems))


def is_mteb(data: Mapping[str, Any]) -> bool:
    """Whether a configuration file is of this kind."""
    return data.get("layout") == "mteb"


def mteb_table(path: Path, file: YamlFile) -> MtebTable:
    """Check a file of this kind, and look its systems up.

    Raises:
        ConfigError: anything in it is unknown, of a wrong type, or contradicts itself.
    """
    systems = file.data.get("systems")
    listed = [{"base": s} if isinstance(s, str) else s for s in systems] if isinstance(systems, list) else systems
    written = validate(MtebFile, {**file.data, "systems": listed}, file.place)
    beside = path.parent / "systems.yaml"
    known = load_systems(beside if beside.is_file() else None)
    found = tuple(_system(entry, known, below(file.place, "systems", i)) for i, entry in enumerate(written.systems))
    twice = {s.name for s in found if [o.name for o in found].count(s.name) > 1}
    if twice:
        raise ConfigError(f"{file.place(('systems',))}: two systems are called {min(twice)!r}; give one a 'name' of its own")
    return MtebTable(path.stem, written, file.place, path.parent, found)


def _system(entry: MtebEntry, known: Mapping[str, System], place: Place) -> MtebSystem:
    name = entry.name or entry.base
    if entry.base and entry.base not in known:
        raise ConfigError(f"{place(('base',))}: there is no system {entry.base!r}. {nearest(entry.base, known)}")
    base = known.get(entry.base)
    weights = base.weights if base else Weights()
    named = str(getattr(base.engine.options, "model", "")) if base and base.engine else ""
    model = entry.model or named
    if not name:
        raise ConfigError(f"{place(())}: a system needs a 'name', or a 'base' to take its name from")
    if not model and weights.status != "unavailable":
        raise ConfigError(f"{place(())}: {name!r} needs the name of its 'model' on the hub, or a 'base' whose engine has one")
    return MtebSystem(name, model, entry.revision, entry.instructions, weights, stands_in=bool(named) and model != named)
