"""What a server answers, piece by piece, to one ``Generation``."""

from __future__ import annotations

import json
from typing import Any, Literal

from pytest_slm.backends.server import failures
from pytest_slm.backends.server.fields import ReplyFields
from pytest_slm.core.types import ToolCall
from pytest_slm.files import parse_json

LONGEST_TEXT = 16 * 1024 * 1024
"""Characters of one answer."""

_FINISH: dict[str, Literal["stop", "length"]] = {"length": "length", "max_tokens": "length"}
"""All other reasons are an end of the model's own."""


class Pieces:
    """The pieces of one answer so far: text, reasoning, calls, and what the server counts."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, dict[str, str]] = {}
        self._length = 0
        self.stamps: list[float] = []
        """When each piece with something in it had come."""
        self.finish: Literal["stop", "length"] | None = None
        self.n_prompt: int | None = None
        self.n_output: int | None = None
        self.n_cached: int | None = None
        self.n_reasoning: int | None = None

    @property
    def text(self) -> str:
        """What was said, without calls."""
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        """What was thought, where the server tells it apart."""
        return "".join(self._reasoning)

    def add(self, piece: object, came: float | None = None) -> str:
        """One event of the stream, or the whole answer, and what it adds to the text. Raises BackendError for what is
        none."""
        before = len(self._text)
        fields = ReplyFields(self._what, piece)
        if fields.value.get("error"):
            raise failures.stream_error(self._what, fields.value["error"])
        for choice in fields.each("choices")[:1]:
            length = self._length
            delta = choice.inside("delta") or choice.inside("message")
            if delta is None:
                self._say(self._text, choice.text("text"))
            else:
                self._say(self._text, delta.text("content"))
                self._say(self._reasoning, delta.text("reasoning_content") or delta.text("reasoning"))
                for place, call in enumerate(delta.each("tool_calls")):
                    self._add_call(place, call)
            if came is not None and self._length > length:
                self.stamps.append(came)
            if reason := choice.text("finish_reason"):
                self.finish = _FINISH.get(reason, "stop")
        self._count(fields.inside("usage"))
        return "".join(self._text[before:])

    def calls(self) -> tuple[ToolCall, ...]:
        """The calls that the server has told as such; arguments that cannot be read are None."""
        return tuple(
            ToolCall(name=call["name"], arguments=_arguments(call["arguments"]), id=call["id"] or None)
            for _, call in sorted(self._calls.items())
        )

    def written_calls(self) -> str:
        """The calls as text, in the notation that most models have, so that the record of the answer shows them."""
        return "\n".join(
            f"<tool_call>{_plain({'name': call['name'], 'arguments': _readable(call['arguments'])})}</tool_call>"
            for _, call in sorted(self._calls.items())
        )

    def _say(self, parts: list[str], text: str) -> None:
        if not text:
            return
        parts.append(text)
        self._length += len(text)
        if self._length > LONGEST_TEXT:
            raise failures.too_much(self._what, LONGEST_TEXT)

    def _add_call(self, place: int, call: ReplyFields) -> None:
        index = call.count("index")
        mine = self._calls.setdefault(place if index is None else index, {"name": "", "arguments": "", "id": ""})
        mine["id"] = mine["id"] or call.text("id")
        function = call.inside("function")
        if function is None:
            return
        mine["name"] += function.text("name")
        given = function.value.get("arguments")
        # Ollama's own interface has an object there, OpenAI's the text of one.
        text = _plain(given) if isinstance(given, dict) else function.text("arguments")
        mine["arguments"] += text
        self._length += len(text) + len(function.text("name"))
        if self._length > LONGEST_TEXT:
            raise failures.too_much(self._what, LONGEST_TEXT)

    def _count(self, usage: ReplyFields | None) -> None:
        if usage is None:
            return
        self.n_prompt, self.n_output = usage.count("prompt_tokens"), usage.count("completion_tokens")
        prompt, output = usage.inside("prompt_tokens_details"), usage.inside("completion_tokens_details")
        self.n_cached = prompt.count("cached_tokens") if prompt else None
        self.n_reasoning = output.count("reasoning_tokens") if output else None


def _arguments(text: str) -> dict[str, Any] | None:
    try:
        found = parse_json(text or "{}")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _readable(text: str) -> Any:
    found = _arguments(text)
    return text if found is None else found


def _plain(value: Any) -> str:
    # No letter of a mark inside of it: whoever reads it back looks for the mark's end.
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")
