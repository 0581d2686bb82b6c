"""Registry -> the page of comparisons: a script for each file with the scores of its questions, and a list of files.

Pages that are files may read no JSON, but scripts of their own site: so each file is one call of a function of the
page's script with plain data. ``compare/<model>/<quantization>.js`` is read when an address names it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from pytest_slm.core.aggregation import ScoreRules
from pytest_slm.core.types import MEASURED
from pytest_slm.registry.entry import Item, QuantizationEntry, RegistryEntry
from pytest_slm.registry.rows import entry_rows
from pytest_slm.site import numbers
from pytest_slm.site.model.reference import made_sentence
from pytest_slm.site.render import scripted_page
from pytest_slm.site.titles.definitions import task_title
from pytest_slm.site.titles.wording import profile_title, words
from pytest_slm.site.views import title_of

SCRIPTS = ("compare.js", "compare-page.js")


def compare_page() -> str:
    """``compare.html``: style and scripts stand in it, so that a comparison of two is three requests."""
    return scripted_page("compare.html", *SCRIPTS)


def model_scripts(entry: RegistryEntry, rules: ScoreRules) -> dict[str, str]:
    """The scripts with the data of a model's files, by path."""
    return {
        f"compare/{entry.id}/{file_key(name)}.js": _call("slmFile", _file(entry, name, rules))
        for name, one in entry.quantizations.items()
        if has_file(one)
    }


def listed(entry: RegistryEntry) -> list[Any] | None:
    """What the list of files says of a model; None where it has nothing to be compared."""
    kinds = [name for name, one in entry.quantizations.items() if has_file(one)]
    return [entry.id, entry.name, [[file_key(name), name] for name in kinds]] if kinds else None


def index_script(models: Iterable[list[Any] | None]) -> str:
    """The list of all files that can be compared."""
    return _call("slmIndex", [one for one in models if one is not None])


def has_file(one: QuantizationEntry) -> bool:
    """Whether there is anything in a quantization to be compared."""
    return any(item.questions is not None for item in one.items)


def file_key(quantization: str) -> str:
    """What stands behind the @ of an address: the name where that is plain, else a hash of it."""
    if re.fullmatch(r"[A-Za-z0-9][\w.-]{0,60}", quantization, flags=re.ASCII) and ".." not in quantization:
        return quantization
    return hashlib.sha256(quantization.encode(errors="backslashreplace")).hexdigest()[:16]


def _call(function: str, data: object) -> str:
    """A script of one call. JSON is JavaScript, and in ASCII there is no letter that either could take otherwise."""
    return f"{function}({json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(',', ':'))});\n"


def _file(entry: RegistryEntry, name: str, rules: ScoreRules) -> dict[str, Any]:
    one = entry.quantizations[name]
    profile = next((profile for profile in rules.profiles if profile.name in entry.aggregates), None)
    modes = sorted({item.mode for item in one.items if item.questions is not None})
    return {
        "key": f"{entry.id}@{file_key(name)}",
        "title": f"{entry.name} {name}",
        "href": f"models/{entry.id}.html",
        "mode": " and ".join(modes),
        "lost_before": made_sentence(f"{entry.name} {name}", one) if one.made_from else "",
        "facts": [list(fact) for fact in _facts(entry, name)],
        "profile": profile_title(profile.name) if profile else "",
        "weights": dict(profile.weights) if profile else {},
        "suites": {suite: _title(entry, suite) for suite in sorted({item.suite for item in one.items})},
        "cases": {
            case: {
                "title": title_of(entry, case),
                "suite": use.suite,
                "tasks": {task.task: task.weight or 0.0 for task in use.benchmarks},
            }
            for case, use in one.use_cases.items()
        },
        "items": [_item(item) for item in one.items if item.outcome in MEASURED and item.unit == "share"],
    }


def _item(item: Item) -> dict[str, Any]:
    return {
        "suite": item.suite,
        "task": item.task,
        "title": task_title(item.suite, item.task),
        "variant": item.variant,
        "version": item.version,
        "metric": item.metric,
        "higher": item.higher_is_better is not False,
        "questions": item.questions.to_json() if item.questions else None,
        **({"sampled": item.sampled.to_json()} if item.sampled else {}),
    }


def _title(entry: RegistryEntry, suite: str) -> str:
    return words(entry.suites[suite].title if suite in entry.suites else suite)


def _facts(entry: RegistryEntry, name: str) -> Iterator[tuple[str, str, str]]:
    """Label, value and kind of what was measured; of one kind is what was timed at several lengths, the usual one
    first. The page shows of each kind the length that all files have."""
    one = entry.quantizations[name]
    if one.size_bytes:
        yield "File size", numbers.size(one.size_bytes), ""
    if one.bits_per_weight:
        yield "Bits per weight", f"{one.bits_per_weight:.3g}", ""
    if one.made_from:
        yield "Made from", f"{one.made_from}, by the tester", ""
    else:
        yield "Made from", "as it was published" if one.published else "not known", ""
    for row in entry_rows(entry):
        if row.quantization != name:
            continue
        where = f", {row.machine_title}" if row.machine_title else ""
        decode, ttft = (row.speed.decode, row.speed.ttft) if row.speed else ((), ())
        for label, usual, lengths in (("Speed", row.tps, decode), ("Time to first token", row.ttft, ttft)):
            for quantity in dict.fromkeys((*filter(None, [usual]), *lengths)):
                noisy = " (noisy)" if quantity.verdict == "noisy" else ""
                value = numbers.estimate(quantity.value, quantity.interval)[0]
                kind = f"{label}{where}"
                yield f"{label}, {quantity.of}{where}", f"{value}{numbers.NBSP}{quantity.unit}{noisy}", kind
        if row.peak is not None:
            of = f", {row.peak.of} of context" if row.peak.of else ""
            yield f"Peak memory{of}", numbers.size(row.peak.value), ""
