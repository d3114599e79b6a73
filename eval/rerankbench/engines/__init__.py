"""Engines: loaded models, and what stands for one. Each fulfils some of the capabilities of `protocols.py`."""
