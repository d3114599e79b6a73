"""Tables of MTEB scores, ``layout: mteb``: which models, which tasks, what a model reads, and where mteb's result files lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from rerankbench.config.experiments import known_systems, shipped_configs
from rerankbench.config.options import Options, Place, below, validate
from rerankbench.config.schema import SystemEntry, Weights
from rerankbench.config.systems import Names, System, build_system
from rerankbench.config.yaml_file import YamlFile
from rerankbench.errors import ConfigError, nearest

INSTRUCTED = "e2rank-mteb"
"""The prompt with the paper's instructions."""


class MtebEntry(Options):
    """One row.

    Attributes:
        base: A system of `systems.yaml`: the row's name, its engine, the hub name of its engine's model, and how its weights are had.
        model: The model's name on the hub, where `base` names none or another.
        revision: Which revision's results, where several are at hand.
        instructions: Whether the paper put an instruction before this model's queries: it is put there when the model is evaluated here,
            and results without one are not compared.
        engine: What is laid over the base's engine; where there is no base, the engine.
        ranker: What is laid over the base's ranker, for a row that `reranks`.
        prompt: Of kind ``query``, with an instruction a task; default: none, and with `instructions` the paper's.
        end_token: Behind every text; default: that of the base's ranker where it is an embedding ranker, else none.
        reranks: Whether the system's ranker orders candidate lists, in place of its engine's embedding texts.
        over: The system of this file whose best documents a row that `reranks` orders in retrieval tasks; empty: it does reranking alone.
        depth: How many of them.
    """

    name: str = Field(default="", pattern=r"^[^\s/\\]*$")
    base: str = ""
    model: str = ""
    revision: str = ""
    instructions: bool = False
    engine: str | dict[str, Any] | None = None
    ranker: dict[str, Any] = {}
    prompt: str = ""
    end_token: str | None = None
    reranks: bool = False
    over: str = ""
    depth: int = Field(default=100, ge=1)

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if (self.over or self.ranker) and not self.reranks:
            raise ValueError("'over' and 'ranker' are for a system that ranks candidate lists: say 'reranks: true'")
        if self.reranks and (self.prompt or self.instructions or self.end_token is not None):
            raise ValueError(
                "a ranker has a prompt and an end token of its own: 'prompt', 'instructions' and 'end_token' are for embeddings"
            )
        return self

    @property
    def is_run(self) -> bool:
        """Whether it is evaluated here: where its row says how. Of any other, results that someone else has published are shown."""
        return bool(self.engine or self.ranker or self.prompt or self.instructions or self.reranks or self.end_token is not None)


class MtebFile(Options):
    """A table of main scores.

    Attributes:
        table: The paper's table that stands beside.
        benchmark: Whose tasks are evaluated and averaged: a name of mteb's, or ``local`` for tasks that need no network.
        tasks: The columns, where they are not those of the paper's table, and what is evaluated of the benchmark; besides, any task that
            mteb knows.
        task_types, languages: What is evaluated of it, as mteb names them; all where none is named.
        task_instructions: Task → instruction, for tasks that a prompt has none for.
        results: A folder of mteb results, as a path, or in the folder of runs, in the local mirror, or beside this file: wherever there
            is one, and in all of them where there are several. What is evaluated here goes to the folder of that name among the runs.
        engines: Engines by name.
    """

    layout: Literal["mteb"]
    title: str
    description: str = ""
    table: int | None = None
    benchmark: str
    tasks: tuple[str, ...] = ()
    task_types: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    task_instructions: dict[str, str] = {}
    results: str = Field(default="mteb_results", min_length=1)
    engines: dict[str, dict[str, Any]] = {}
    systems: tuple[MtebEntry, ...] = Field(min_length=1)

    @property
    def is_narrowed(self) -> bool:
        """Whether it is about other tasks than all of its benchmark."""
        return bool(self.tasks or self.task_types or self.languages)

    @model_validator(mode="after")
    def _has_columns(self) -> Self:
        repeated = {task for task in self.tasks if self.tasks.count(task) > 1}
        if repeated:
            raise ValueError(f"task {min(repeated)!r} stands there twice")
        return self


