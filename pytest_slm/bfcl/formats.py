"""The formats of BFCL's prompts: how functions are described and calls are to be written. The texts are data of the
suite (``Texts``); what is put together here is their order, and the forms of the functions."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

from pytest_slm.bfcl.categories import language_of
from pytest_slm.core.record import Record, RecordError

Function = Mapping[str, Any]
RETURN_FORMATS = ("python", "json", "verbose_xml", "concise_xml")


@dataclass(frozen=True, kw_only=True)
class Texts(Record):
    """The texts of BFCL's prompts, as a file of the suite has them, with their source and licence.

    ``styles`` and ``layouts`` are by name, ``output_formats`` and ``parameter_types`` by the notation of calls,
    ``hints`` by the language of the functions. ``format_sensitivity`` lists the questions that BFCL asks in every
    format, by category.
    """

    source: str
    license: str
    styles: Mapping[str, Mapping[str, str]]
    layouts: Mapping[str, str]
    output_formats: Mapping[str, str]
    parameter_types: Mapping[str, str]
    hints: Mapping[str, str]
    parameter_hints: Mapping[str, str]
    format_sensitivity: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class PromptFormat(Record):
    """One format, by BFCL's names of its parts: the notation of calls, whether they stand between tags, how functions
    are described, and the layout and wording of the text. Without any, it is BFCL's own format."""

    ret_fmt: Literal["python", "json", "verbose_xml", "concise_xml"] = "python"
    tool_call_tag: bool = False
    func_doc_fmt: Literal["python", "xml", "json"] = "json"
    prompt_fmt: Literal["plaintext", "markdown"] = "plaintext"
    style: Literal["classic", "experimental"] = "classic"

    def __str__(self) -> str:
        return "&".join(f"{name}={value}" for name, value in self.to_json().items())

    @classmethod
    def parse(cls, text: str) -> PromptFormat:
        """The format that BFCL writes as ``ret_fmt=python&tool_call_tag=False&...``; parts may be left out."""
        parts = dict(part.partition("=")[::2] for part in text.split("&") if part)
        tag = {"True": True, "False": False}
        said: dict[str, Any] = {
            name: tag.get(value, value) if name == "tool_call_tag" else value for name, value in parts.items()
        }
        try:
            return cls.from_json(said)
        except RecordError as error:
            raise RecordError(f"format: {error}; {str(cls())!r} is BFCL's own") from None


FORMATS: tuple[PromptFormat, ...] = (
    *(
        PromptFormat.from_json({"ret_fmt": notation, "tool_call_tag": tag, "func_doc_fmt": described})
        for notation, tag, described in product(RETURN_FORMATS, (True, False), ("python", "xml", "json"))
    ),
    PromptFormat(prompt_fmt="markdown"),
    PromptFormat(style="experimental"),
)
"""The 26 formats of BFCL's format sensitivity."""


def filled(template: str, **values: str) -> str:
    """A text with values in the places of their names; what is in a value is no place."""
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), template)


def system_prompt(form: PromptFormat, functions: Sequence[Function], texts: Texts) -> str:
    """What stands in the system message of a model that is shown functions as text."""
    style = texts.styles[form.style]
    called = style["tool_call_with_tag" if form.tool_call_tag else "tool_call_no_tag"]
    return filled(
        texts.layouts[form.prompt_fmt],
        persona=style["persona"],
        task=style["task"],
        multiturn_behavior=style["multiturn_behavior"],
        tool_call_format=filled(
            called,
            output_format=texts.output_formats[form.ret_fmt],
            param_types=texts.parameter_types[form.ret_fmt],
        ),
        available_tools=filled(
            style["available_tools"], format=form.func_doc_fmt, functions=described(functions, form.func_doc_fmt)
        ),
    )


def hinted(functions: Sequence[Function], category: str, texts: Texts) -> list[dict[str, Any]]:
    """The functions as BFCL shows them: each says its language, and parameters of Java and JavaScript are texts."""
    language = language_of(category)
    shown = copy.deepcopy([dict(function) for function in functions])
    for function in shown:
        function["description"] = function.get("description", "") + texts.hints[language]
        if language != "python":
            for schema in function["parameters"]["properties"].values():
                _as_text(schema, language, texts.parameter_hints)
    return shown


