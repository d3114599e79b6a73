"""A cache of data sets as the hub's client leaves it, and an environment in which nothing but it is read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Rows = Mapping[str, Any]


def revision_of(task: str) -> str:
    """Of the data that mteb's task names."""
    import mteb

    return str(mteb.get_task(task).metadata.dataset["revision"])


def keep(home: Path, repo: str, configuration: str, splits: Mapping[str, Rows], commit: str) -> None:
    """Write one configuration of a data set into the cache, in the form of `datasets` 5."""
    from datasets import Dataset, DatasetInfo
    from datasets.arrow_writer import ArrowWriter
    from datasets.naming import camelcase_to_snakecase

    organisation, name = repo.split("/")
    name = camelcase_to_snakecase(name)
    folder = home / "datasets" / f"{organisation}___{name}" / configuration / "0.0.0" / commit
    folder.mkdir(parents=True)
    features, counted = None, {}
    for split, columns in splits.items():
        rows = Dataset.from_dict(dict(columns))
        features = rows.features
        with ArrowWriter(path=str(folder / f"{name}-{split}.arrow"), features=features) as writer:
            writer.write_table(rows.data.table)
            examples, size = writer.finalize()
        counted[split] = {"name": split, "num_bytes": size, "num_examples": examples, "dataset_name": name}
    known = {"builder_name": "parquet", "dataset_name": name, "config_name": configuration, "version": "0.0.0"}
    DatasetInfo(features=features, splits=counted, **known).write_to_directory(str(folder))


def offline(home: Path) -> dict[str, str]:
    """The environment of a process that has this cache and no hub. The hub's client reads it when it is imported."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return ours | {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(home),
        "HF_DATASETS_CACHE": str(home / "datasets"),
        "HF_HUB_CACHE": str(home / "hub"),
    }
