"""One hash for a JSON-able value, the same on every machine."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson


def fingerprint(value: Any) -> str:
    """SHA-256 of the value as JSON with sorted keys, as 64 hexadecimal digits."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()
