"""What a device is called: in words, and as the folder that its figures lie in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from rerankbench.manifest import hardware


def device_label(found: Mapping[str, Any]) -> str:
    """The GPUs of an environment, else its processor.

    Args:
        found: Hardware, as a manifest has it.
    """
    gpus = found["gpus"]
    if gpus:
        return f"{len(gpus)} {gpus[0]}" if len(gpus) > 1 else str(gpus[0])
    return f"{found['cpu']} {found['cores']} cores"


def folder_name(label: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")


def this_device() -> str:
    """Of this machine. Loads torch where it is installed: it alone knows which GPUs this process may use."""
    if find_spec("torch") is not None:
        import torch

        del torch
    return device_label(hardware())
