"""Submissions of somebody who means harm: of 38 values at every key, what could be more than text is refused.

What is left is text that people read, and that pages and terminals escape (tests/site/test_build.py,
tests/terminal/test_hostile_text.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_slm.core.submission import EngineSettings
from pytest_slm.errors import UsageError
from pytest_slm.load import load_submission
from pytest_slm.load.submissions import MODEL_KEYS, QUANTIZATION_KEYS

TEXT = {
    **{"up": "../../etc/passwd", "absolute": "/etc/passwd", "drive": "C:/x", "backslash": "a\\..\\b"},
    **{"shell": "$(id)", "backtick": "`id`", "semicolon": "a;rm -rf /", "pipe": "a|sh", "variable": "${HOME}"},
    **{"url": "https://evil.example/x", "file_url": "file:///etc/passwd", "ssh": "git@evil:x/y", "tilde": "~/x"},
    **{"revision": "org/name@../../x", "option": "--upload-pack=x", "template": "{{7*7}}"},
    **{"html": "<script>alert(1)</script>", "dots": "..", "dot": ".", "percent": "%2e%2e/x"},
    **{"slash": "a\u2215b", "fullwidth": "\uff0e\uff0e/x"},
}
"""What people could read as it is, in a name or an address."""

NEVER = {
    **{"nul": "a\0b", "line": "a\nb", "bell": "a\x07", "escape": "\x1b[2J", "bidi": "\u202eabc", "mark": "a\ufeffx"},
    **{"long": "x" * 100_000, "empty": "", "space": " ", "surrogate": "\ud800", "list": [1], "mapping": {"a": 1}},
    **{"deep": {"a": {"b": {"c": []}}}, "negative": -1, "huge": 10**30, "fraction": 1.5},
}
"""What nothing in a submission is."""

KEYS = [
    *(f"model.{key}" for key in MODEL_KEYS),
    *(f"model.quantizations.{key}" for key in QUANTIZATION_KEYS),
    *(f"model.engine.{key}" for key in EngineSettings.__dataclass_fields__),
]

READ = ("name", "family", "architecture", "license", "submitted_by", "contact")
PLACES = ("model.quantizations.source", "model.quantizations.file")
OUT = ("up", "absolute", "drive", "backslash", "revision", "dots")
HARMLESS = {
    **{f"model.{key}": {*TEXT} for key in READ},
    **{key: {*TEXT} - {*OUT} for key in PLACES},
    # numbers may be what is written for a commit, or for how many parameters there are
    "model.revision": {"fraction", "huge"},
    "model.parameters": {"fraction"},
}
"""By key, what is taken as it is: text that is only read, and names of places inside of a folder or a repository."""


def document(key: str, value: Any) -> Any:
    """A submission that has this value at this key."""
    _, *inside, last = key.split(".")
    if inside == ["quantizations"]:
        return {"model": {"hf_repo": "a/b", "quantizations": [{"name": "Q", "format": "gguf", last: value}]}}
    return {"model": {"hf_repo": "a/b", **({inside[0]: {last: value}} if inside else {last: value})}}


def refusal(write: Callable[..., Path], key: str, value: Any) -> str | None:
    """What is said against it; None if it is taken."""
    try:
        load_submission(write(json.dumps(document(key, value)), "m.yml"))
    except UsageError as error:
        return str(error)
    return None


@pytest.mark.parametrize("key", KEYS)
def test_what_is_hostile_is_refused_with_its_line(write: Callable[..., Path], key: str) -> None:
    said = {name: refusal(write, key, value) for name, value in {**TEXT, **NEVER}.items()}
    assert {name for name, message in said.items() if message is None} == HARMLESS.get(key, set())
    for message in filter(None, said.values()):
        for line in message.split("\n"):
            # one line, of a length that fits on a screen, that steers no terminal
            assert re.fullmatch(r"\S+m\.yml:1: .{10,700}  \[(submission|yaml)-[a-z-]+\]", line), line
            assert line.isprintable()


@pytest.mark.parametrize("key", ["model.categories", "model.tags"])
def test_words_of_a_list_are_names(write: Callable[..., Path], key: str) -> None:
    said = {name: refusal(write, key, [value]) for name, value in {**TEXT, **NEVER}.items()}
    assert {name for name, message in said.items() if message is None} == {*TEXT}


def test_there_are_more_than_300_of_them() -> None:
    refused = sum(len({*TEXT, *NEVER} - HARMLESS.get(key, set())) for key in KEYS)
    assert refused >= 1_000
