"""Latency under load: queries come at a rate of their own, whether or not the ones before them are done.

Runs and shows what `plan` says of a configuration with ``layout: latency``. Knows no ranker and no engine from inside.
"""

from rerankbench.load.arrivals import Arrival, Served, schedule
from rerankbench.load.figure import load_figure
from rerankbench.load.measure import Figures, figures_of
from rerankbench.load.runs import LoadLaboratory, served_arrivals
from rerankbench.load.settings import Settings
from rerankbench.load.tables import Loaded, load_tables, loaded_runs

__all__ = [
    "Arrival",
    "Figures",
    "LoadLaboratory",
    "Loaded",
    "Served",
    "Settings",
    "figures_of",
    "load_figure",
    "load_tables",
    "loaded_runs",
    "schedule",
    "served_arrivals",
]
