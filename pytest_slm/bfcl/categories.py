"""The categories of BFCL v4, each a configuration of its data set."""

from __future__ import annotations

from typing import Literal

DATASET = "gorilla-llm/Berkeley-Function-Calling-Leaderboard"
SPLIT = "test"

Language = Literal["python", "java", "javascript"]

NON_LIVE_CALLS = ("simple_python", "simple_java", "simple_javascript", "multiple", "parallel", "parallel_multiple")
LIVE_CALLS = ("live_simple", "live_multiple", "live_parallel", "live_parallel_multiple")
CALLS = NON_LIVE_CALLS + LIVE_CALLS
"""Categories in which certain calls are right."""
IRRELEVANCE = ("irrelevance", "live_irrelevance")
"""Categories in which no call is right."""
RELEVANCE = ("live_relevance",)
"""Categories in which any call is right."""
SINGLE_TURN = CALLS + IRRELEVANCE + RELEVANCE


def language_of(category: str) -> Language:
    """The language that the functions of a category are written in."""
    return "java" if category == "simple_java" else "javascript" if category == "simple_javascript" else "python"
