"""From a system as written to systems as run: the base looked up, overrides laid over, sweeps expanded, options checked."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rerankbench import registry
from rerankbench.config.options import Options, Place, below, validate
from rerankbench.config.schema import RepeatEntry, SystemEntry, Weights
from rerankbench.errors import ConfigError, nearest


@dataclass(frozen=True)
class Part:
    """A ranker or an engine: its kind and its checked options."""

    kind: str
    options: Options

    def as_data(self) -> dict[str, Any]:
        """Kind and every option, defaults included, JSON-able."""
        return {"kind": self.kind, **self.options.model_dump(mode="json")}


@dataclass(frozen=True)
class System:
    """One row of a table: a ranker on an engine.

    Attributes:
        name: Unique within an experiment; a sweep's variants carry their values, e.g. ``listwise[documents_in_prompt=5]``.
        family: The name before a sweep's values were added.
        variant: The sweep's keys and values of this variant; empty without a sweep.
        is_default: Whether all these values are the ones that the system has without the sweep.
        repeat: What tells it from the other runs that share its cells; empty where it has them alone.
        first_stages: Those that it ranks; all of the experiment's where none is named.
    """

    name: str
    ranker: Part
    engine: Part | None = None
    weights: Weights = field(default_factory=Weights)
    family: str = ""
    variant: tuple[tuple[str, Any], ...] = ()
    is_default: bool = True
    repeat: str = ""
    first_stages: tuple[str, ...] = ()
    note: str = ""
    sources: tuple[str, ...] = ()

    def as_data(self) -> dict[str, Any]:
        """What decides this system's order, JSON-able. Its name does not."""
        return {"ranker": self.ranker.as_data(), "engine": self.engine.as_data() if self.engine else None}

    def has_option(self, key: str) -> bool:
        """Whether ``ranker.X`` or ``engine.X`` is an option of this system."""
        part, _, option = key.partition(".")
        chosen = {"ranker": self.ranker, "engine": self.engine}.get(part)
        return chosen is not None and option in type(chosen.options).model_fields


@dataclass(frozen=True)
class Names:
    """What an entry may refer to: systems of the systems file, engines of the experiment's own file."""

    systems: Mapping[str, SystemEntry] = field(default_factory=dict)
    engines: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    def base(self, entry: SystemEntry, place: Place) -> SystemEntry:
        if not entry.base:
            return SystemEntry()
        if entry.base not in self.systems:
            raise ConfigError(f"{place(('base',))}: there is no system {entry.base!r}. {nearest(entry.base, self.systems)}")
        return self.systems[entry.base]

    def engine(self, engine: str | dict[str, Any] | None, place: Place) -> dict[str, Any]:
        """An engine's data: as given, or by name (one of the file's own, else a kind without options); empty for none.

        With a ``base`` it is laid over that engine of the file's own.
        """
        if not isinstance(engine, str):
            return self._over_base(engine or {}, place, ())
        if engine in self.engines:
            return self._over_base(self.engines[engine], place, (engine,))
        if engine in registry.ENGINES or ":" in engine:
            return {"kind": engine}
        raise ConfigError(f"{place(('engine',))}: there is no engine {engine!r}. {nearest(engine, [*self.engines, *registry.ENGINES])}")

    def _over_base(self, written: Mapping[str, Any], place: Place, seen: tuple[str, ...]) -> dict[str, Any]:
        """
        Args:
            seen: Engines whose base this is.
        """
        own = {key: value for key, value in written.items() if key != "base"}
        base = written.get("base")
        if base is None:
            return own
        if base in seen:
            raise ConfigError(f"{place(('engine',))}: the engine {base!r} is its own base, by way of {' and '.join(seen)}")
        if base not in self.engines:
            raise ConfigError(f"{place(('engine',))}: there is no engine {base!r} to be a base. {nearest(str(base), self.engines)}")
        return {**self._over_base(self.engines[base], place, (*seen, base)), **own}


def build_system(name: str, entry: SystemEntry, names: Names, place: Place) -> System:
    """The one system of an entry, its sweep left aside.

    Raises:
        ConfigError: an unknown name, or an option that its ranker or engine does not have.
    """
    base = names.base(entry, place)
    engine = _laid_over(names.engine(base.engine, place), entry.engine, names, place)
    return System(
        name=name,
        ranker=_part("ranker", {**base.ranker, **entry.ranker}, below(place, "ranker")),
        engine=_part("engine", engine, below(place, "engine")) if engine else None,
        weights=entry.weights or base.weights or Weights(),
        family=name,
        first_stages=entry.first_stages,
        note=entry.note or base.note,
        sources=entry.sources or base.sources,
    )