def _as_text(schema: dict[str, Any], language: str, hints: Mapping[str, str]) -> None:
    kind = str(schema.get("type"))
    told = [filled(hints.get(f"{language} {kind}", hints[language]), type=kind)]
    if kind in ("Array", "ArrayList", "array") and "items" in schema:
        told.append(filled(hints["items"], type=str(schema.pop("items").get("type"))))
    if kind == "dict" and "properties" in schema:
        told.append(filled(hints["properties"], schema=json.dumps(schema.pop("properties"))))
    schema.update(type="string", description=schema.get("description", "") + "".join(told))


# -- how functions are described ---------------------------------------------------------------------------------------


def described(functions: Sequence[Function], form: str) -> str:
    """The functions as JSON, XML or the documentation of Python functions."""
    if form == "json":
        return json.dumps(list(functions), indent=4)
    if form == "xml":
        return "\n".join(map(_xml_function, functions))
    return "\n\n".join(text for function in functions for text in (_python_function(function), "\n"))


def _about(schema: Mapping[str, Any]) -> str:
    values = f" Enum values: {schema['enum']}." if "enum" in schema else ""
    return f"{schema.get('description', '')}{values}"


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = schema.get("properties", {})
    return found


def _python_function(function: Function) -> str:
    parameters = _properties(function.get("parameters", {}))
    lines = [line for name, schema in parameters.items() for line in _python_parameter(name, schema, 0)]
    return "".join(
        [
            f"# Function: {function['name']}\n",
            '    """\n',
            f"    {function.get('description', '')}\n\n",
            *(["    Args:\n", *lines] if parameters else []),
            '    """\n',
        ]
    )


def _python_parameter(name: str, schema: Mapping[str, Any], depth: int) -> Iterator[str]:
    default = f", default={schema['default']!r}" if "default" in schema else ""
    yield f"{'    ' * (depth + 2)}{name} ({_python_type(schema)}{default}): {_about(schema)}\n"
    for inner, its in _properties(schema).items():
        yield from _python_parameter(inner, its, depth + 1)


def _python_type(schema: Mapping[str, Any]) -> str:
    kind = str(schema.get("type", "string"))
    if kind in ("array", "list", "tuple") and "items" in schema:
        return f"list[{_python_type(schema['items'])}]"
    if kind in ("object", "dict"):
        values = schema.get("additionalProperties")
        return "dict" if values is None else f"dict[str, {_python_type(values)}]"
    return {"string": "str", "number": "float", "integer": "int", "boolean": "bool"}.get(kind, kind)


def _xml_function(function: Function) -> str:
    parameters = function["parameters"]
    inside = _xml_parameters(parameters, 2)
    about = f"  <desc>{function.get('description', '')}</desc>\n  <params>\n{inside}  </params>\n"
    return f'<function name="{function["name"]}">\n{about}</function>\n'


def _xml_parameters(schema: Mapping[str, Any], depth: int) -> str:
    # Where nobody says which parameters are required, all are.
    required = schema.get("required")
    return "".join(
        _xml_parameter(name, its, "true" if required is None or name in required else "false", depth)
        for name, its in _properties(schema).items()
    )


def _xml_parameter(name: str, schema: Mapping[str, Any], required: str, depth: int) -> str:
    kind, indent = schema.get("type", "string"), "  " * depth
    items, values = schema.get("items"), schema.get("additionalProperties")
    if items is not None and "type" in items:
        kind = f"{kind}[{items['type']}]"
    elif values is not None:
        kind = f"{kind}[{values.get('type', 'string')}]"
    attributes = f'name="{name}" type="{kind}" required="{required}"'
    if "default" in schema:
        attributes += f' default="{schema["default"]!r}"'
    # BFCL takes every comma out of a tag, those of defaults too.
    text = f"{indent}<param {attributes.replace(',', '')}>\n{indent}  <desc>{_about(schema)}</desc>\n"
    if "properties" in schema:
        text += f"{indent}  <params>\n{_xml_parameters(schema, depth + 2)}{indent}  </params>\n"
    return f"{text}{indent}</param>\n"
