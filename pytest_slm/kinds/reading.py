"""What of a generation is the answer: thinking is no part of it, and calls of functions are read once, here."""

from __future__ import annotations

import dataclasses
import re

from pytest_slm.core.types import Generation
from pytest_slm.scorers.call_syntax import parse_calls

_THINKING = re.compile(r"\A\s*<think>(.*?)(?:</think>|\Z)", re.DOTALL)


def read_answer(generation: Generation, *, tools: bool) -> Generation:
    """The generation with its leading ``<think>`` block apart, and, where ``tools`` were shown, with the calls in it.

    A block that never ends leaves an empty answer: the model was still thinking when its tokens were used up.
    """
    block = _THINKING.match(generation.text)
    if block is not None:
        generation = dataclasses.replace(generation, text=generation.text[block.end() :], reasoning=block[1].strip())
    if not tools:
        return generation
    return dataclasses.replace(generation, tool_calls=tuple(parse_calls(generation.text)))
