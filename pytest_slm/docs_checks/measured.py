"""Numbers in pages, by reference: ``{{ measured MODEL QUANTIZATION WHAT }}`` stands for one that the registry has.

So a page cannot say what nobody has measured, and says something else as soon as somebody has measured anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pytest_slm.docs_checks.findings import DocsError, Finding
from pytest_slm.errors import SlmError, did_you_mean
from pytest_slm.registry.folder import read_registry
from pytest_slm.registry.rows import Row, rows
from pytest_slm.registry.speeds import Quantity
from pytest_slm.site import numbers

PLACE = re.compile(r"\{\{\s*measured\b([^{}]*)\}\}")


def _rate(quantity: Quantity | None) -> str | None:
    if quantity is None:
        return None
    value, span = numbers.estimate(quantity.value, quantity.interval)
    return f"{value} {quantity.unit}{f' ({span})' if span else ''}"


def _bytes(quantity: Quantity | None) -> str | None:
    return None if quantity is None else numbers.size(quantity.value)


WORDS: Mapping[str, Callable[[Row], str | None]] = {
    "file_size": lambda row: None if row.size_bytes is None else numbers.size(row.size_bytes),
    "parameters": lambda row: None if row.parameters is None else numbers.parameters(row.parameters),
    "bits_per_weight": lambda row: None if row.bits_per_weight is None else f"{row.bits_per_weight:.2f}",
    "peak_memory": lambda row: _bytes(row.peak),
    "generation": lambda row: _rate(row.generation or row.tps),
    "prompt_processing": lambda row: _rate(row.prompt_processing),
    "first_token": lambda row: _rate(row.ttft),
    "machine": lambda row: row.machine_title or None,
}
"""What can be named, beside ``score:USE_CASE`` and ``memory:PART``."""


class RegistryNumbers:
    """The numbers of a registry, read when the first one is named."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._rows: tuple[Row, ...] | None = None
        self._problem = ""

    def value(self, words: str) -> tuple[str, str]:
        """What ``MODEL QUANTIZATION WHAT`` stands for, or why it stands for nothing."""
        model, quantization, what, *more = (*words.split(), "", "", "")
        if not what or any(more):
            return "", "write {{ measured MODEL QUANTIZATION WHAT }}"
        found = self._found()
        if self._problem:
            return "", self._problem
        mine = [row for row in found if row.model == model and row.quantization == quantization]
        if not mine:
            known = {row.model for row in found}
            if model not in known:
                return "", f"the registry has no model {model!r:.80}. {did_you_mean(model, known)}"
            known = {row.quantization for row in found if row.model == model}
            return "", f"the registry has no {quantization!r:.80} of it. {did_you_mean(quantization, known)}"
        kind, _, name = what.partition(":")
        if what not in WORDS and not (kind in ("score", "memory") and name):
            return "", f"nothing is called {what!r:.80}. {did_you_mean(what, (*WORDS, 'score:NAME', 'memory:NAME'))}"
        value = next(filter(None, (_value(row, kind, name) for row in mine)), None)
        return (value, "") if value else ("", f"{what} of {quantization} was not measured")

    def _found(self) -> tuple[Row, ...]:
        if self._rows is None:
            self._rows = ()
            if self._folder is None:
                self._problem = "docs.toml names no registry"
            else:
                try:
                    self._rows = rows(read_registry(self._folder))
                except SlmError as error:
                    self._problem = str(error.args[0])
        return self._rows


def _value(row: Row, kind: str, name: str) -> str | None:
    if kind == "memory":
        return _bytes(row.speed.memory.get(name)) if row.speed else None
    if kind == "score":
        score = row.score(name)
        if score is None:
            return None
        value, span = numbers.points(score.score, score.interval)
        return f"{value}{f' ({span})' if span else ''}"
    return WORDS[kind](row)


def check_measured(shown: str, text: str, measured: RegistryNumbers) -> Iterator[Finding]:
    """Numbers that a page names and nobody has."""
    for found in PLACE.finditer(text):
        _, problem = measured.value(found.group(1))
        if problem:
            yield Finding(path=shown, line=text.count("\n", 0, found.start()) + 1, problem=problem)


def filled(shown: str, text: str, measured: RegistryNumbers) -> str:
    """The text with its numbers. Raises DocsError where there is none."""
    findings = list(check_measured(shown, text, measured))
    if findings:
        raise DocsError(findings)
    return PLACE.sub(lambda found: measured.value(found.group(1))[0], text)
