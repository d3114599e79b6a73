"""Rankers: each orders candidate lists, given the engine capability that it needs. None imports an engine."""
