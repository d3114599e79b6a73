"""A configuration file of either kind: what is to be ranked, or whose MTEB scores are to be shown."""

from __future__ import annotations

from collections.abc import Sequence

from rerankbench.config.experiments import Experiment, experiment_of, read_config
from rerankbench.config.mteb import MtebTable, is_mteb, mteb_table


def load_config(name: str, assignments: Sequence[str] = ()) -> Experiment | MtebTable:
    """Read a configuration, override it, and check it as what it is.

    Args:
        name: A path, or the name of a shipped configuration.
        assignments: ``key=value`` overrides, applied in order before anything is checked.

    Raises:
        ConfigError: anything in the file is unknown, of a wrong type, or contradicts itself.
    """
    path, file = read_config(name, assignments)
    return mteb_table(path, file) if is_mteb(file.data) else experiment_of(path, file)
