"""Reads an experiment or a systems file and returns it checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rerankbench.config.candidates import CandidateNames, named_engines
from rerankbench.config.options import Place, below, validate
from rerankbench.config.schema import BarsChoice, ExperimentFile, LatencyChoice, SweepChoice, SystemEntry, SystemsFile, Timing
from rerankbench.config.systems import Names, Part, System, build_system, repeats, variants
from rerankbench.config.yaml_file import YamlFile, read_yaml
from rerankbench.errors import ConfigError, nearest

if TYPE_CHECKING:
    from rerankbench.config.mteb import MtebTable


@dataclass(frozen=True)
class Experiment:
    """A checked experiment: every system on every benchmark, first stage and depth.

    Attributes:
        name: The file's stem: where its reports go.
        file: The file as written, with its defaults.
        place: Names a key of the file for an error message.
        folder: Where the file lies: paths in it start there.
        candidates: First stages of the experiment's own.
        mteb_columns: Column of the paper's table → the table of MTEB scores that fills it.
    """

    name: str
    file: ExperimentFile
    place: Place
    folder: Path
    candidates: Mapping[str, Part]
    systems: tuple[System, ...]
    benchmarks: tuple[str, ...]
    first_stages: tuple[str, ...]
    depths: tuple[int, ...]
    mteb_columns: Mapping[str, MtebTable] = field(default_factory=dict)

    def first_stages_of(self, system: System, benchmark: str) -> tuple[str, ...]:
        """The first stages over which a system ranks a benchmark, in the experiment's order."""
        lists_from = self.file.lists_from
        own = [stage for stage, served in lists_from.items() if benchmark in served]
        chosen = [stage for stage in self.first_stages if (stage in own if own else stage not in lists_from)]
        return tuple(stage for stage in chosen if not system.first_stages or stage in system.first_stages)

    @property
    def varies_first_stage(self) -> bool:
        """Whether a system ranks one benchmark over several first stages, so that its cells must say over which."""
        return any(len(self.first_stages_of(system, benchmark)) > 1 for system in self.systems for benchmark in self.benchmarks)

    @property
    def times_queries(self) -> bool:
        """Whether each query is ranked alone, as if it were the first: nothing is kept from the queries before it."""
        return self.file.layout == "latency"

    @property
    def timings(self) -> tuple[Timing | None, ...]:
        """What is timed, each in cells of its own; None where nothing is."""
        return self.file.timings if self.times_queries else (None,)

    @property
    def passes(self) -> int:
        """How many runs each cell has, one after the other; 1 where nothing is timed."""
        return self.file.passes if self.times_queries else 1

    def only(self, systems: Sequence[str] = (), benchmarks: Sequence[str] = ()) -> Experiment:
        """Keep the named systems (or families of sweep variants) and benchmarks; all where none is named.

        Columns of MTEB are no benchmarks: they are left out where benchmarks are named.

        Raises:
            ConfigError: a name does not occur in this experiment.
        """
        _check_names("system", systems, {n for s in self.systems for n in (s.name, s.family)})
        _check_names("benchmark", benchmarks, self.benchmarks)
        return replace(
            self,
            systems=tuple(s for s in self.systems if not systems or {s.name, s.family} & set(systems)),
            benchmarks=tuple(b for b in self.benchmarks if not benchmarks or b in benchmarks),
            mteb_columns={} if benchmarks else self.mteb_columns,
        )


def shipped_configs() -> Path:
    """The folder of the configurations that come with rerankbench: ``configs/`` of a checkout, else beside the package."""
    package = Path(__file__).parents[1]
    checkout = package.parents[1] / "configs"
    return checkout if checkout.is_dir() else package / "shipped_configs"


def find_config(name: str) -> Path:
    """A configuration file by path, or by the name of a shipped one (``table1``).

    Raises:
        ConfigError: there is neither.
    """
    path = Path(name)
    if path.is_file():
        return path
    shipped = {p.stem: p for p in shipped_configs().rglob("*.yaml") if p.name != "systems.yaml"}
    if name in shipped:
        return shipped[name]
    raise ConfigError(f"There is no configuration file {name!r}. {nearest(path.stem, shipped)}")


