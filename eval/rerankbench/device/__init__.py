"""What the machine at hand is: its GPUs, processor, memory, system and software. What cannot be read says why."""

from rerankbench.device.facts import Fact, Section, as_data
from rerankbench.device.host import host_sections
from rerankbench.device.nvml import gpu_sections
from rerankbench.device.software import software

__all__ = ["Fact", "Section", "as_data", "device_sections", "gpu_sections", "host_sections"]


def device_sections() -> list[Section]:
    """All of it, read anew: clocks and frequencies are those of this moment."""
    return [*gpu_sections(), *host_sections(), software()]
