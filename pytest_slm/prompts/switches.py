"""How a model is told whether it shall think: by a variable of its chat template, or by words in the system message."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_slm.core.request import Thinking
from pytest_slm.core.types import Message

_VARIABLES = ("enable_thinking", "thinking", "enable_reasoning", "reasoning", "use_thinking")
"""The names by which templates ask whether the model shall think."""
_BUDGET = "thinking_budget"
_CODE = re.compile(r"\{[{%](.*?)[%}]\}", re.DOTALL)
_LITERAL = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)


def thinks(thinking: Thinking) -> bool:
    """Whether the model is told to think."""
    return thinking not in ("off", 0)


@functools.lru_cache(maxsize=8)
def variables_of(template: str, thinking: Thinking) -> Mapping[str, Any]:
    """What a chat template is given to know whether the model shall think, by the names that are in its source."""
    code = _LITERAL.sub("''", " ".join(_CODE.findall(template)))
    named = {name for name in (*_VARIABLES, _BUDGET) if re.search(rf"(?<![\w.]){name}(?!\w)", code)}
    given: dict[str, Any] = {name: thinks(thinking) for name in _VARIABLES if name in named}
    if _BUDGET in named and thinking != "on":
        given[_BUDGET] = 0 if thinking == "off" else thinking
    return given


@dataclass(frozen=True, kw_only=True)
class Switch:
    """Words at the beginning of the system message that say whether the model shall think."""

    on: str
    off: str

    def said(self, thinking: Thinking) -> str:
        """The words for this choice."""
        return self.on if thinks(thinking) else self.off

    def set(self, messages: Sequence[Message], thinking: Thinking) -> tuple[Message, ...]:
        """The conversation with the switch in its system message, which is made if there is none. One that a task has
        set itself stays."""
        first = messages[0] if messages and messages[0].role == "system" else None
        if first is None:
            return (Message(role="system", content=self.said(thinking)), *messages)
        if self._pattern.search(first.content):
            return tuple(messages)
        return (replace(first, content=f"{self.said(thinking)}\n\n{first.content}".rstrip()), *messages[1:])

    @functools.cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(rf"(?<![\w/<])(?:{re.escape(self.on)}|{re.escape(self.off)})(?!\w)", re.IGNORECASE)


SLASH = Switch(on="/think", off="/no_think")
NEMOTRON = Switch(on="detailed thinking on", off="detailed thinking off")

KNOWN: Mapping[str, Switch] = {
    r"llama[-_. ]?3[-_. ]\d[-_. ]nemotron[-_. ](?:nano|super|ultra).*v1[-_. ]5": SLASH,
    r"llama[-_. ]?3[-_. ]\d[-_. ]nemotron[-_. ](?:nano|super|ultra)": NEMOTRON,
    r"nemotron[-_. ]nano[-_. ]\d+b[-_. ]v2": SLASH,
}
"""Names of models whose template does not mention the words that they were trained with (NVIDIA's model cards)."""

_WORDS = re.compile(r"""(['"])((?:(?!\1)[^\n])*\b(?:think|reason)\w*(?:(?!\1)[^\n])*?[ :=])(on|off)\1""", re.IGNORECASE)
_SLASH = re.compile(r"/no(?P<mid>[-_]?)think(?P<end>(?:ing)?)\b")


@functools.lru_cache(maxsize=8)
def switch_of(template: str, name: str = "") -> Switch | None:
    """The switch that a chat template looks for in messages (``'detailed thinking off' in system``, ``/no_think``), or
    that a model of this name is known for. None for models without one, and where the template has a variable."""
    if variables_of(template, "on"):
        return None
    if found := _WORDS.search(template):
        words, state = found[2], found[3]
        on, off = ("ON", "OFF") if state.isupper() else ("on", "off")
        return Switch(on=words + on, off=words + off)
    if found := _SLASH.search(template):
        return Switch(on=f"/think{found['end']}", off=found[0])
    return next((switch for pattern, switch in KNOWN.items() if re.search(pattern, name, re.IGNORECASE)), None)
