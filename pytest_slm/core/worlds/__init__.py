"""Worlds of tools: classes and functions that a model may call, and what the calls came to."""

from pytest_slm.core.worlds.calls import Comparison, Executed, Execution, Library, World, WorldCall
from pytest_slm.core.worlds.chains import NO_CALL, Chain, ChainCall, FunctionLibrary, Reached, grounded

__all__ = [
    "NO_CALL",
    "Chain",
    "ChainCall",
    "Comparison",
    "Executed",
    "Execution",
    "FunctionLibrary",
    "Library",
    "Reached",
    "World",
    "WorldCall",
    "grounded",
]
