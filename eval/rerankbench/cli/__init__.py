"""The command line. One file a command group; nothing here computes anything."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; every error that is raised on purpose becomes two lines and an exit code, never a stack trace."""
    from rerankbench.cli.app import app
    from rerankbench.errors import RerankbenchError

    try:
        app()
    except RerankbenchError as error:
        sys.stderr.write(f"error: {error.message}\n")
        if error.hint:
            sys.stderr.write(f"  try: {error.hint}\n")
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped. What was ranked is kept: the same command goes on from there.\n")
        raise SystemExit(130) from None
