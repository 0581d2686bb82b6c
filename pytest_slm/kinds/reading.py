"""What of a generation is the answer: thinking is no part of it, and calls of functions are read once, here."""

from __future__ import annotations

import dataclasses

from pytest_slm.core.types import Generation
from pytest_slm.prompts.writing import written
from pytest_slm.scorers.call_syntax import parse_calls


def read_answer(generation: Generation, *, tools: bool) -> Generation:
    """The generation with its thinking apart, and, where ``tools`` were shown, with the calls in it.

    Calls that a server has told as such stay what they are. Of a backend that has not looked for thinking
    (``n_reasoning`` is None) the marks that are known are looked for.
    """
    if generation.n_reasoning is None and not generation.reasoning:
        found = written(generation.text)
        generation = dataclasses.replace(generation, text=found.text, reasoning=found.reasoning)
    if not tools or generation.tool_calls is not None:
        return generation
    return dataclasses.replace(generation, tool_calls=tuple(parse_calls(generation.text)))
