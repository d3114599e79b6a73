"""From complete runs of queries that were timed to tables: seconds a query, by phase, what else a query costs, throughput.

Runs nothing and renders nothing. Seconds belong to a device, an engine and its settings, which stand in notes; what can be compared
across devices are ratios of systems. Cold queries, queries with documents at hand and all queries at once are never in one row.
"""

from rerankbench.latency.device_page import write_device_page
from rerankbench.latency.devices import device_label, folder_name, this_device
from rerankbench.latency.peaks import DevicePeaks
from rerankbench.latency.ratios import short
from rerankbench.latency.runs import Timed
from rerankbench.latency.tables import LIMITS, latency_table, latency_tables, timed_rows

__all__ = [
    "LIMITS",
    "DevicePeaks",
    "Timed",
    "device_label",
    "folder_name",
    "latency_table",
    "latency_tables",
    "short",
    "this_device",
    "timed_rows",
    "write_device_page",
]
