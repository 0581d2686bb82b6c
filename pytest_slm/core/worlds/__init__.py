"""Worlds of tools: classes whose methods a model may call, what the calls came to, and who goes on from there."""

from pytest_slm.core.worlds.calls import Comparison, Executed, Execution, Library, World, WorldCall
from pytest_slm.core.worlds.handover import Handover

__all__ = ["Comparison", "Executed", "Execution", "Handover", "Library", "World", "WorldCall"]