@dataclass(frozen=True)
class MtebSystem:
    """A row: a model whose results mteb has written, or will.

    Attributes:
        model: Its name on the hub; empty where no checkpoint is known, and for a ranker that no row calls otherwise.
        stands_in: Whether that is another one than `systems.yaml` names for the system.
        system: What is evaluated; None where results are only read.
        reranks: Whether its ranker orders candidate lists, in place of its engine's embedding texts.
        prompt, end_token: What its texts bear.
        over: The row whose best documents are its candidates in retrieval tasks; None: none.
    """

    name: str
    model: str
    revision: str
    has_instructions: bool
    weights: Weights
    stands_in: bool = False
    system: System | None = None
    reranks: bool = False
    prompt: str = ""
    end_token: str = ""
    over: MtebSystem | None = None
    depth: int = 100


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

    @property
    def called(self) -> str:
        """What a command line calls it: a shipped one by its name, one's own by its file."""
        return self.name if self.folder.resolve().is_relative_to(shipped_configs().resolve()) else f"{self.name}.yaml"

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
    names = Names(known_systems(path), written.engines)
    places = [below(file.place, "systems", i) for i in range(len(written.systems))]
    found = [_system(entry, names, place) for entry, place in zip(written.systems, places, strict=True)]
    twice = {s.name for s in found if [o.name for o in found].count(s.name) > 1}
    if twice:
        raise ConfigError(f"{file.place(('systems',))}: two systems are called {min(twice)!r}; give one a 'name' of its own")
    _refuse_idle_engines(written, file.place)
    rows = tuple(_over(system, entry, found, place) for system, entry, place in zip(found, written.systems, places, strict=True))
    return MtebTable(path.stem, written, file.place, path.parent, rows)


def _system(entry: MtebEntry, names: Names, place: Place) -> MtebSystem:
    name = entry.name or entry.base
    if not name:
        raise ConfigError(f"{place(())}: a system needs a 'name', or a 'base' to take its name from")
    base = build_system(name, SystemEntry(base=entry.base), names, place) if entry.base else None
    made = _evaluated(name, entry, names, place) if entry.is_run else None
    named, run = (_model_of(system) if system else "" for system in (base, made))
    weights = base.weights if base else Weights()
    model = entry.model or ("" if entry.reranks else run or named)  # a ranker on a model is not that model
    if not model and made is None and weights.status != "unavailable":
        raise ConfigError(f"{place(())}: {name!r} needs the name of its 'model' on the hub, or a 'base' whose engine has one")
    return MtebSystem(
        name,
        model,
        entry.revision,
        entry.instructions,
        weights,
        stands_in=bool(named and model) and model != named,
        system=made,
        reranks=entry.reranks,
        prompt=entry.prompt or (INSTRUCTED if entry.instructions else ""),
        end_token=_end_token(entry, base),
        depth=entry.depth,
    )


def _evaluated(name: str, entry: MtebEntry, names: Names, place: Place) -> System:
    """Of a row that embeds, the engine is what counts: its ranker is one that embeds, and orders nothing."""
    known = names.base(SystemEntry(base=entry.base), place)
    ranker = entry.ranker if entry.reranks else {"kind": "embedding", "mode": "query-only"}
    beneath = known.model_copy(update={} if entry.reranks else {"ranker": {}})
    made = build_system(
        name,
        SystemEntry(base=entry.base, engine=entry.engine, ranker=ranker),
        Names({entry.base: beneath} if entry.base else {}, names.engines),
        place,
    )
    if made.engine is None and not entry.reranks:
        raise ConfigError(f"{place(())}: {name!r} is to embed texts, and has no 'engine'")
    return replace(made, family=entry.base or name)


def _model_of(system: System) -> str:
    return str(getattr(system.engine.options, "model", "")) if system.engine else ""


def _end_token(entry: MtebEntry, base: System | None) -> str:
    if entry.end_token is not None:
        return entry.end_token
    own = getattr(base.ranker.options, "end_token", "") if base and base.ranker.kind == "embedding" and entry.is_run else ""
    return "" if entry.reranks else str(own)


def _over(system: MtebSystem, entry: MtebEntry, rows: Sequence[MtebSystem], place: Place) -> MtebSystem:
    if not entry.over:
        return system
    found = next((row for row in rows if row.name == entry.over), None)
    if found is None or found.system is None or found.reranks:
        able = [row.name for row in rows if row.system is not None and not row.reranks]
        raise ConfigError(
            f"{place(('over',))}: {entry.over!r} is no system of this file that embeds texts here. {nearest(entry.over, able)}"
        )
    return replace(system, over=found)


def _refuse_idle_engines(written: MtebFile, place: Place) -> None:
    """An engine that nothing uses is a misspelt name, which would leave the right one as it was."""
    used = {entry.engine for entry in written.systems if isinstance(entry.engine, str)}
    for name in written.engines:
        if name not in used:
            raise ConfigError(f"{place(('engines', name))}: no system uses the engine {name!r}. {nearest(name, used)}")
