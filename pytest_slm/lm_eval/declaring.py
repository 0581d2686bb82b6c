"""A task of lm-eval as a task of ours, by its name alone: ``--slm-task=lm_eval:NAME``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_slm.core.types import MetricSpec, ModePlan, Task
from pytest_slm.errors import UsageError
from pytest_slm.lm_eval import definitions, seam
from pytest_slm.sandbox import PASS_AT_1

SUITE = "lm_eval"
"""What tasks that are named on the command line belong to; no suite, so they enter no score."""

SHARES = (PASS_AT_1, "acc_norm", "acc", "acc_bytes", "acc_mutual_info", "exact_match", "em", "pct_stereotype", "f1")
"""Metrics that are shares, the ones that make the better headline first."""

FILTERS = ("flexible-extract", "none")
"""Filters whose values make the headline, where a task has several."""


def declare(name: str) -> Task:
    """The task that lm-eval's definition of ``name`` describes, with all its metrics under all its filters.

    The first share is the primary metric; what is not known to be a share has the metric's name as its unit. Raises
    UsageError if lm-eval is not installed or has no task or group of that name.
    """
    seam.check_installed(f"--slm-task=lm_eval:{name}", UsageError)
    entry = definitions.TaskFiles()[name]
    if entry.yaml_path is None:
        raise UsageError(
            f"--slm-task=lm_eval:{name}: {name!r} is a tag of lm-eval, which has no score of its own; name its tasks: "
            + ",".join(f"lm_eval:{member}" for member in sorted(entry.tags)[:4]),
            slug="lm-eval-task",
        )
    settings = seam.read(Path(entry.yaml_path))
    specs = tuple(_specs(name, settings))
    primary = min(specs, key=_rank)
    return Task(
        name=name,
        suite=SUITE,
        kind="lm_eval",
        description=f"lm-eval's {name}, as it stands there.",
        source=f"lm-eval's {name}",
        primary=primary.name,
        metrics=specs,
        variants={"": {}},
        modes={"quick": ModePlan(limit=100), "full": ModePlan()},
        options={"task": name},
    )


def _specs(name: str, settings: Mapping[str, Any]) -> Iterator[MetricSpec]:
    listed = settings.get("aggregate_metric_list") or settings.get("metric_list")
    if listed is None:
        listed = [{"metric": metric} for metric in seam.default_metrics(settings.get("output_type"))]
    keys = [_key(entry["metric"]) for entry in ([listed] if isinstance(listed, Mapping) else listed)]
    if settings.get("unsafe_code"):  # tried in the sandbox, whatever lm-eval would call the result
        keys = [PASS_AT_1]
    if not keys:
        raise UsageError(
            f"--slm-task=lm_eval:{name}: lm-eval gives it no score as a whole; name its tasks one by one",
            slug="unknown-metric",
        )
    filters = [str(entry["name"]) for entry in settings.get("filter_list") or ()] or ["none"]
    for key in dict.fromkeys(keys):
        for place in filters[:1] if key == PASS_AT_1 else filters:
            yield MetricSpec(
                name=key if len(filters) == 1 or key == PASS_AT_1 else f"{key}_{place.replace('-', '_')}",
                key=key,
                filter=place,
                unit="share" if key in SHARES else key,
            )


def _key(metric: object) -> str:
    """lm-eval's name of a metric; of a function, which is read as ``<file>.<function>``, that of the function."""
    return str(metric).rpartition(".")[2] if os.sep in str(metric) else str(metric)


def _rank(spec: MetricSpec) -> tuple[int, int]:
    key = spec.key or spec.name
    return (
        SHARES.index(key) if key in SHARES else len(SHARES),
        FILTERS.index(spec.filter) if spec.filter in FILTERS else len(FILTERS),
    )
