"""Worlds of tools: classes and functions that a model may call, what the calls came to, and who goes on from there."""

from pytest_slm.core.worlds.calls import Comparison, Executed, Execution, Library, World, WorldCall
from pytest_slm.core.worlds.chains import NO_CALL, Chain, ChainCall, FunctionLibrary, Reached, grounded
from pytest_slm.core.worlds.handover import Handover

__all__ = [
    "NO_CALL",
    "Chain",
    "ChainCall",
    "Comparison",
    "Executed",
    "Execution",
    "FunctionLibrary",
    "Handover",
    "Library",
    "Reached",
    "World",
    "WorldCall",
    "grounded",
]
