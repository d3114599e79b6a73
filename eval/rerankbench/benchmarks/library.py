"""All benchmarks of the catalog, over one chain of sources."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rerankbench.benchmarks.catalog import load_catalog
from rerankbench.benchmarks.collection import Collection
from rerankbench.benchmarks.mteb_task import MtebCollection, TaskReader
from rerankbench.benchmarks.own import MtebTask, OwnBenchmark, OwnCollection
from rerankbench.benchmarks.sources import Folder, HubDataset, PyseriniCache, Source
from rerankbench.benchmarks.synthetic import SyntheticCollection
from rerankbench.errors import MissingData


class Benchmarks:
    """Opens benchmarks that share their sources, so that a hub which did not answer is asked once.

    Args:
        cache: Folder for what is fetched and converted; see `sources.cache_folder`.
        own: One's own benchmarks, by name; they hide those of the catalog.
        base: Where the paths of `own` start from.
        read_task: Reads those of `own` that are tasks of mteb: see `mteb_suite.task_files`.
    """

    def __init__(
        self,
        mirror: Path | None,
        cache: Path | None = None,
        *,
        own: Mapping[str, OwnBenchmark] | None = None,
        base: Path = Path(),
        read_task: TaskReader | None = None,
    ) -> None:
        self.mirror = mirror
        self._catalog = load_catalog()
        data = self._catalog.data
        self._sources: list[Source] = [Folder(mirror)] if mirror else []
        self._sources += [HubDataset(data.hub, data.revision), PyseriniCache()]
        self._cache = cache
        self._open: dict[str, Collection | OwnCollection] = {
            name: _own(name, options, base, read_task or _unread) for name, options in (own or {}).items()
        }

    def open(self, name: str) -> Collection | OwnCollection:
        """Raises: ConfigError: there is no benchmark of this name."""
        if name not in self._open:
            embedded = self._catalog.benchmark(name).embedded
            sources = [Folder(Path(__file__).parent / name, "package")] if embedded else self._sources
            self._open[name] = Collection(name, sources, self._catalog, self._cache)
        return self._open[name]


def _own(name: str, options: OwnBenchmark, base: Path, read_task: TaskReader) -> OwnCollection:
    if options.synthetic:
        return SyntheticCollection(name, options, options.synthetic)
    if options.mteb:
        return MtebCollection(name, options, options.mteb, read_task)
    return OwnCollection(name, options, base)


def _unread(task: MtebTask) -> Path:
    raise MissingData(f"The task {task.task} of mteb is not at hand: nobody here reads one.")
