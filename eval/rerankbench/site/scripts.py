"""Data inside of scripts: JSON that no text can break out of, whatever it holds."""

from __future__ import annotations

from typing import Any

import orjson

# In a page, "</script>" and "<!--" would end or change the script; U+2028 and U+2029 end a line in older engines.
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_TABLE = str.maketrans(_ESCAPES)


def as_script(value: Any) -> str:
    """The value as JSON that may stand inside of a script element and of a script file."""
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode().translate(_TABLE)


def provided(name: str, value: Any) -> str:
    """A script file that hands over data: pages opened from disk may load scripts, and nothing else.

    Args:
        name: The file's path in the site, by which the page waits for it.
    """
    return f"rerankbench.provide({as_script(name)},{as_script(value)});\n"
