"""Worlds of tools: classes and functions that a model may call, what the calls came to, and who goes on from there."""

from pytest_slm.core.worlds.calls import ClassLibrary, Execution, ExecutionResult, TurnComparison, World, WorldCall
from pytest_slm.core.worlds.chains import NO_CALL, Chain, ChainCall, ChainResult, FunctionLibrary, grounded
from pytest_slm.core.worlds.handover import Handover

__all__ = [
    "NO_CALL",
    "Chain",
    "ChainCall",
    "ChainResult",
    "ClassLibrary",
    "Execution",
    "ExecutionResult",
    "FunctionLibrary",
    "Handover",
    "TurnComparison",
    "World",
    "WorldCall",
    "grounded",
]
