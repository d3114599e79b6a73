"""A folder of pages that opens from disk: tables, runs, candidate lists and queries, compared. Ranks nothing and measures nothing again."""

from rerankbench.site.build import Built, build_site
from rerankbench.site.collect import collect

__all__ = ["Built", "build_site", "collect"]
