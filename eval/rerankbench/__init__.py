"""rerankbench: reproducible evaluation of rerankers, after the E2Rank paper."""

__version__ = "0.1.0"
