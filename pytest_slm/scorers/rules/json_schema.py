"""Is the answer JSON, valid under a schema, and does it say what the target says?"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.types import Generation, Sample, Verdict
from pytest_slm.files import MIB, inside, parse_json, read_json
from pytest_slm.scorers import Rule, Setting
from pytest_slm.scorers.answer import answer_of, bad_sample, bounded, no_answer
from pytest_slm.scorers.rules.process import LimitError, limited, unscored

LARGEST_SCHEMA = MIB
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n`]*\n(.*?)(?:^[ \t]*\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class JsonSchemaOptions(Record):
    """``schema`` is a JSON Schema, or the name of a file with one in the suite's folder. ``partial``: of an object the
    share of its parts that are right counts. ``anywhere``: JSON may stand in the middle of other text. ``extra_keys``:
    an object may have keys that the target's has not."""

    schema: str | bool | Mapping[str, Any] | None = None
    partial: bool = False
    anywhere: bool = False
    extra_keys: bool = True


def prepare(options: JsonSchemaOptions, setting: Setting) -> JsonSchemaOptions:
    """The options with the schema itself. Raises RecordError for one that cannot be used."""
    schema: Any = options.schema
    if isinstance(schema, str):
        try:
            schema = read_json(inside(setting.folder, schema), LARGEST_SCHEMA)
        except OSError as error:
            raise RecordError(f"schema: {schema!r:.80} cannot be read ({error.strerror})") from None
        except ValueError as error:
            raise RecordError(f"schema: {schema!r:.80} is no JSON ({error})") from None
        if not isinstance(schema, dict | bool):
            raise RecordError(f"schema: {options.schema!r:.80} holds no schema, which is an object")
    if schema is not None:
        try:
            problem = limited("check_schema", schema=schema)
        except LimitError as error:
            problem = f"looking at it {error}"
        if problem:
            raise RecordError(f"schema: {problem}")
    return replace(options, schema=schema)


@bounded
def json_schema(sample: Sample, generation: Generation, options: JsonSchemaOptions) -> Verdict:
    """Right if the answer is JSON, bare or in a fenced block (the last one that is JSON), which is valid under the
    schema and has every value that the sample's target has.

    Its further values: ``valid``, whether it is JSON and valid, whatever it says; ``json_share``, the share of the
    answer's letters that are the JSON's.
    """
    answer = answer_of(generation)
    if not answer:
        return no_answer()
    found = list(values_in(answer, anywhere=options.anywhere))
    if not found:
        values = {"valid": 0.0, "json_share": 0.0}
        return Verdict(value=0.0, answer=answer, explanation=_why_none(answer), values=values)
    text, value = found[-1]
    values = {"valid": 1.0, "json_share": len(text) / len(answer)}
    parts, wrong = {""}, list[tuple[str, str]]()
    if options.schema is not None:
        try:
            seen, errors = limited("schema", schema=options.schema, value=value)
        except LimitError as error:
            return unscored(text, "validation", error)
        parts |= set(seen)
        wrong += [(part if part in parts else "", f"{place}: {message}") for part, place, message in errors]
        values["valid"] = float(not errors)
    if sample.target is not None:
        parts |= set(sample.target) if isinstance(sample.target, Mapping) else set()
        wrong += differences(sample.target, value, extra_keys=options.extra_keys)
    if not wrong:
        told = "the JSON is valid and says what is expected"
        return Verdict(value=1.0, answer=text, explanation=told, values=values)
    right = len(parts - {part for part, _ in wrong}) if options.partial and isinstance(value, dict) else 0
    told = "; ".join(dict.fromkeys(problem for _, problem in wrong))
    share = f"{right} of {len(parts)} parts are right; " if options.partial else ""
    return Verdict(value=right / len(parts), answer=text, explanation=f"{share}{told:.600}", values=values)


def values_in(text: str, *, anywhere: bool) -> Iterator[tuple[str, Any]]:
    """The JSON in an answer, with its text: the whole answer, else its fenced blocks, else (``anywhere``) what stands
    between brackets."""
    if found := _parsed(text):
        yield found
        return
    fenced = [one for block in _FENCE.finditer(text) if (one := _parsed(block[2].strip()))]
    yield from fenced
    if not fenced and anywhere:
        yield from filter(None, map(_parsed, _bracketed(text)))


def _parsed(text: str) -> tuple[str, Any] | None:
    try:
        return text, parse_json(text)
    except (ValueError, RecursionError):
        return None


def _why_none(answer: str) -> str:
    blocks = [block[2].strip() for block in _FENCE.finditer(answer)]
    try:
        parse_json(blocks[-1] if blocks else answer)
    except ValueError as error:
        return f"no JSON: {error!s:.200}"
    return "no JSON"


def _bracketed(text: str) -> Iterator[str]:
    """What stands between an opening bracket and its closing one, outermost and in order; each letter is looked at
    once."""
    opened = start = 0
    quoted = escaped = False
    for place, letter in enumerate(text):
        if quoted:
            quoted = escaped or letter != '"'
            escaped = letter == "\\" and not escaped
        elif letter == '"':
            quoted = opened > 0
        elif letter in "[{":
            start, opened = (place if not opened else start), opened + 1
        elif letter in "]}" and opened:
            opened -= 1
            if not opened:
                yield text[start : place + 1]


def differences(target: Any, value: Any, *, extra_keys: bool = True) -> list[tuple[str, str]]:
    """What a value has not of its target, as (key, problem): an object may have more keys unless ``extra_keys`` says
    otherwise, a list no more items."""
    inner = partial(differences, extra_keys=extra_keys)
    if isinstance(target, Mapping) and isinstance(value, Mapping):
        found = []
        for key, wanted in target.items():
            if key not in value:
                found.append((key, f"{key!r:.80} is missing"))
            elif inner(wanted, value[key]):
                found.append((key, f"{key!r:.80} is {value[key]!r:.80}, expected {wanted!r:.80}"))
        more = [] if extra_keys else [key for key in value if key not in target]
        return found + [("", f"{key!r:.80} is not expected") for key in more]
    if isinstance(target, list | tuple) and isinstance(value, list):
        same = len(target) == len(value) and not any(map(inner, target, value))
    else:  # true is not 1, though Python says so
        same = target == value and isinstance(target, bool) == isinstance(value, bool)
    return [] if same else [("", f"it is {value!r:.80}, expected {target!r:.80}")]


def check(sample: Sample, options: JsonSchemaOptions) -> None:
    """Raise UsageError for a sample that says nothing of what is right."""
    if options.schema is None and sample.target is None:
        raise bad_sample(sample, "there is neither a schema nor a target. Give `schema` under `scoring`, or a target")


def right(sample: Sample, options: JsonSchemaOptions) -> tuple[str, ...]:
    """The target as JSON. One that is only a part of a valid answer is none by itself."""
    if sample.target is None:
        return ()
    try:
        whole = options.schema is None or not limited("schema", schema=options.schema, value=sample.target)[1]
    except LimitError:
        return ()
    return (json.dumps(sample.target, ensure_ascii=False),) if whole else ()


JSON_SCHEMA = Rule(
    judge=json_schema,
    options=JsonSchemaOptions,
    prepare=prepare,
    check=check,
    right=right,
    compares=lambda options: options.schema is None,
)
