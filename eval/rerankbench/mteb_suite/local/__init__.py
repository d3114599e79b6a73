"""A suite of small mteb tasks that needs no hub: one of each of MTEB's types and two of retrieval, over texts that are at hand.

It is there to show and to test the embedding side without a download. Only SciFact's score can be compared with a published one: the
other texts come with this package, and a figure on them says that a pipeline works, not that a model is good.
"""

from rerankbench.mteb_suite.local.entries import LOCAL, NAMES
from rerankbench.mteb_suite.local.tasks import local_tasks

__all__ = ["LOCAL", "NAMES", "local_tasks"]
