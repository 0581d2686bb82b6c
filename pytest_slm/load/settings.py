"""``--slm-set KEY=VALUE``: settings of the engine by their names in ``engine:`` of a submission, and rarer ones of
sampling. The words are typed by the fields that they are for, and those fields are what the docs and --help list."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pytest_slm.core.record import RecordError
from pytest_slm.core.request import SAMPLING, GenerationSettings
from pytest_slm.core.submission import CHOICES, EngineSettings
from pytest_slm.errors import UsageError, did_you_mean

OPTION = "--slm-set"
SAMPLERS: Mapping[str, tuple[str, str]] = {
    "top_k": ("of the likeliest tokens, how many chance may choose from (0: all)", "40"),
    "min_p": ("chance leaves out what is less likely than this share of the likeliest", "0.05"),
}
"""Settings of sampling that have no option of their own: what they mean, and an example."""
OWN_OPTIONS = ("threads", "n_ctx", "gpu_layers", *(name for name in SAMPLING if name not in SAMPLERS))
FILES = {
    "engine_lib": "a file",
    "draft_model": "a file",
    "lora": "a file, or FILE:SCALE with a scale such as 0.5",
}
FLAGS = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}

_ENGINE = {field.name: field for field in dataclasses.fields(EngineSettings) if "meaning" in field.metadata}


def read_settings(texts: Iterable[str], taken: Mapping[str, Any]) -> tuple[EngineSettings, dict[str, Any]]:
    """What ``KEY=VALUE`` texts say of the engine, and of sampling; ``taken`` has the values that other options give by
    the same names. Raises UsageError for an unknown key, one that is given twice, and a value that it cannot have."""
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        if key not in _ENGINE and key not in SAMPLERS:
            raise UsageError(f"{OPTION} {text:.80}: {_unknown(key)}", slug="unknown-setting")
        if not equals or not value:
            raise _wrong(key, text, f"expected KEY=VALUE, as in {key}={_example(key)}")
        if key in found or taken.get(key) is not None:
            other = f"--slm-{key.replace('_', '-')}" if taken.get(key) is not None else OPTION
            raise _wrong(key, text, f"{other} says {key} already, and only one can be meant: leave out the other")
        found[key] = _value(key, value, text)
    sampling = {key: found.pop(key) for key in SAMPLERS if key in found}
    try:
        GenerationSettings(**sampling)
        return EngineSettings(**found), sampling
    except RecordError as error:
        raise UsageError(f"{OPTION}: {error}; see docs/settings.md", slug="option-value") from None


def table() -> str:
    """The settings as a table of Markdown, for docs/settings.md."""
    rows = [
        (f"`{name}`", field.metadata["meaning"], _words(name), field.metadata["engine"], _example(name))
        for name, field in _ENGINE.items()
    ]
    rows += [(f"`{name}`", meaning, _words(name), "both", example) for name, (meaning, example) in SAMPLERS.items()]
    lines = ["| key | what it is | values | engine | example |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row[:4])} | `{OPTION} {row[0][1:-1]}={row[4]}` |" for row in rows)])


def keys() -> tuple[str, ...]:
    """All keys, in the order of the table."""
    return (*_ENGINE, *SAMPLERS)


def _unknown(key: str) -> str:
    if key in OWN_OPTIONS or key in GenerationSettings().to_json():
        return f"{key} has an option of its own, --slm-{key.replace('_', '-')}"
    return f"unknown setting {key!r:.40}. {did_you_mean(key, keys())}"


def _kind(key: str) -> Any:
    """The type of a setting, without its None."""
    hint = typing.get_type_hints(EngineSettings if key in _ENGINE else GenerationSettings)[key]
    (kind,) = (part for part in typing.get_args(hint) if part is not types.NoneType)
    return kind


def _words(key: str) -> str:
    """The values that a setting can have, in words."""
    if key in CHOICES:
        return ", ".join(CHOICES[key])
    if key in FILES:
        return FILES[key]
    words = {int: "a whole number", float: "a number", bool: "on, off", str: "a text"}
    return words.get(_kind(key), "numbers with commas")


def _value(key: str, value: str, text: str) -> Any:
    if key in CHOICES:
        known = {word.casefold(): word for word in CHOICES[key]}
        if value.casefold() not in known:
            raise _wrong(key, text, f"{key} is one of {', '.join(CHOICES[key])}")
        return known[value.casefold()]
    if key in FILES:
        return _file(key, value, text)
    kind = _kind(key)
    if kind is bool:
        if value.casefold() not in FLAGS:
            raise _wrong(key, text, f"{key} is on or off")
        return FLAGS[value.casefold()]
    try:
        made = kind(value) if kind in (int, float, str) else [float(part) for part in value.split(",")]
        # The type's own check refuses what Python takes and a report cannot keep: nan, 1e400, 80 digits.
        (EngineSettings if key in _ENGINE else GenerationSettings).check_field(key, made)
    except (ValueError, RecordError):
        raise _wrong(key, text, f"{key} is {_words(key)}") from None
    return tuple(made) if isinstance(made, list) else made


def _file(key: str, value: str, text: str) -> str:
    """A file by its whole path, since processes elsewhere open it."""
    path, scale = EngineSettings(lora=value).adapter or (value, 1.0) if key == "lora" else (value, 1.0)
    if not math.isfinite(scale):
        raise _wrong(key, text, f"{key} is {FILES[key]}")
    if not Path(path).is_file():
        raise _wrong(key, text, "no such file")
    return f"{Path(path).absolute()}{f':{scale:g}' if key == 'lora' else ''}"


def _example(key: str) -> str:
    return str(_ENGINE[key].metadata["example"]) if key in _ENGINE else SAMPLERS[key][1]


def _wrong(key: str, text: str, problem: str) -> UsageError:
    return UsageError(f"{OPTION} {text:.80}: {problem}", slug="option-value")
