"""What the device at hand is: the part of ``rerankbench doctor`` that looks at the machine alone."""

from __future__ import annotations

from rerankbench.cli.output import print_json, print_table


def show_device(as_json: bool) -> None:
    """Print what can be read of GPUs, processor, memory, system and software."""
    from rerankbench.device import as_data, device_sections
    from rerankbench.latency import this_device

    sections = device_sections()
    if as_json:
        print_json({"device": this_device(), "facts": as_data(sections)})
        return
    rows = [(section.name, fact.name, fact.text) for section in sections for fact in section.facts]
    print_table(("of", "what", "value"), rows, title=this_device())
