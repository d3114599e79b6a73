"""From cells to tables and their renderings. Loads no model and no run: whoever has read the runs makes the cells."""

from rerankbench.report.build import experiment_table, paper_table
from rerankbench.report.cells import Cell, Status, average
from rerankbench.report.data import to_json
from rerankbench.report.listing import Listing, listing_json, listing_terminal
from rerankbench.report.render import SUFFIXES, render
from rerankbench.report.table import Column, Group, Row, Table, missing_cell
from rerankbench.report.terminal import render_terminal
from rerankbench.report.text import Shape

__all__ = [
    "SUFFIXES",
    "Cell",
    "Column",
    "Group",
    "Listing",
    "Row",
    "Shape",
    "Status",
    "Table",
    "average",
    "experiment_table",
    "listing_json",
    "listing_terminal",
    "missing_cell",
    "paper_table",
    "render",
    "render_terminal",
    "to_json",
]
