"""What is done before the clock counts, and what is metered beside it."""

from rerankbench.timing.meter import Meter
from rerankbench.timing.prepare import forget, prepared, queries_at_once

__all__ = ["Meter", "forget", "prepared", "queries_at_once"]
