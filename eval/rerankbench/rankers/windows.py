"""Which stretch of a candidate list each call of a sliding-window ranker sees. Pure arithmetic."""

from __future__ import annotations

from rerankbench.errors import ConfigError


def windows(depth: int, window: int, step: int) -> list[tuple[int, int]]:
    """The windows over a list of `depth` documents, from its back to its front.

    The first ends at the back; each next one ends `step` earlier; the one that reaches the front is clipped there and is the
    last. Every position is visited; a list not longer than the window is one window; an empty list has none.

    Source: RankGPT, rank_gpt.py, `sliding_windows`.
    Paper: same. Here: the front is reached for every depth, because RankGPT stops at the last whole window and never looks at the
    documents before it where `depth - window` is no multiple of `step`.

    Returns:
        Half-open intervals of positions, in the order of their turns.

    Raises:
        ConfigError: `window` is below 1, or `step` is not from 1 to `window` (a larger one would skip documents).
    """
    check(window, step)
    schedule = []
    end = depth
    while end > 0:
        start = max(0, end - window)
        schedule.append((start, end))
        if start == 0:
            break
        end -= step
    return schedule


def check(window: int, step: int) -> None:
    """Refuse a window and step that do not visit every document.

    Raises:
        ConfigError: see `windows`.
    """
    if window < 1:
        raise ConfigError(f"window {window}: a window holds at least 1 document")
    if not 1 <= step <= window:
        raise ConfigError(f"step {step} with window {window}: expected a step from 1 to the window's size, or documents would be skipped")