def load_systems(path: Path | None = None) -> dict[str, System]:
    """Every system of a systems file (default: the shipped one), by name. A file that has not changed is read once a process.

    Raises:
        ConfigError: anything in it is unknown or of a wrong type.
    """
    return dict(_systems_of(read_yaml(path or shipped_configs() / "systems.yaml")))


@lru_cache(maxsize=16)
def _systems_of(file: YamlFile) -> Mapping[str, System]:
    """Tables ask for a system a cell: all of them are checked once."""
    entries = _entries(file)
    return {name: build_system(name, entry, Names(), below(file.place, "systems", name)) for name, entry in entries.items()}


@lru_cache(maxsize=16)
def _entries(file: YamlFile) -> Mapping[str, SystemEntry]:
    return validate(SystemsFile, file.data, file.place).systems


def read_config(name: str, assignments: Sequence[str] = ()) -> tuple[Path, YamlFile]:
    """A configuration file of any kind, with the overrides applied in order; nothing of it is checked yet.

    Raises:
        ConfigError: there is no such file, or it or an override is no YAML.
    """
    path = find_config(name)
    file = read_yaml(path)
    for assignment in assignments:
        file = file.with_value(assignment)
    return path, file


def experiment_of(path: Path, file: YamlFile) -> Experiment:
    """Check a file, and look its names up, tables of MTEB scores apart. Raises: ConfigError: see `loading.load_experiment`."""
    if file.data.get("layout") == "mteb":
        raise ConfigError(f"{file.place(('layout',))}: a table of MTEB scores is no experiment: only run, report, list and doctor take it")
    written = validate(ExperimentFile, _written_out(file.data), file.place)
    sweep = dict(written.sweep)
    depths = _swept(sweep, "depth", [written.depth], file)
    first_stages = _swept(sweep, "first_stages", list(written.first_stages), file)
    systems = tuple(_systems(written, sweep, Names(known_systems(path), written.engines), file))
    _refuse_equal_names(systems, file)
    for key, values in {"benchmarks": written.benchmarks, "first_stages": first_stages, "depth": depths}.items():
        _refuse_repeated(key, values, file)
    _check_first_stages(systems, first_stages, file)
    _refuse_idle_engines(written, known_systems(path), file)
    _check_figure(written, systems, depths, file)
    candidates = CandidateNames(written.candidates, written.engines, path.parent, file.place).parts()
    return Experiment(path.stem, written, file.place, path.parent, candidates, systems, written.benchmarks, first_stages, depths)


def known_systems(config: Path) -> Mapping[str, SystemEntry]:
    """Every system that a configuration may name, as written: of the systems file beside it, else of the shipped one."""
    beside = config.parent / "systems.yaml"
    return _entries(read_yaml(beside if beside.is_file() else shipped_configs() / "systems.yaml"))


def _written_out(data: Mapping[str, Any]) -> dict[str, Any]:
    """Short forms in full: a bare name among the systems stands for the system of that name, a bare figure for a sweep over that key."""
    full = dict(data)
    if isinstance(data.get("systems"), list):
        full["systems"] = [{"base": s} if isinstance(s, str) else s for s in data["systems"]]
    if isinstance(data.get("figure"), str):
        full["figure"] = {"kind": "sweep", "key": data["figure"]}
    return full


def _systems(written: ExperimentFile, sweep: Mapping[str, list[Any]], names: Names, file: YamlFile) -> list[System]:
    systems: list[System] = []
    idle = set(sweep)
    for i, entry in enumerate(written.systems):
        place = below(file.place, "systems", i)
        name = entry.name or entry.base
        if not name:
            raise ConfigError(f"{place(())}: a system needs a 'name', or a 'base' to take its name from")
        system = build_system(name, entry, names, place)
        shared = {key: values for key, values in sweep.items() if entry.swept and system.has_option(key)}
        idle -= set(shared)
        for variant in variants(system, {**shared, **entry.sweep}, place):
            systems.extend(repeats(variant, entry.repeats, names, place))
    if idle:
        key = min(idle)
        raise ConfigError(f"{file.place(('sweep', key))}: no system of this experiment has an option {key!r}: nothing would be swept")
    return systems


