"""Answers to BFCL's questions of which it is known what they are worth: the right calls, and right calls made wrong."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_slm.bfcl.question import BfclQuestion
from pytest_slm.core.types import ToolCall


@dataclass(frozen=True, kw_only=True)
class Case:
    """Calls as an answer to a question, whether they are right, and what was done to them."""

    question: BfclQuestion
    calls: tuple[ToolCall, ...]
    right: bool
    change: str


def right_calls(question: BfclQuestion, *, published: bool = True) -> tuple[ToolCall, ...] | None:
    """The first acceptable value of everything that cannot be left out; None where BFCL's own answer allows none, in
    place of which we take an empty list."""
    calls = []
    for answer in question.answers:
        for name, parameters in answer.items():
            schema = question.function(name)["parameters"]
            wanted = {
                key: values
                for key, values in parameters.items()
                if "" not in values or (key in schema.get("required", ()) and key in schema["properties"])
            }
            if published and not all(wanted.values()):
                return None
            known = schema["properties"]
            calls.append(
                ToolCall(
                    name=name, arguments={key: shown(question, values, known[key]) for key, values in wanted.items()}
                )
            )
    return tuple(calls)


def shown(question: BfclQuestion, values: Sequence[Any], schema: Mapping[str, Any], *, wrong: bool = False) -> Any:
    """The first acceptable value, or a wrong one, as the model has to give it: in Java and JavaScript as source."""
    value = plain(next((one for one in values if one != ""), "")) if values else []
    value = _other_value(value) if wrong else value
    if question.language == "python" or isinstance(value, str):
        return value
    return source(value, question.language, str(schema["type"]), str(schema.get("items", {}).get("type")))


def plain(value: Any) -> Any:
    """A value out of one whose entries are lists of acceptable values, as in dictionaries."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: plain(next((one for one in values if one != ""), "")) for key, values in value.items() if "" not in values
    }


def source(value: Any, language: str, kind: str, nested: str) -> str:
    """A value in Java or JavaScript. Texts in a Java array have no quotes, which BFCL would take for part of them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value}{'L' if kind == 'long' else ''}"
    if language == "java":
        return _java(value, kind, nested)
    if isinstance(value, list):
        return f"[{', '.join(_js(one) for one in value)}]"
    return "{" + ", ".join(f"{key}: {_js(one)}" for key, one in value.items()) + "}"


def _java(value: Any, kind: str, nested: str) -> str:
    if isinstance(value, dict):
        return "new HashMap<>() {{ " + " ".join(f'put("{key}", {_quoted(one)});' for key, one in value.items()) + " }}"
    long = "L" if nested == "long" else ""
    if kind == "Array":
        return f"new {nested}[]{{{', '.join(map(str, value))}}}"
    return f"new ArrayList<>(Arrays.asList({', '.join(f'{_quoted(one)}{long}' for one in value)}))"


def _js(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_js, value))}]"
    return _quoted(value)


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


# -- right calls made wrong --------------------------------------------------------------------------------------------

LOST, MADE_UP = "no_such_function", "no_such_argument"


def mutations(question: BfclQuestion, seed: int = 0) -> Iterator[Case]:
    """The right calls, and one change after the other to one of them."""
    calls = right_calls(question)
    if calls is None:
        return
    chance = random.Random(f"{seed} {question.id}")
    yield Case(question=question, calls=calls, right=True, change="none")
    if len(calls) > 1:
        yield Case(question=question, calls=calls[::-1], right=True, change="reordered")
        yield Case(question=question, calls=calls[1:], right=False, change="missing call")
    yield Case(question=question, calls=(*calls, calls[0]), right=False, change="extra call")
    yield Case(question=question, calls=(), right=False, change="no call")
    place = chance.randrange(len(calls))
    call = calls[place]
    arguments, schema = dict(call.arguments or {}), question.function(call.name)["parameters"]

    def changed(change: str, *, name: str = call.name, right: bool = False, **given: Any) -> Case:
        new = replace(call, name=name, arguments=given.get("arguments", arguments))
        return Case(question=question, calls=(*calls[:place], new, *calls[place + 1 :]), right=right, change=change)

    yield changed("wrong name", name=LOST)
    yield changed("unknown argument", arguments={**arguments, MADE_UP: 1})
    accepted = next(iter(list(question.answers)[place].values()))
    for key in sorted(arguments):
        rest = {name: value for name, value in arguments.items() if name != key}
        yield changed("missing argument", arguments=rest, right="" in accepted[key] and key not in schema["required"])
        yield changed("wrong type", arguments={**arguments, key: _other_type(arguments[key])})
        wrong = shown(question, accepted[key], schema["properties"][key], wrong=True)
        yield changed("wrong value", arguments={**arguments, key: wrong})
        if isinstance(arguments[key], str) and question.language == "python" and arguments[key].strip():
            yield changed("heard alike", arguments={**arguments, key: _alike(arguments[key])}, right=True)
    for key in sorted(set(schema["properties"]) - set(arguments)):
        yield changed("extra argument", arguments={**arguments, key: "nobody asked for it"})


def _other_type(value: Any) -> Any:
    """A value that no parameter of that value's type takes."""
    return {"nobody": [None]} if not isinstance(value, dict) else 3.5


