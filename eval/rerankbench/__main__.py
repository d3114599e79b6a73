"""``python -m rerankbench``."""

from rerankbench.cli import main

main()