Value = TypeVar("Value", int, str)


def _swept(sweep: dict[str, list[Any]], key: str, default: list[Value], file: YamlFile) -> tuple[Value, ...]:
    """Take an experiment-wide key out of the sweep: its values, or the default where it is not swept."""
    values = sweep.pop(key, default)
    kind = type(default[0])
    for value in values:
        if type(value) is not kind or (value < 1 if isinstance(value, int) else not value):
            raise ConfigError(f"{file.place(('sweep', key))}: expected values like {default[0]!r}, got {value!r}")
    return tuple(values)


def _refuse_equal_names(systems: Sequence[System], file: YamlFile) -> None:
    names = [s.name for s in systems]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise ConfigError(f"{file.place(('systems',))}: two systems are called {twice[0]!r}; give one a 'name' of its own")


def _refuse_repeated(key: str, values: Sequence[object], file: YamlFile) -> None:
    for i, value in enumerate(values):
        if value in values[:i]:
            raise ConfigError(f"{file.place((key, i))}: {value!r} stands here a second time")


def _check_first_stages(systems: Sequence[System], first_stages: Sequence[str], file: YamlFile) -> None:
    for system in systems:
        for name in system.first_stages:
            if name not in first_stages:
                known = nearest(name, first_stages)
                raise ConfigError(f"{file.place(('systems',))}: {system.name!r} ranks {name!r}, which is no first stage here. {known}")


def _refuse_idle_engines(written: ExperimentFile, known: Mapping[str, SystemEntry], file: YamlFile) -> None:
    """An engine that nothing uses is a misspelt name, which would leave the right one as it was."""
    entries = [e for entry in written.systems for e in (entry, known.get(entry.base), *entry.repeats) if e]
    used = {entry.engine for entry in entries if isinstance(entry.engine, str)}
    used |= {name for data in written.candidates.values() for name in named_engines(data)}
    inline = [entry.engine for entry in entries if isinstance(entry.engine, dict)]
    used |= {engine["base"] for engine in (*inline, *written.engines.values()) if "base" in engine}
    for name in written.engines:
        if name not in used:
            raise ConfigError(f"{file.place(('engines', name))}: no system uses the engine {name!r}. {nearest(name, used)}")


def _check_figure(written: ExperimentFile, systems: Sequence[System], depths: Sequence[int], file: YamlFile) -> None:
    if isinstance(written.figure, SweepChoice):
        _check_swept(written.figure.key, systems, depths, file)
    if isinstance(written.figure, BarsChoice):
        columns, place = [*written.benchmarks, *written.averages], file.place(("figure", "column"))
        if written.figure.column.rpartition("/")[2] not in columns:
            asked = written.figure.column
            raise ConfigError(f"{place}: {asked!r} is no benchmark or average of this experiment. {nearest(asked, columns)}")
    if isinstance(written.figure, LatencyChoice):
        for name in (name for pair in written.figure.pairs for name in pair):
            families = [system.family for system in systems]
            if name not in families:
                raise ConfigError(f"{file.place(('figure', 'pairs'))}: this experiment has no system {name!r}. {nearest(name, families)}")


def _check_swept(key: str, systems: Sequence[System], depths: Sequence[int], file: YamlFile) -> None:
    swept = [pair for system in systems for pair in system.variant]
    swept += [("depth", depth) for depth in depths] if len(depths) > 1 else []
    values = [value for name, value in swept if name == key]
    if not values:
        swept_keys = {name for name, _ in swept}
        raise ConfigError(f"{file.place(('figure',))}: {key!r} is not swept. {nearest(key, swept_keys)}")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"{file.place(('figure',))}: {key!r} has the value {value!r}: a figure is drawn over numbers")


def _check_names(what: str, names: Iterable[str], valid: Iterable[str]) -> None:
    for name in names:
        if name not in set(valid):
            raise ConfigError(f"This experiment has no {what} {name!r}. {nearest(name, valid)}")