def _other_value(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 977
    if isinstance(value, str):
        return f"{value} zzqx"
    if isinstance(value, list):
        return [*value, *value, *value] if value else ["zzqx"]
    return {**value, "zzqx": 1}


def _alike(text: str) -> str:
    """The text as BFCL hears it alike: other case, and punctuation that does not count."""
    return f"_{text.upper().lower()}. "


# -- right calls, written in ways that BFCL reads or does not ----------------------------------------------------------


def texts(question: BfclQuestion) -> Iterator[str]:
    """The right calls of a question as texts, those that BFCL takes for calls and those that it does not."""
    calls = right_calls(question)
    if calls is None:
        return
    if question.language != "python":
        yield from _source_texts(question, calls)
        return
    written = ", ".join(
        f"{call.name}({', '.join(f'{key}={value!r}' for key, value in (call.arguments or {}).items())})"
        for call in calls
    )
    told = [{"name": call.name, "arguments": call.arguments} for call in calls]
    yield from (
        *(f"[{written}]", written, f"`[{written}]`", f"```\n[{written}]\n```", f"```python\n[{written}]\n```"),
        *(
            f"'[{written}]'",
            f"[{written}",
            f"{written}]",
            f"[{written},]",
            f"[[{written}]]",
            f"[{written}]\n[{written}]",
        ),
        *(f"The answer is [{written}]", f"[{written}] is the answer", f"<tool_call>{json.dumps(told)}</tool_call>"),
        *(json.dumps(told), f"[{written.replace('=', '=2+3*', 1)}]", f"[{written.replace('=', '=-', 1)}]"),
        *(
            f"[{written.replace('(', '(5, ', 1)}]",
            f"[{written.replace('=', '=x[1].y, z=', 1)}]",
            "",
            "[]",
            "abc",
            "[abc]",
        ),
        *(
            f"[{written.replace('=', '=g(a=1), z=', 1)}]",
            f"[{written.replace('(', '(import=1, ', 1)}]",
            "()",
            "f",
            "{}",
        ),
    )


def _source_texts(question: BfclQuestion, calls: Sequence[ToolCall]) -> Iterator[str]:
    """The same in Java and JavaScript."""
    schema = question.functions[0]["parameters"]["properties"]
    (call,) = calls

    def written(key: str, value: str) -> str:
        text = schema[key]["type"] in ("String", "any") and '"' not in value
        return f'{key}="{value}"' if text else f"{key}={value}"

    given = [written(key, value) for key, value in (call.arguments or {}).items()]
    whole = f"{call.name}({', '.join(given)})"
    yield from (
        *(
            f"[{whole}]",
            whole,
            f"```\n[{whole}]\n```",
            f"```java\n[{whole}]\n```",
            f"[{whole};]",
            f"[{whole}",
            f"[x = {whole}]",
        ),
        *(
            f"[{whole}, {whole}]",
            f"[{call.name}({', '.join(reversed(given))})]",
            f"[{call.name}({', '.join(given * 2)})]",
        ),
        *(
            f"[{call.name}({', '.join([*given, 'other'])})]",
            f"[{call.name}({', '.join([*given, '5'])})]",
            f"[{call.name}()]",
        ),
        *(
            f"[await {whole}]",
            f"[new {whole}]",
            f"[{whole.replace('(', '( ').replace(',', ' , ')}]",
            f"[{whole[:-1]}]",
            "[]",
            "abc",
        ),
        *(
            f"[{call.name}({', '.join([*given, 'more=true'])})]",
            whole.replace('"', "'"),
            f"The call is {whole}.",
            f"[{whole} + 1]",
        ),
    )
