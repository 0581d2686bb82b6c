"""One tidy table of all results: a row for each number, or for each item that was not measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_slm.core.types import MEASURED
from pytest_slm.registry.entry import Item, Registry, RegistryEntry, ReportReference
from pytest_slm.registry.performance import SUITE
from pytest_slm.registry.points import AggregateScore, PastResult, UseCase
from pytest_slm.registry.rows.making import entry_rows
from pytest_slm.registry.rows.row import Row
from pytest_slm.registry.speeds import Quantity, QuantizationSpeed

RESULT: Mapping[str, type] = {
    "model": str,
    "name": str,
    "hf_repo": str,
    "revision": str,
    "quantization": str,
    "weights_sha256": str,
    "bits_per_weight": float,
    "size_bytes": int,
    "machine": str,
    "machine_title": str,
    "kind": str,
    "suite": str,
    "task": str,
    "variant": str,
    "version": int,
    "metric": str,
    "value": float,
    "lower": float,
    "upper": float,
    "n": int,
    "part_of": int,
    "chance": float,
    "unit": str,
    "higher_is_better": bool,
    "outcome": str,
    "reason": str,
    "verdict": str,
    "coverage": float,
    "rank": int,
    "mode": str,
    "sample_limit": int,
    "settings": str,
    "engine": str,
    "server": str,
    "dataset": str,
    "report": str,
    "report_sha256": str,
    "run_id": str,
    "finished": str,
}
"""The columns with their types; each may be null, where there is nothing to say."""


def table(registry: Registry) -> Iterator[dict[str, Any]]:
    """All results, in the order of models, quantizations and machines. ``kind`` says what a row is: ``item`` (a task's
    variant, shares from 0 to 1), ``use_case`` and ``aggregate`` (points from 0 to 100), ``speed``, or ``history``: what
    one of several runs gave by itself."""
    for entry in registry.models:
        reports = {reference.path: reference for reference in entry.provenance.reports}
        for row in entry_rows(entry):
            for result in _of_row(row, entry, reports):
                yield {name: result.get(name) for name in RESULT}


def _of_row(row: Row, entry: RegistryEntry, reports: Mapping[str, ReportReference]) -> Iterator[dict[str, Any]]:
    about = {
        "model": row.model,
        "name": row.name,
        "hf_repo": row.hf_repo,
        "revision": row.revision,
        "quantization": row.quantization,
        "weights_sha256": row.weights_sha256,
        "bits_per_weight": row.bits_per_weight,
        "size_bytes": row.size_bytes,
        "machine": row.machine or None,
        "machine_title": row.machine_title or None,
        "server": row.server,
    }
    for item in entry.quantizations[row.quantization].items:
        reference = reports.get(item.report)
        told_below = row.speed is not None and item.suite == SUITE and item.outcome in MEASURED
        if not told_below and ((reference and reference.machine) or "") == row.machine:
            yield {**about, "kind": "item", **_item(item), **_origin(reference)}
    for name, case in row.scores.items():
        yield {**about, "kind": "use_case", "suite": case.suite, "metric": name, "n": case.n, **_score(case)}
    for profile, total in row.aggregates.items():
        yield {**about, "kind": "aggregate", "metric": profile, "rank": total.rank, **_score(total)}
    if row.speed:
        of = {"mode": row.speed.mode, "engine": row.speed.engine, **_origin(reports.get(row.speed.report))}
        for task, metric, quantity in _quantities(row.speed):
            measure = {"kind": "speed", "suite": SUITE, "task": task, "metric": metric}
            yield {**about, **measure, **of, **_quantity(quantity)}
    for past in entry.quantizations[row.quantization].history:
        if (past.machine or "") == row.machine:
            yield {**about, "kind": "history", **_past(past), **_origin(reports.get(past.report))}


def _past(one: PastResult) -> dict[str, Any]:
    return {
        "suite": one.suite,
        "metric": one.what,
        "variant": one.of or None,
        "value": one.value,
        **_ends(one.interval),
        "n": one.n,
        "unit": one.unit,
        "higher_is_better": one.unit != "ms",
        "coverage": one.coverage,
        "mode": one.mode,
    }


def _origin(reference: ReportReference | None) -> dict[str, Any]:
    if reference is None:
        return {}
    return {
        "sample_limit": reference.limit,
        "settings": reference.settings or None,
        "engine": reference.engine,
        "report": reference.path,
        "report_sha256": reference.sha256 or None,
        "run_id": reference.run_id,
        "finished": reference.finished,
    }


def _item(item: Item) -> dict[str, Any]:
    return {
        "suite": item.suite,
        "task": item.task,
        "variant": item.variant or None,
        "version": item.version,
        "outcome": item.outcome,
        "reason": item.reason or None,
        "metric": item.metric,
        "value": item.value if item.outcome in MEASURED else None,
        **_ends(item.interval),
        "n": item.n,
        "part_of": item.part[1] if item.part else None,
        "chance": item.chance,
        "unit": item.unit,
        "higher_is_better": item.higher_is_better,
        "mode": item.mode,
        "verdict": item.verdict,
        "dataset": item.dataset or None,
    }


def _score(score: UseCase | AggregateScore) -> dict[str, Any]:
    return {
        "value": score.score,
        **_ends(score.interval),
        "chance": score.chance,
        "unit": "points",
        "higher_is_better": True,
        "coverage": score.coverage,
        "mode": score.mode,
        "sample_limit": score.limit,
        "settings": score.settings or None,
        "engine": getattr(score, "engine", None),
        "reason": getattr(score, "unranked", None) or None,
    }


def _quantities(speed: QuantizationSpeed) -> Iterator[tuple[str, str, Quantity]]:
    yield from (("decode", "decode_tps", one) for one in speed.decode)
    yield from (("ttft", "ttft", one) for one in speed.ttft)
    for task, metric, quantity in (
        ("prefill", "prefill_tps", speed.prefill_tps),
        ("generate", "decode_tps", speed.generate_tps),
        ("decode", "energy_per_token", speed.energy_per_token),
    ):
        if quantity is not None:
            yield task, metric, quantity
    series = {"decode": speed.latency, "ttft": speed.ttft_parts, "depth": speed.depth, "parallel": speed.parallel}
    for task, points in series.items():
        yield from ((task, name, one) for point in points for name, one in sorted(point.quantities.items()))
    for task, named in (("load", speed.load), ("memory", speed.memory), ("other", speed.other)):
        yield from ((task, name, one) for name, one in sorted(named.items()))


def _quantity(one: Quantity) -> dict[str, Any]:
    return {
        "variant": one.of or None,
        "value": one.value,
        **_ends(one.interval),
        "n": one.n,
        "unit": one.unit,
        "verdict": one.verdict,
        "reason": one.reason or None,
    }


def _ends(interval: tuple[float, float] | None) -> dict[str, float | None]:
    lower, upper = interval or (None, None)
    return {"lower": lower, "upper": upper}
