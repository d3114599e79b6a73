"""Test collections: queries, judgements and candidate lists, found, checked and hashed."""

from rerankbench.benchmarks.catalog import load_catalog
from rerankbench.benchmarks.collection import Benchmarks, Collection, DataFile
from rerankbench.benchmarks.sources import mirror_folder

__all__ = ["Benchmarks", "Collection", "DataFile", "load_catalog", "mirror_folder"]
