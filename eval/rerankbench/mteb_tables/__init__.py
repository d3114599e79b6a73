"""Tables of MTEB scores, from mteb's result files: in the paper's layout, by task type, task by task, and which version made each.

Evaluates nothing and needs no mteb. A mean stands there only where all its tasks do. A score is compared with the paper's where it is
the same measure.
"""

from rerankbench.mteb_tables.build import mteb_table, mteb_tables
from rerankbench.mteb_tables.columns import FilledColumn, filled_columns
from rerankbench.mteb_tables.places import Places, results_folder

__all__ = ["FilledColumn", "Places", "filled_columns", "mteb_table", "mteb_tables", "results_folder"]
