"""The JSON Schemas of the run report and of the files of a registry, made from the types.

The files in ``schema/`` are what ``of`` gives for the types, and a test keeps them so; other programs can use them.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Mapping
from importlib import resources
from typing import Any, Literal

from pytest_slm.core.record import LARGEST_COUNT
from pytest_slm.core.rounds import Shape
from pytest_slm.core.types import (
    MODES,
    OUTCOMES,
    REPORT_SCHEMA,
    AnswerCounts,
    CutPrompts,
    Metric,
    Result,
    RunReport,
    ThinkingCounts,
)
from pytest_slm.errors import ReportError
from pytest_slm.registry.entry import REGISTRY_SCHEMA, RegistryMetadata, UseCase

Name = Literal["report", "index", "model"]

_TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_SCORE = {"type": "number", "minimum": 0, "maximum": 100}
_COUNT = {"type": "integer", "minimum": 0, "maximum": LARGEST_COUNT}
_COUNTS: Mapping[type, tuple[str, ...]] = {
    Result: ("n_scored", "n_unscored"),
    AnswerCounts: ("asked", "taken"),
    ThinkingCounts: ("answers", "censored"),
    CutPrompts: ("samples", "asked", "tokens", "most"),
}
_COUNTS_OR_NONE: Mapping[type, tuple[str, ...]] = {
    Result: ("answers_cut", "clusters"),
    ThinkingCounts: ("tokens",),
    Shape: ("depth", "prompt", "output", "context"),
}
# What the annotations cannot say.
_NARROWED: Mapping[tuple[type, str], Mapping[str, Any]] = {
    (RunReport, "schema"): {"const": REPORT_SCHEMA},
    (RunReport, "mode"): {"enum": list(MODES)},
    (RunReport, "created"): _TIME,
    (RunReport, "finished"): _TIME,
    (Result, "outcome"): {"enum": list(OUTCOMES)},
    (Metric, "n"): {**_COUNT, "minimum": 1},
    (RegistryMetadata, "schema_version"): {"const": REGISTRY_SCHEMA},
    (UseCase, "score"): _SCORE,
    (UseCase, "coverage"): _SHARE,
    (UseCase, "n"): {"type": "integer", "minimum": 1},
    (Metric, "chance"): {"anyOf": [_SHARE, {"type": "null"}]},
    **{(kind, name): _COUNT for kind, names in _COUNTS.items() for name in names},
    **{
        (kind, name): {"anyOf": [_COUNT, {"type": "null"}]} for kind, names in _COUNTS_OR_NONE.items() for name in names
    },
}


def of(root: type) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a record type: unknown keys are refused, at every depth."""
    definitions: dict[str, Any] = {}
    top = _schema(root, definitions)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **top, "$defs": definitions}


@functools.cache
def load(name: Name) -> dict[str, Any]:
    """The schema that ships with the package."""
    text = resources.files(__package__).joinpath("schema", f"{name}.schema.json").read_text(encoding="utf-8")
    return typing.cast(dict[str, Any], json.loads(text))


def validate(name: Name, document: object, where: object) -> None:
    """Raises ReportError that names the place of the first difference between a document and its schema."""
    if _fits(name, document):
        return
    import jsonschema  # at use: writing a report does not need it

    validator = jsonschema.Draft202012Validator(load(name))
    error = jsonschema.exceptions.best_match(validator.iter_errors(document))
    if error is not None:
        slug = "report-invalid" if name == "report" else "registry-invalid"
        raise ReportError(f"{where}: {error.json_path}: {error.message:.200}", slug=slug)


def _fits(name: Name, document: object) -> bool:
    """Whether jsonschema-rs, where it is installed, finds nothing: it is hundreds of times as fast. What it finds,
    jsonschema says in words."""
    try:
        import jsonschema_rs
    except ImportError:
        return False
    try:
        return bool(_compiled(name, jsonschema_rs).is_valid(document))
    except ValueError:  # a value that it cannot take
        return False


@functools.cache
def _compiled(name: Name, library: Any) -> Any:
    return library.validator_for(load(name))


def _schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any or kind is object:
        return {}
    if kind is type(None):
        return {"type": "null"}
    if origin in (types.UnionType, typing.Union):
        return {"anyOf": [_schema(argument, definitions) for argument in arguments]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple and arguments[-1] is Ellipsis:
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if origin is tuple:
        items = [_schema(argument, definitions) for argument in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema(arguments[1], definitions)}
    if dataclasses.is_dataclass(kind):
        return _record(typing.cast(type, kind), definitions)
    return {"type": {str: "string", bool: "boolean", int: "integer", float: "number"}[kind]}


def _record(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    if kind.__name__ not in definitions:
        definitions[kind.__name__] = {}
        hints = typing.get_type_hints(kind)
        fields = dataclasses.fields(kind)
        definitions[kind.__name__] = {
            "type": "object",
            "description": (kind.__doc__ or "").split("\n\n")[0].replace("\n", " ").replace("    ", "").strip(),
            "additionalProperties": False,
            "properties": {
                f.name: dict(_NARROWED.get((kind, f.name)) or _schema(hints[f.name], definitions)) for f in fields
            },
            "required": sorted(
                f.name for f in fields if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
            ),
        }
    return {"$ref": f"#/$defs/{kind.__name__}"}
