"""As what mteb keeps a system's results: a name, and a revision that changes with all that decides a score.

mteb finds results by name, revision and task alone. A revision that were the checkpoint's would give one prompt's scores to another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rerankbench.config import fingerprint
from rerankbench.manifest import BEHAVIOUR

OWN = "rerankbench"
"""The organisation of systems that stand on no hub."""


def revision_of(engine: Mapping[str, Any] | None, use: Mapping[str, Any]) -> str:
    """Forty hexadecimal digits, as long as a commit.

    Args:
        engine: Options and weights; None for a ranker without one.
        use: What is done with it: a reading, or a ranker with its prompts and the order in which it meets candidates.
    """
    return fingerprint({"behaviour": BEHAVIOUR, "engine": engine, "use": use})[:40]


def model_name(system: str, model: str) -> str:
    """``organisation/name``: the model's name on the hub, else the system's own, fit for a folder."""
    if re.fullmatch(r"[\w.-]+/[\w.-]+", model):
        return model
    return f"{OWN}/{re.sub(r'[^A-Za-z0-9_.-]+', '-', system).strip('-')}"


def model_meta(name: str, revision: str, *, has_instructions: bool, max_tokens: int | None = None, kind: str = "dense") -> Any:
    """An ``mteb.ModelMeta`` that says what is known and leaves the rest empty.

    Args:
        kind: ``dense``, or ``cross-encoder`` for what ranks candidates.
    """
    from mteb.models import ModelMeta
    from mteb.models.model_meta import ScoringFunction

    return ModelMeta.create_empty(
        {
            "name": name,
            "revision": revision,
            "use_instructions": has_instructions,
            "max_tokens": max_tokens,
            "similarity_fn_name": ScoringFunction.COSINE if kind == "dense" else None,
            "model_type": [kind],
        }
    )