def build_part(what: str, data: Mapping[str, Any], place: Place) -> Part:
    """A ranker, an engine or a first stage from its data ``{kind: …, option: …}``.

    Args:
        what: ``"ranker"``, ``"engine"`` or ``"first_stage"``.

    Raises:
        ConfigError: no or an unknown kind, or options that it does not take.
    """
    return _part(what, data, place)


def variants(system: System, sweep: Mapping[str, list[Any]], place: Place) -> Iterator[System]:
    """One system a combination of the sweep's values, the last key turning fastest; the system itself for an empty sweep.

    Raises:
        ConfigError: a key that this system does not have, or a value that its option does not take.
    """
    for key, values in sweep.items():
        if not system.has_option(key):
            raise ConfigError(f"{place(('sweep', key))}: {system.name!r} has no option {key!r}. {nearest(key, _option_keys(system))}")
        if not values:
            raise ConfigError(f"{place(('sweep', key))}: a sweep needs at least one value")
    for combination in itertools.product(*([(key, value) for value in values] for key, values in sweep.items())):
        yield _variant(system, combination, place) if combination else system


def repeats(system: System, entries: Sequence[RepeatEntry], names: Names, place: Place) -> Iterator[System]:
    """One system a repeat, each with what it lays over the system; the system itself where there are none.

    Raises:
        ConfigError: a label twice, or options that its ranker or engine does not take.
    """
    if not entries:
        yield system
        return
    labels = [entry.label or str(number) for number, entry in enumerate(entries, start=1)]
    for i, (label, entry) in enumerate(zip(labels, entries, strict=True)):
        own = below(place, "repeats", i)
        if label in labels[:i]:
            raise ConfigError(f"{own(('label',))}: two repeats of {system.name!r} are called {label!r}")
        engine = _laid_over(system.as_data()["engine"] or {}, entry.engine, names, own)
        yield replace(
            system,
            name=f"{system.name}@{label}",
            ranker=_part("ranker", {**system.ranker.as_data(), **entry.ranker}, below(own, "ranker")),
            engine=_part("engine", engine, below(own, "engine")) if engine else None,
            repeat=label,
        )


def _laid_over(engine: dict[str, Any], written: str | dict[str, Any] | None, names: Names, place: Place) -> dict[str, Any]:
    """An engine with what is written over it; another kind replaces all of it."""
    if written is None:
        return engine
    own = names.engine(written, place)
    return own if "kind" in own else {**engine, **own}


def _variant(system: System, combination: tuple[tuple[str, Any], ...], place: Place) -> System:
    data = system.as_data()
    for key, value in combination:
        part, _, option = key.partition(".")
        data[part][option] = value
    label = ",".join(f"{key.partition('.')[2]}={value}" for key, value in combination)
    varied = replace(
        system,
        name=f"{system.name}[{label}]",
        ranker=_part("ranker", data["ranker"], below(place, "sweep")),
        engine=_part("engine", data["engine"], below(place, "sweep")) if data["engine"] else None,
        variant=combination,
    )
    return replace(varied, is_default=varied.as_data() == system.as_data())


def _option_keys(system: System) -> list[str]:
    parts = {"ranker": system.ranker, "engine": system.engine}
    return [f"{name}.{option}" for name, part in parts.items() if part for option in type(part.options).model_fields]


def _part(what: str, data: Mapping[str, Any], place: Place) -> Part:
    kind = data.get("kind")
    if not isinstance(kind, str):
        raise ConfigError(f"{place(())}: a {what.replace('_', ' ')} needs a 'kind'. {nearest('', registry.TABLES[what])}")
    try:
        model = getattr(registry.find(what, kind), "Options", None)
    except ConfigError as error:
        raise ConfigError(f"{place(('kind',))}: {error.message}", hint=error.hint) from error
    if not (isinstance(model, type) and issubclass(model, Options)):
        raise ConfigError(f"{place(('kind',))}: {kind!r} is no {what}: it has no 'Options' that descend from rerankbench.config.Options")
    return Part(kind, validate(model, {k: v for k, v in data.items() if k != "kind"}, place))
