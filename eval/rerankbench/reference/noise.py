"""How much of a difference repeating the same command makes, measured: a number closer than this to the paper's is no other number."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from rerankbench.config import Options, read_yaml, validate


class Repetitions(Options):
    """Scores of one command that was run several times, in percent points.

    Attributes:
        source: Who ran what, and where the runs are.
    """

    source: str
    values: tuple[float, ...] = Field(min_length=2)

    @property
    def floor(self) -> float:
        """The largest difference between two of them: the paper's run is one draw, and ours another."""
        return max(self.values) - min(self.values)


def floor_of(status: str) -> float:
    """The noise floor, in percent points, of systems whose weights are had in this way; 0 where it was never measured."""
    measured = load()
    return measured[status].floor if status in measured else 0.0


def load() -> dict[str, Repetitions]:
    """By how a system's weights are had (``api`` …); what is not in it was never measured."""
    file = read_yaml(Path(__file__).with_name("noise.yaml"))
    return {status: validate(Repetitions, data, file.place) for status, data in file.data.items()}
