"""Run and qrels files, and the one rule for equal scores. Knows no measure.

A run file has six columns, ``query Q0 document rank score tag``; a qrels file has four, ``query 0 document grade``, or BEIR's
three with a header. Where a line holds a tab, tabs separate its columns; elsewhere white space does, as trec_eval splits it.
A document id may hold spaces (BRIGHT's do): on a line without tabs it is what the columns to its left and right leave over.
"""

from rerankbench.trec.qrels import read_qrels
from rerankbench.trec.run import Run, read_run, trec_order
from rerankbench.trec.writing import write_run

__all__ = ["Run", "read_qrels", "read_run", "trec_order", "write_run"]
