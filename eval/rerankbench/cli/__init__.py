"""The command line. One file a command group; nothing here computes anything."""

from __future__ import annotations

import io
import sys


def main() -> None:
    """Run the command line; every error that is raised on purpose becomes two lines and an exit code, never a stack trace."""
    from rerankbench.cli.app import app
    from rerankbench.errors import RerankbenchError

    _print_anything()
    try:
        app(prog_name="rerankbench")
    except RerankbenchError as error:
        sys.stderr.write(f"error: {error.message}\n")
        if error.hint:
            sys.stderr.write(f"  try: {error.hint}\n")
        raise SystemExit(error.exit_code) from None
    except OSError as error:  # a full disk, a folder that may not be written, a file in a folder's place
        sys.stderr.write(f"error: {error.filename or 'the operating system'}: {error.strerror or error}\n")
        raise SystemExit(1) from None


def _print_anything() -> None:
    """A terminal that does not know a character gets a question mark in its place, not a stack trace."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
