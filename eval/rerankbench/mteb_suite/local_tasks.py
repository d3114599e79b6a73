"""stub"""

from pathlib import Path
from typing import Any

LOCAL = "local"


def local_tasks(mirror: Path | None) -> list[Any]:
    from mteb.mocks import mock_tasks as mt

    return [mt.MockRetrievalTask(), mt.MockRerankingTask(), mt.MockSTSTask()]
