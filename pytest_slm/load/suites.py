"""``suite.yaml`` and the task files beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_slm.core.task import PARAMETERS
from pytest_slm.core.types import MODES, Gate, MetricSpec, ModePlan, Suite, Task
from pytest_slm.load.document import Value, read
from pytest_slm.load.fields import Fields, plain

KINDS = ("checks", "choices", "functions", "lm_eval", "validate")
"""Who runs a task: samples and a scorer, our own multiple choice, the lm-eval adapter, or the submission checks."""

SUITE_KEYS = ("suite", "title", "description", "tags", "tasks")
TASK_KEYS = (
    *("task", "version", "kind", "description", "source", "license", "requires", "scorer", "primary", "metrics"),
    *("breakdown", "variants", "modes", "gate", "tokens_per_sample", "options"),
)
METRIC_KEYS = ("name", "group", "complement", "balance", "key", "filter", "unit", "aggregate", "parameters")
PATH_OPTIONS = ("samples", "haystack", "file")

TAG = re.compile(r"[A-Za-z][\w.-]{0,63}", re.ASCII)
TAKEN = (
    *("parametrize", "skip", "skipif", "xfail", "usefixtures", "filterwarnings", "slm_task", "slm_timing"),
    *("and", "or", "not"),
)
"""A suite with such a tag would be more than marked, or ``-m`` could not name it."""

DEFAULT_MODES: Mapping[str, ModePlan] = {"quick": ModePlan(limit=100), "full": ModePlan()}


def load_suite(path: Path) -> Suite:
    """The suite that ``path``, a ``suite.yaml``, declares. Its name is the folder's unless the file says otherwise."""
    fields = Fields(read(path), path=path, what="suite", known=SUITE_KEYS)
    for index, tag in enumerate(fields.texts("tags")):
        if not TAG.fullmatch(tag) or tag in TAKEN:
            wanted = "a marker's name (letters, digits, '_', '.', '-'; a letter first) that pytest does not use itself"
            fields.wrong(f"tags[{index}]", fields.items("tags")[index], wanted)
    name = fields.text("suite", path.absolute().parent.name)
    return Suite(
        name=name,
        title=fields.text("title", name),
        description=fields.text("description"),
        tags=fields.texts("tags"),
        tasks=fields.texts("tasks"),
        path=str(path),
    )


def load_task(path: Path, suite: Suite) -> Task:
    """The task that a YAML file of ``suite`` declares. Raises UsageError with file, line and key."""
    fields = Fields(read(path), path=path, what="suite", known=TASK_KEYS)
    metrics = _metrics(fields)
    names = [metric.name for metric in metrics]
    primary = fields.one_of("primary", names) if "primary" in fields else names[0]
    variants = _variants(fields)
    options = fields.mapping("options")
    inside = fields.below(fields.values["options"], "options", options) if options else fields
    for key in PATH_OPTIONS:
        if key in options and isinstance(options[key].data, str):
            inside.relative_path(key, str(options[key].data))
    return Task(
        name=fields.text("task", path.stem),
        suite=suite.name,
        version=fields.whole("version", 1) or 1,
        kind=fields.one_of("kind", KINDS),
        description=fields.text("description"),
        source=fields.text("source"),
        license=fields.text("license"),
        requires=fields.texts("requires"),
        scorer=fields.optional_text("scorer"),
        primary=primary,
        metrics=metrics,
        breakdown=fields.optional_text("breakdown"),
        variants=variants,
        modes=_modes(fields, variants),
        gate=_gate(fields, names, primary),
        tokens_per_sample=fields.whole("tokens_per_sample", 100) or 100,
        options=plain(options),
        path=str(path),
    )


def _metrics(fields: Fields) -> tuple[MetricSpec, ...]:
    fields.required("metrics")
    metrics: list[MetricSpec] = []
    for index, value in enumerate(fields.items("metrics")):
        where = f"metrics[{index}]"
        if isinstance(value.data, str) and value.data.strip():
            metric = MetricSpec(name=value.data.strip())
        elif isinstance(value.data, dict):
            entry = fields.below(value, where, METRIC_KEYS)
            entry.required("name")
            aggregate = entry.one_of("aggregate", PARAMETERS) if "aggregate" in entry else "mean"
            if aggregate != "mean" and (entry.flag("complement") or entry.texts("balance")):
                entry.fail("aggregate", f"{where}: complement and balance are for means, not for {aggregate}")
            given = entry.values.get("parameters", Value(data={}, line=value.line))
            parameters = entry.below(given, f"{where}.parameters", PARAMETERS[aggregate])
            metric = MetricSpec(
                name=entry.text("name"),
                group=entry.optional_text("group"),
                complement=entry.flag("complement"),
                balance=entry.texts("balance"),
                key=entry.optional_text("key"),
                filter=entry.text("filter", "none"),
                unit=entry.text("unit", "share"),
                aggregate=aggregate,
                parameters={key: parameters.whole(key, default) or 1 for key, default in PARAMETERS[aggregate].items()},
            )
        else:
            fields.wrong(where, value, "the name of a metric, or a mapping with a name")
        if metric.name in (known.name for known in metrics):
            fields.fail("metrics", f"{where}: the metric {metric.name!r:.80} is declared twice")
        metrics.append(metric)
    if not metrics:
        fields.fail("metrics", "metrics: at least one metric is needed")
    return tuple(metrics)


def _variants(fields: Fields) -> dict[str, dict[str, Any]]:
    variants = {
        name: plain(fields.free(value, f"variants.{name}")) for name, value in fields.mapping("variants").items()
    }
    return variants or {"": {}}


def _modes(fields: Fields, variants: Mapping[str, Any]) -> dict[str, ModePlan]:
    if "modes" not in fields:
        return dict(DEFAULT_MODES)
    plans: dict[str, ModePlan] = {}
    modes = fields.below(fields.values["modes"], "modes", MODES)
    for mode, value in modes.values.items():
        entry = modes.below(value, f"modes.{mode}", ("limit", "variants"))
        # Variant names are taken as written, like the keys they refer to: [1024, 2048] needs no quotes.
        chosen = tuple(item.written for item in entry.items("variants"))
        for name in chosen:
            if name not in variants:
                known = ", ".join(repr(variant) for variant in variants)
                entry.fail(
                    "variants", f"modes.{mode}.variants: {name!r:.80} is no variant of this task. Known: {known}."
                )
        plans[mode] = ModePlan(limit=entry.whole("limit", None), variants=chosen if "variants" in entry else None)
    return plans


def _gate(fields: Fields, names: list[str], primary: str) -> Gate | None:
    if "gate" not in fields:
        return None
    entry = fields.below(fields.values["gate"], "gate", ("metric", "limit"))
    return Gate(
        metric=entry.one_of("metric", names) if "metric" in entry else primary,
        limit=entry.number("limit"),
    )
