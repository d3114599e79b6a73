"""Embedders and rerankers of ours as models of the package mteb, which brings tasks, evaluation and result files. Needs the extra mteb.

mteb does what it does well; what is added is what a model reads (`reading`), one embedding a text (`encoder`), candidate lists for
rankers (`reranker`), a revision that changes with everything that decides a score (`evaluated`), and a loop that loses nothing
(`evaluation`).
"""

from importlib.util import find_spec

from rerankbench.errors import MissingExtra

EXTRA = "mteb"


def require(what: str = "An evaluation on mteb's tasks") -> None:
    """Raises: MissingExtra: mteb, or torch that it evaluates with, is not installed."""
    for module in ("mteb", "torch"):
        if find_spec(module) is None:
            raise MissingExtra(what, EXTRA, f"No module named {module!r}")
