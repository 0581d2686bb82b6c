"""From a question to what a model is asked: through the tools of its own chat template, or by BFCL's text format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_slm.bfcl.formats import PromptFormat, Texts, hinted, system_prompt
from pytest_slm.bfcl.question import BfclQuestion
from pytest_slm.core.types import Message, Request

JSON_TYPES: Mapping[str, str] = {
    **dict.fromkeys(("string", "char", "any", "Any", "String"), "string"),
    **dict.fromkeys(("integer", "byte", "short", "long", "Bigint"), "integer"),
    **dict.fromkeys(("number", "float", "double"), "number"),
    **dict.fromkeys(("boolean", "bool", "Boolean"), "boolean"),
    **dict.fromkeys(("array", "list", "tuple", "ArrayList", "Array", "Queue", "Stack", "Set"), "array"),
    **dict.fromkeys(("dict", "object", "HashMap", "Hashtable"), "object"),
}
"""The names that BFCL has for types, and those of JSON Schema; any other one is a text."""
_KEPT = ("description", "enum", "default", "required")


@dataclass(frozen=True, kw_only=True)
class PromptForm:
    """How questions are asked: ``form`` is the format of the text, None for the tools of the model's own template;
    ``constrained``: the answer is written within a grammar that knows the functions."""

    texts: Texts
    form: PromptFormat | None
    max_tokens: int
    seed: int
    constrained: bool = False

    def messages(self, question: BfclQuestion) -> tuple[Message, ...]:
        """The conversation, with the functions in its system message where they are shown as text."""
        asked = _joined(question.messages)
        if self.form is None:
            return asked
        told = system_prompt(self.form, hinted(question.functions, question.category, self.texts), self.texts)
        if asked[0].role == "system":
            return (Message(role="system", content=f"{told}\n\n{asked[0].content}"), *asked[1:])
        return (Message(role="system", content=told), *asked)

    def tools(self, question: BfclQuestion) -> tuple[Mapping[str, Any], ...]:
        """The functions as OpenAI's chat completions have them, where the model's own template writes them."""
        return () if self.form is not None else tools_of(question, self.texts)

    def request(self, question: BfclQuestion) -> Request:
        """What is asked of the model."""
        return Request(
            messages=self.messages(question),
            tools=self.tools(question),
            max_tokens=self.max_tokens,
            seed=self.seed,
            json_schema=calls_schema(question, self.texts) if self.constrained else None,
        )


def tools_of(question: BfclQuestion, texts: Texts) -> tuple[Mapping[str, Any], ...]:
    """The functions of a question with the types of JSON Schema."""
    shown = hinted(question.functions, question.category, texts)
    return tuple(
        {
            "type": "function",
            "function": {
                "name": function["name"],
                "description": function["description"],
                "parameters": {**json_schema(function["parameters"]), "type": "object"},
            },
        }
        for function in shown
    )


def json_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema of BFCL's in the words of JSON Schema."""
    found: dict[str, Any] = {"type": JSON_TYPES.get(str(schema.get("type")), "string")}
    found.update({key: schema[key] for key in _KEPT if key in schema})
    if isinstance(schema.get("items"), Mapping):
        found["items"] = json_schema(schema["items"])
    if isinstance(schema.get("properties"), Mapping):
        found["properties"] = {key: json_schema(its) for key, its in schema["properties"].items()}
    return found


def calls_schema(question: BfclQuestion, texts: Texts) -> dict[str, Any]:
    """Which answers a grammar allows: a list of calls of these functions, in the notation of the format ``json``. The
    empty list calls none."""
    calls = [
        {
            "type": "object",
            "properties": {
                "function": {"const": tool["function"]["name"]},
                "parameters": _closed(tool["function"]["parameters"]),
            },
            "required": ["function", "parameters"],
            "additionalProperties": False,
        }
        for tool in tools_of(question, texts)
    ]
    return {"type": "array", "items": {"anyOf": calls}} if calls else {"type": "array", "maxItems": 0}


def _closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema that allows nothing it does not name, without words for people."""
    closed: dict[str, Any] = {"type": schema["type"]}
    if isinstance(schema.get("enum"), list) and all(isinstance(one, str) for one in schema["enum"]):
        return {"enum": schema["enum"]}
    if "items" in schema:
        closed["items"] = _closed(schema["items"])
    if schema.get("properties"):
        closed["properties"] = {key: _closed(its) for key, its in schema["properties"].items()}
        closed["required"] = [key for key in schema.get("required") or () if key in closed["properties"]]
        closed["additionalProperties"] = False
    return closed


def _joined(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Turns of one role after the other as one: many templates refuse two turns of the user in a row."""
    joined: list[Message] = []
    for message in messages:
        if joined and joined[-1].role == message.role == "user":
            joined[-1] = Message(role="user", content=f"{joined[-1].content}\n\n{message.content}")
        else:
            joined.append(message)
    return tuple(joined)
