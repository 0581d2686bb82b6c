"""Worlds of tools: classes whose methods a model may call, and what the calls came to."""

from pytest_slm.core.worlds.calls import Comparison, Executed, Execution, Library, World, WorldCall

__all__ = ["Comparison", "Executed", "Execution", "Library", "World", "WorldCall"]
