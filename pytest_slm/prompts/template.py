"""Chat templates: how conversations become the text that a model was trained to see.

They are programs of strangers, and run in a process of their own (``process.py``). Not every template writes all that
it is given, and what it leaves out the model is never asked: so the first conversation of each shape is rendered with
numbers for its texts, and each number has to be in what comes out.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_slm.core.request import CHATML, PLAIN
from pytest_slm.core.types import Message
from pytest_slm.errors import BackendError
from pytest_slm.prompts import process

NUMBERS = 715_225_741_000
"""The first of the numbers that stand for texts: none of a length that a template would write by itself."""

TOOL: Mapping[str, Any] = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Looks up a word.",
        "parameters": {
            "type": "object",
            "properties": {"word": {"type": "string", "description": "The word."}},
            "required": ["word"],
        },
    },
}
"""What is asked with to see whether a template writes tools."""

NOTES = {
    "strftime_now": "it writes a date: here always 26 July 2024, elsewhere that of the day",
    "random": "it draws at random (random): here always the same, elsewhere each prompt is another one",
    "lipsum": "it draws at random (lipsum): here always the same, elsewhere each prompt is another one",
}
FOLDED = "it has no system role: the instruction stands before the first user message"


FORMS: Mapping[str, str] = {
    CHATML: (
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content }}{% for call in m.tool_calls or [] %}"
        "{{ '\n<tool_call>\n' + call.function | tojson + '\n</tool_call>' }}{% endfor %}{{ '<|im_end|>\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    ),
    PLAIN: (
        "{% for m in messages %}{% if m.role == 'system' %}{{ m.content + '\n\n' }}{% elif m.role == 'assistant' %}"
        "{{ ' ' + m.content }}{% for call in m.tool_calls or [] %}{{ ' ' + call.function | tojson }}{% endfor %}"
        "{{ '\n\n' }}{% elif m.role == 'tool' %}{{ 'Result: ' + m.content + '\nAnswer:' }}"
        "{% else %}{{ 'Question: ' + m.content + '\nAnswer:' }}{% endif %}{% endfor %}"
    ),
}
"""The templates that are known by name. The plain form is that of multiple choice (docs/suites.md), which base models
know from texts."""

TEMPLATE_REMEDY = (
    "--slm-chat-template=chatml (or a FILE) gives it one, --slm-chat-template=none asks everything in its plain form"
)


def chosen(asked: str | None, own: str | None) -> str | None:
    """The source of the template that is used: the one that was asked for (by its name, or its source), else the
    model's own, which may be none."""
    return own if asked is None else FORMS.get(asked, asked)


def check_template(source: str) -> None:
    """Raise BackendError for a template that cannot write a question and an instruction."""
    turns = (Message(role="system", content="Be short."), Message(role="user", content="Why?"))
    template = ChatTemplate(source)
    template.render(turns[1:])
    template.render(turns)


@dataclass(frozen=True, kw_only=True)
class TemplateFacts:
    """What a template does by itself, and what it cannot: whether it writes ``tools``, and ``notes`` on what a reader
    of the scores should know."""

    tools: bool
    notes: tuple[str, ...] = ()


