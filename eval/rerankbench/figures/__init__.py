"""From tables and stored runs to figures: which marks a configuration asks for. Runs nothing and draws nothing."""

from rerankbench.figures.choice import figure_of

__all__ = ["figure_of"]
