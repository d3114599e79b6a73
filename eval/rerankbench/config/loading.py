"""A configuration file of either kind: what is to be ranked, or whose MTEB scores are to be shown; and how the first names the second."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rerankbench.config.experiments import Experiment, experiment_of, find_config, read_config, shipped_configs
from rerankbench.config.mteb import MtebTable, is_mteb, mteb_table
from rerankbench.config.yaml_file import YamlFile, read_yaml
from rerankbench.errors import ConfigError, nearest


def load_config(name: str, assignments: Sequence[str] = ()) -> Experiment | MtebTable:
    """Read a configuration, override it, and check it as what it is.

    Args:
        name: A path, or the name of a shipped configuration.
        assignments: ``key=value`` overrides, applied in order before anything is checked.

    Raises:
        ConfigError: anything in the file is unknown, of a wrong type, or contradicts itself.
    """
    path, file = read_config(name, assignments)
    return mteb_table(path, file) if is_mteb(file.data) else _with_scores(experiment_of(path, file), file)


def load_experiment(name: str, assignments: Sequence[str] = ()) -> Experiment:
    """Read an experiment, override it, look its names up, expand its sweeps and check it.

    Args:
        name: A path, or the name of a shipped configuration.
        assignments: ``key=value`` overrides, applied in order before anything is checked.

    Raises:
        ConfigError: anything in the file is unknown, of a wrong type, or contradicts itself.
    """
    path, file = read_config(name, assignments)
    return _with_scores(experiment_of(path, file), file)


def _with_scores(experiment: Experiment, file: YamlFile) -> Experiment:
    """The experiment with the tables of MTEB scores that fill columns of its table."""
    named = experiment.file.mteb_columns.items()
    return replace(experiment, mteb_columns={column: _scores(name, column, experiment.folder, file) for column, name in named})


def _scores(name: str, column: str, folder: Path, file: YamlFile) -> MtebTable:
    place = file.place(("mteb_columns", column))
    beside = folder / name
    try:
        path = beside if beside.is_file() else find_config(name)
    except ConfigError as error:
        raise ConfigError(f"{place}: there is no configuration {name!r}. {nearest(Path(name).stem, _shipped_scores())}") from error
    named = read_yaml(path)
    if not is_mteb(named.data):
        raise ConfigError(f"{place}: {name!r} is no table of MTEB scores (layout: mteb). {nearest(path.stem, _shipped_scores())}")
    return mteb_table(path, named)


def _shipped_scores() -> Iterator[str]:
    """Names of the shipped tables of MTEB scores."""
    return (path.stem for path in shipped_configs().rglob("*.yaml") if is_mteb(read_yaml(path).data))
