"""Test collections: queries, judgements and candidate lists, found, checked and hashed."""

from rerankbench.benchmarks.catalog import load_catalog
from rerankbench.benchmarks.collection import Collection
from rerankbench.benchmarks.exclusions import Exclusions
from rerankbench.benchmarks.library import Benchmarks
from rerankbench.benchmarks.own import MtebTask, OwnBenchmark, OwnCollection
from rerankbench.benchmarks.sources import DataFile, cache_folder, mirror_folder

__all__ = [
    "Benchmarks",
    "Collection",
    "DataFile",
    "Exclusions",
    "MtebTask",
    "OwnBenchmark",
    "OwnCollection",
    "cache_folder",
    "load_catalog",
    "mirror_folder",
]
