"""What stands in a model's own repository: a table for its card, and results as the Hugging Face Hub reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from pytest_slm.core.types import MEASURED
from pytest_slm.markdown import escaped
from pytest_slm.registry.entry import Item, Registry, RegistryEntry, ReportReference
from pytest_slm.registry.rows.making import entry_rows
from pytest_slm.registry.rows.row import Row
from pytest_slm.registry.speeds import Quantity

NONE = "–"
MEASURES = ("tok/s", "First token", "Peak memory", "Measured on")


def markdown(entry: RegistryEntry) -> Mapping[str, str]:
    """``<model>.md``: a table with a line for each quantization on each machine."""
    return {f"{entry.id}.md": card(entry)}


def card(entry: RegistryEntry) -> str:
    """The Markdown table of one model."""
    rows = entry_rows(entry)
    cases = sorted({name for row in rows for name in row.scores})
    titles = {name: row.titles[name] for row in rows for name in row.scores}
    head = ["Quantization", "Bits", "Size", *(_plain(titles[name]) for name in cases), *MEASURES]
    lines = [head, ["---"] * len(head), *(_line(row, cases) for row in rows)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    foot = (
        "Scores are points from 0 to 100 with their 95 % interval, the number of samples (n) and the score of guessing "
        "(chance). Speeds were measured on the machine that is named, and are not comparable with those of others. "
        "Measured with [pytest-slm](https://pypi.org/project/pytest-slm/)."
    )
    return f"{table}\n\n{foot}\n"


def _line(row: Row, cases: Sequence[str]) -> list[str]:
    size = f"{row.size_bytes / 1e6:.0f} MB" if row.size_bytes else NONE
    bits = f"{row.bits_per_weight:.2f}" if row.bits_per_weight else NONE
    place = _plain(row.machine_title or row.unverified or NONE)
    speeds = [_speed(row.tps), _speed(row.ttft), _peak(row.peak), place]
    return [_plain(row.quantization), bits, size, *(_score(row, name) for name in cases), *speeds]


def _score(row: Row, name: str) -> str:
    case = row.scores.get(name)
    if case is None:
        return NONE
    interval = f" ({case.interval[0]:.1f} to {case.interval[1]:.1f})" if case.interval else ""
    chance = "" if case.chance is None else f", chance {case.chance:.0f}"
    mode = "" if case.recommended is not None else f", {_plain(case.mode) if case.mode != 'full' else 'limited'}"
    part = ", part of the data" if any(task.part for task in case.benchmarks) else ""
    return f"{case.score:.1f}{interval}, n = {case.n}{chance}{mode}{part}"


def _speed(quantity: Quantity | None) -> str:
    if quantity is None:
        return NONE
    noisy = ", noisy" if quantity.verdict == "noisy" else ""
    unit = "" if quantity.unit == "tok/s" else f" {_plain(quantity.unit)}"
    value = f"{quantity.value:.0f}" if quantity.value >= 100 else f"{quantity.value:.3g}"
    return f"{value}{unit} ({_plain(quantity.of)}{noisy})"


def _peak(quantity: Quantity | None) -> str:
    of = f" ({_plain(quantity.of)})" if quantity and quantity.of else ""
    return NONE if quantity is None else f"{quantity.value / 1e6:.0f} MB{of}"


def _plain(text: str) -> str:
    """The text of a report as that of a cell: one line that is nothing but text."""
    return escaped(" ".join(text.split()))


def eval_results(entry: RegistryEntry) -> Mapping[str, str]:
    """``<model>/.eval_results/<quantization>.yaml``, to be put into a model's repository on the Hub: results of full
    runs on data sets of the Hub (https://huggingface.co/docs/hub/eval-results)."""
    made = {}
    for name in sorted(entry.quantizations):
        entries = [
            {
                "dataset": {"id": item.dataset, "task_id": item.task},
                "value": item.value,
                "date": reference.finished,
                "notes": _notes(entry, name, item, reference),
            }
            for item, reference in _published(entry, name)
        ]
        if entries:
            made[f"{entry.id}/.eval_results/{name}.yaml"] = _yaml(entries)
    return made


def model_index(entry: RegistryEntry) -> Mapping[str, str]:
    """``<model>/model-index.yaml``: the block for the front matter of a model's card, of the same results."""
    models = [
        {
            "name": f"{entry.name} {name}",
            "results": [
                {
                    "task": {"type": "text-generation", "name": f"{item.suite}/{item.task}"},
                    "dataset": {"type": item.dataset, "name": item.task},
                    "metrics": [
                        {"type": item.metric, "value": item.value, "name": _notes(entry, name, item, reference)}
                    ],
                }
                for item, reference in _published(entry, name)
            ],
        }
        for name in sorted(entry.quantizations)
    ]
    models = [model for model in models if model["results"]]
    return {f"{entry.id}/model-index.yaml": _yaml({"model-index": models})} if models else {}


def left_out(registry: Registry) -> tuple[str, ...]:
    """The results of full runs that are not published, since they are of a part of a data set only, in words."""
    return tuple(
        f"{entry.id} {name}, {item.suite}/{item.task}: {item.part[0]:,} of {item.part[1]:,} questions"
        for entry in registry.models
        for name in sorted(entry.quantizations)
        for item, _ in _full(entry, name)
        if item.part is not None
    )


def _published(entry: RegistryEntry, quantization: str) -> Iterator[tuple[Item, ReportReference]]:
    """Items of full runs of whole data sets of the Hub. The Hub shows a bare number, which cannot say that it is of a
    few samples."""
    return ((item, reference) for item, reference in _full(entry, quantization) if item.part is None)


def _full(entry: RegistryEntry, quantization: str) -> Iterator[tuple[Item, ReportReference]]:
    """Items of full runs as tasks ask for them, on data sets of the Hub."""
    reports = {reference.path: reference for reference in entry.provenance.reports}
    if entry.quantizations[quantization].server:
        return
    for item in entry.quantizations[quantization].items:
        reference = reports.get(item.report)
        standard = reference and reference.mode == "full" and reference.limit is None and not reference.settings
        measured = item.outcome in MEASURED and item.value is not None
        if standard and reference and measured and item.dataset.count("/") == 1:
            yield item, reference


def _notes(entry: RegistryEntry, quantization: str, item: Item, reference: ReportReference) -> str:
    interval = f", 95 % interval {item.interval[0]:.4f} to {item.interval[1]:.4f}" if item.interval else ""
    chance = "" if item.chance is None else f", chance {item.chance:g}"
    variant = f", {item.variant}" if item.variant else ""
    weights = (entry.quantizations[quantization].weights_sha256 or "")[:12]
    return (
        f"{item.metric}{variant}, {quantization}, n = {item.n}{interval}{chance}; task version {item.version}, "
        f"{reference.engine}, weights sha256 {weights or 'unknown'}"
    )


def _yaml(data: Any) -> str:
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=1_000)