def variables(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """What a template sees, as in transformers: there are no ``documents``, and where there are no tools they are None
    (templates ask ``if tools is none``)."""
    return {
        "messages": [message.as_template() for message in messages],
        "tools": [dict(tool) for tool in tools] or None,
        "documents": None,
        "add_generation_prompt": True,
    }


class ChatTemplate:
    """A template with the tokens of its model and what ``more`` it is given, and what was found out about it.

    ``render`` makes the prompt of a conversation, ready for the answer; ``facts`` is what a report tells.
    """

    def __init__(
        self, source: str, *, bos_token: str = "", eos_token: str = "", more: Mapping[str, Any] | None = None
    ) -> None:
        self.source = source
        self._own = {"bos_token": bos_token, "eos_token": eos_token, **(more or {})}
        self._folds: dict[object, bool] = {}

    @functools.cached_property
    def facts(self) -> TemplateFacts:
        """Found with three short prompts."""
        system = (Message(role="system", content="Be short."), Message(role="user", content="Why?"))
        try:
            tools = _numbered_tools((TOOL,))
            (plain, with_tool), uses = self._rendered((system[1:], ()), (system[1:], tools))
        except BackendError:  # told with the first prompt that needs it
            return TemplateFacts(tools=False)
        notes = [NOTES[name] for name in sorted(uses)]
        try:
            if self._folded(system, ()):
                notes.append(FOLDED)
        except BackendError as error:
            notes.append(str(error.args[0]).removeprefix("chat template: "))
        writes = with_tool.text not in (None, plain.text) and not _hidden(tools, with_tool.text or "")
        return TemplateFacts(tools=writes, notes=tuple(notes))

    def render(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> str:
        """The prompt. An instruction goes before the first user message where the template has no system role. Raises
        BackendError for what the template refuses or leaves out."""
        shape = (
            *((m.role, not m.content, len(m.tool_calls), m.tool_call_id is None, m.name is None) for m in messages),
            len(tools),
        )
        if shape not in self._folds:
            self._folds[shape] = self._folded(messages, tools)
        shown = fold(messages) if self._folds[shape] else messages
        (rendering,), _ = self._rendered((shown, tools))
        return rendering.required()

    def _folded(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> bool:
        """Whether the instruction of such a conversation has to be folded into the user's words. Raises BackendError
        where the template does not write everything."""
        numbered, tools = _numbered(messages), _numbered_tools(tools)
        forms = [numbered]
        if messages and messages[0].role == "system":
            forms.append(fold(numbered))
        renderings, _ = self._rendered(*((form, tools) for form in forms), *((form, ()) for form in forms if tools))
        left_out: list[str] = []
        for place, form in enumerate(renderings[: len(forms)]):
            if form.text is None:
                continue
            missing = _unwritten(numbered, form.text)
            left_out = left_out or missing
            if missing:
                continue
            if hidden := _hidden(tools, form.text):
                unheeded = form.text == renderings[len(forms) + place].text
                what = "the tools" if unheeded else f"all of the {len(tools)} tools ({', '.join(hidden):.200})"
                raise BackendError(
                    f"chat template: it does not write {what}, which the model would not see; give the task a "
                    "tools_prompt, or let it require the capability tools",
                    slug="tools-not-written",
                )
            return place == 1
        if left_out:
            raise BackendError(
                f"chat template: of a conversation of {len(messages)} messages it leaves out {', '.join(left_out)}, "
                "which the model would not see; the model needs another template, or the task another form",
                slug="template-leaves-out",
            )
        return False  # it refuses such conversations, or the numbers in them: the true one will tell

    def _rendered(
        self, *asks: tuple[Sequence[Message], Sequence[Mapping[str, Any]]]
    ) -> tuple[list[process.Rendering], frozenset[str]]:
        return process.render(self.source, [{**variables(messages, tools), **self._own} for messages, tools in asks])


@functools.lru_cache(maxsize=8)
def chat_template(source: str, bos_token: str, eos_token: str, more: tuple[tuple[str, Any], ...] = ()) -> ChatTemplate:
    """The template, looked at once; ``more`` are names and values of further variables."""
    return ChatTemplate(source, bos_token=bos_token, eos_token=eos_token, more=dict(more))


def joint_facts(plain: ChatTemplate | None, with_tools: ChatTemplate | None) -> TemplateFacts:
    """What is to be told of the template of a model, and of the one that it has for conversations with tools."""
    if plain is None or with_tools is None or with_tools is plain:
        one = plain or with_tools
        return TemplateFacts(tools=False) if one is None else one.facts
    digest = hashlib.sha256(with_tools.source.encode()).hexdigest()
    own = f"conversations with tools have a template of their own (tool_use, SHA-256 {digest})"
    notes = dict.fromkeys((*plain.facts.notes, own, *with_tools.facts.notes))
    return TemplateFacts(tools=with_tools.facts.tools, notes=tuple(notes))


def fold(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The conversation without a system role: its instruction stands before the first words of the user."""
    system, *rest = messages
    if rest and rest[0].role == "user":
        return (replace(rest[0], content=f"{system.content}\n\n{rest[0].content}"), *rest[1:])
    return (replace(system, role="user"), *rest)


def _numbered(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The conversation with a number for each text and each name of a call."""
    return tuple(
        replace(
            message,
            content=message.content and str(NUMBERS + place),
            tool_calls=tuple(
                replace(call, name=f"f{NUMBERS + 1000 * (number + 1) + place}")
                for number, call in enumerate(message.tool_calls)
            ),
        )
        for place, message in enumerate(messages)
    )


def _numbered_tools(tools: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """The tools with a number in each name, so that no other word can be taken for it."""
    return tuple(
        {**tool, "function": {**tool["function"], "name": f"{tool['function'].get('name')}_{NUMBERS - 1 - place}"}}
        if isinstance(tool.get("function"), Mapping)
        else tool
        for place, tool in enumerate(tools)
    )


def _hidden(tools: Sequence[Mapping[str, Any]], text: str) -> list[str]:
    """The numbered tools that a prompt does not tell: their names, and those of their arguments. Words that JSON may
    write otherwise are not looked for."""
    found = []
    for place, tool in enumerate(tools):
        function = tool.get("function")
        if not isinstance(function, Mapping):
            continue
        parameters = function.get("parameters")
        arguments = parameters.get("properties") if isinstance(parameters, Mapping) else None
        plain = [name for name in arguments if re.fullmatch(r"\w+", name, re.ASCII)] if arguments else []
        if any(word not in text for word in (str(NUMBERS - 1 - place), *plain)):
            found.append(f"{str(function['name']).rpartition('_')[0]:.60}")
    return found


def _unwritten(numbered: Sequence[Message], text: str) -> list[str]:
    """What of a numbered conversation is not in a text, in words. Of a message with calls these count: many templates
    have no place for words beside them."""
    return [
        f"message {place} ({message.role})"
        for place, message in enumerate(numbered, start=1)
        if any(word not in text for word in [call.name for call in message.tool_calls] or [message.content])
    ]
