"""The paper's numbers as data, and the rule by which ours are judged against them. Knows no run and no report."""

from rerankbench.reference.layout import PaperColumn, PaperGroup, PaperRow, PaperTable
from rerankbench.reference.paper import PaperCell, PaperNumbers, load
from rerankbench.reference.verdict import Verdict, as_printed, half_unit, judge, model_noise, percent, refusal

__all__ = [
    "PaperCell",
    "PaperColumn",
    "PaperGroup",
    "PaperNumbers",
    "PaperRow",
    "PaperTable",
    "Verdict",
    "as_printed",
    "half_unit",
    "judge",
    "load",
    "model_noise",
    "percent",
    "refusal",
]
