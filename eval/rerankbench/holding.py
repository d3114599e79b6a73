"""Holds the engine that a system needs: one is loaded at a time, and what it has answered is kept while it is. Knows no data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from rerankbench import manifest as facts
from rerankbench.config import System, fingerprint
from rerankbench.engines.caching import CachedEngine
from rerankbench.engines.disk_cache import DiskCache
from rerankbench.plan import engine_class
from rerankbench.protocols import Engine


class EngineHolder:
    """
    Args:
        identity: What decides the answers of a system's engine; raises a MissingError where its weights are not at hand.
        cache: Where answers are kept across runs; None keeps none.
    """

    def __init__(self, identity: Callable[[System], Mapping[str, Any] | None], cache: Path | None = None) -> None:
        self._identity = identity
        self._cache = cache
        self._loaded: tuple[str, CachedEngine] | None = None

    def load(self, system: System, *, keeps: bool = True) -> CachedEngine | None:
        """The system's engine; the one loaded before is closed first, so that only one is ever in memory.

        Args:
            keeps: Whether a text that comes again is embedded once.

        Raises:
            ConfigError, MissingError, EngineError: as `plan.engine_class`, and what loading it raises.
        """
        found = engine_class(system)
        if found is None or system.engine is None:
            return None
        key = fingerprint(system.engine.as_data())
        if self._loaded is None or self._loaded[0] != key:
            self.close()
            disk = self._open_cache(system)  # first: a cache that cannot be used is known before a model is loaded
            engine = cast("Engine", found(system.engine.options))  # type: ignore[call-arg]  # see BuildsEngine
            self._loaded = (key, CachedEngine(engine, disk=disk) if keeps else CachedEngine(engine, max_bytes=0))
        return self._loaded[1]

    def close(self) -> None:
        if self._loaded is not None:
            self._loaded[1].close()
            self._loaded = None

    def _open_cache(self, system: System) -> DiskCache | None:
        """The answers of this very engine, of earlier runs: same options, same weights."""
        identity = self._identity(system)
        if self._cache is None or identity is None:
            return None
        return DiskCache(self._cache, fingerprint({"behaviour": facts.BEHAVIOUR, "engine": identity}), identity)
