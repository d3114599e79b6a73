"""What a run is worth: quality per query, first; means and intervals of them, second. Loads no model and no benchmark."""

from rerankbench.measures.interval import bootstrap_interval
from rerankbench.measures.quality import Measured, measure

__all__ = ["Measured", "bootstrap_interval", "measure"]
