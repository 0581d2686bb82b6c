"""How a conversation is put to a model: its functions, its calls and their results, in one of two ways.

``template``: the functions through the model's own chat template, calls and results as its messages have them.
``text``: BFCL's text for models without one, the functions as JSON in it; results come as a message of the user, as in
BFCL's handlers of models that are asked for text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pytest_slm.bfcl.prompting import json_schema
from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.types import Generation, Message, ToolCall

Way = Literal["template", "text"]
PLACE = "{functions}"


@dataclass(frozen=True, kw_only=True)
class WorldPrompts(Record):
    """BFCL's texts, with ``{functions}`` where functions stand: ``system`` before the conversation, ``added_text`` and
    ``added_template`` where functions come later; ``hint`` ends the description of each."""

    system: str
    added_text: str
    added_template: str
    hint: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("system", "added_text"):
            if PLACE not in getattr(self, name):
                raise RecordError(f"{name}: expected a text with {PLACE} in it, where the functions will stand")


class ShownConversation:
    """A conversation as one model sees it: ``messages`` grow with it, ``tools`` are what its template writes;
    ``system`` is said before it, behind the functions where they are text."""

    def __init__(
        self, way: Way, prompts: WorldPrompts, functions: Sequence[Mapping[str, Any]], system: str = ""
    ) -> None:
        self._way, self._prompts = way, prompts
        hinted = [{**one, "description": f"{one.get('description', '')}{prompts.hint}"} for one in functions]
        self.messages: list[Message] = []
        self.tools: tuple[Mapping[str, Any], ...] = ()
        if way == "template":
            self.tools = tuple(map(tool, hinted))
        else:
            told = prompts.system.replace(PLACE, json.dumps(hinted, indent=4))
            system = f"{told}\n\n{system}" if system else told
        if system:
            self.messages.append(Message(role="system", content=system))

    def say(self, messages: Iterable[Message]) -> None:
        """What the user says."""
        self.messages += messages

    def add(self, functions: Sequence[Mapping[str, Any]]) -> None:
        """Functions that come later, in place of what a user says."""
        if self._way == "template":
            self.tools += tuple(map(tool, functions))
            content = self._prompts.added_template
        else:
            # BFCL formats the list itself into the text, so Python's notation is what models see.
            content = self._prompts.added_text.replace(PLACE, str([dict(one) for one in functions]))
        self.messages.append(Message(role="user", content=content))

    def answer(self, generation: Generation, calls: Sequence[ToolCall]) -> None:
        """What the model has answered, with its calls where it made some."""
        if self._way == "template" and calls:
            self.messages.append(Message(role="assistant", content="", tool_calls=tuple(calls)))
        else:
            self.messages.append(Message(role="assistant", content=generation.text))

    def results(self, calls: Sequence[ToolCall], results: Sequence[str]) -> None:
        """What its calls came to."""
        pairs = list(zip(calls, results, strict=True))
        if self._way == "template":
            self.messages += [
                Message(role="tool", content=result, name=call.name, tool_call_id=call.id) for call, result in pairs
            ]
        else:
            told = [{"role": "tool", "name": written(call), "content": result} for call, result in pairs]
            self.messages.append(Message(role="user", content=repr(told)))


def written(call: ToolCall) -> str:
    """A call in Python's notation, as BFCL shows it beside its result."""
    return f"{call.name}({', '.join(f'{name}={value!r}' for name, value in (call.arguments or {}).items())})"


def tool(function: Mapping[str, Any]) -> dict[str, Any]:
    """A function as chat templates expect it, in the words of JSON Schema."""
    told = {"name": function["name"], "description": function.get("description", "")}
    parameters = {**json_schema(function.get("parameters", {})), "type": "object"}
    return {"type": "function", "function": {**told, "parameters": parameters}}
