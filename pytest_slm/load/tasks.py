"""The task files beside a ``suite.yaml``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pytest_slm.core.record import is_name
from pytest_slm.core.task import PARAMETERS, part_problem
from pytest_slm.core.types import MODES, Gate, MetricSpec, ModePlan, Suite, Task
from pytest_slm.errors import did_you_mean
from pytest_slm.load.document import Value, read
from pytest_slm.load.fields import Fields, plain
from pytest_slm.load.mistakes import Mistakes

TASK_KEYS = (
    *("task", "title", "version", "kind", "description", "source", "license", "requires", "scorer", "scoring"),
    *("primary", "metrics", "chance", "breakdown", "variants", "effective", "harmful", "public", "modes"),
    *("gate", "tokens_per_sample", "options"),
)
METRIC_KEYS = (
    *("name", "group", "complement", "balance", "key", "filter", "unit"),
    *("aggregate", "label", "parameters", "parts"),
)

FindMistakes = Callable[[Task], Iterable[tuple[str, str]]]
"""What else is wrong with a task: (dotted key of its file, the problem)."""

_OPTION = "It belongs under `options:`."
_QUESTIONS = (
    "Questions stand in a file, `options: {samples: data/FILE.jsonl}`, or come from lm-eval, `options: {task: NAME}`."
)
TASK_HINTS: Mapping[str, str] = {
    **dict.fromkeys(("prompt", "prompts", "questions", "dataset", "dataset_path", "data", "input"), _QUESTIONS),
    **dict.fromkeys(("samples", "sha256", "generator", "haystack", "max_tokens", "num_fewshot", "stop"), _OPTION),
    **dict.fromkeys(("n_shot", "num_few_shots", "fewshot"), "It is called `num_fewshot`, under `options:`."),
    **dict.fromkeys(("max_new_tokens", "max_length"), "It is called `max_tokens`, under `options:`."),
    **dict.fromkeys(
        ("temperature", "top_p", "top_k"), "Answers are greedy, so that they can be made again; leave it out."
    ),
    **dict.fromkeys(("tags", "suite", "scored", "use_case", "domain", "rates"), "It belongs into suite.yaml."),
    **dict.fromkeys(
        ("pattern", "schema", "checks", "tolerance", "threshold", "ignore_case"), "It belongs under `scoring:`."
    ),
    "family": "It belongs into suite.yaml, as in `families: {ruler: [task, task]}`.",
    "limit": "It belongs under `modes:`, as in `quick: {limit: 100}`, or under `gate:`.",
    "name": "The name of a task is its key `task`.",
}
"""What people look for at the top of a task file, and where it is."""
GATE_HINTS: Mapping[str, str] = dict.fromkeys(
    ("threshold", "minimum", "min", "least", "value"),
    "It is called `limit`: below it (above, where less is better) the item fails.",
)
UNREADABLE = MetricSpec(name="?")

DEFAULT_MODES: Mapping[str, ModePlan] = {"quick": ModePlan(limit=100), "full": ModePlan()}


def load_task(path: Path, suite: Suite, find_mistakes: FindMistakes | None = None) -> Task:
    """The task that a YAML file of ``suite`` declares. Raises UsageError with a line for every mistake; what
    ``find_mistakes`` says of the task is told with them."""
    mistakes = Mistakes(path)
    document = read(path, mistakes)
    fields = Fields(document, mistakes=mistakes, what="suite", known=TASK_KEYS, hints=TASK_HINTS)
    name = fields.name("task", path.stem)
    metrics = _metrics(fields)
    # A metric without a name may be the one that is meant: then nothing is said of those who name it.
    names = None if UNREADABLE in metrics else [metric.name for metric in metrics]
    primary = (fields.one_of("primary", names) if names and "primary" in fields else None) or metrics[0].name
    _check_rates(fields, suite, name, names)
    variants = _variants(fields)
    options = fields.mapping("options")
    fields.required("kind")
    task = Task(
        name=name,
        title=fields.text("title"),
        suite=suite.name,
        version=fields.whole("version", 1) or 1,
        kind=fields.text("kind"),
        description=fields.text("description"),
        source=fields.text("source"),
        license=fields.text("license"),
        requires=fields.texts("requires"),
        scorer=fields.optional_text("scorer"),
        scoring=plain(fields.mapping("scoring")),
        primary=primary,
        metrics=_with_chance(fields, metrics, names),
        breakdown=fields.optional_text("breakdown"),
        variants=variants,
        modes=_modes(fields, variants),
        gate=_gate(fields, names, primary),
        family=next((family for family, tasks in suite.facts.families.items() if name in tasks), None),
        harmful=fields.flag("harmful"),
        public=fields.flag("public"),
        effective=_effective(fields, variants),
        tokens_per_sample=fields.whole("tokens_per_sample", 100) or 100,
        options=plain(options),
        path=str(path),
    )
    lines = document.lines()
    found = find_mistakes(task) if find_mistakes else ()
    for key, problem in [one for one in found if not mistakes.at(one[0])]:  # chosen before the first of them is added
        above = (key[:end] for end in range(len(key), 0, -1) if key[end : end + 1] in ("", ".", "["))
        line = next((lines[part] for part in above if part in lines), document.line)
        mistakes.add(line, f"{key}: {problem}", "task-option")
    mistakes.check()
    return task


def _metrics(fields: Fields) -> tuple[MetricSpec, ...]:
    """The metrics, never none; ``UNREADABLE`` stands for what has been told already."""
    fields.required("metrics")
    metrics: list[MetricSpec] = []
    for index, value in enumerate(fields.items("metrics")):
        where = f"metrics[{index}]"
        metric = _metric(fields, value, where)
        if (wrong := part_problem(metric, metrics)) is not None:
            fields.add(value, f"{where}.parts: {wrong}")
        elif metric.name not in (known.name for known in metrics):
            metrics.append(metric)
        elif metric is not UNREADABLE:
            fields.add(value, f"{where}: the metric {metric.name!r:.80} is declared twice; keep one")
    if not metrics and "metrics" in fields and not fields.mistakes.at("metrics"):
        fields.fail("metrics", "metrics: at least one metric is needed; name it, as in [accuracy]")
    return tuple(metrics) or (UNREADABLE,)


def _metric(fields: Fields, value: Value, where: str) -> MetricSpec:
    if isinstance(value.data, str) and is_name(value.data.strip()):
        return MetricSpec(name=value.data.strip())
    if not isinstance(value.data, dict):
        fields.wrong(where, value, "the name of a metric, or a mapping with a name")
        return UNREADABLE
    entry = fields.below(value, where, METRIC_KEYS)
    aggregate = (entry.one_of("aggregate", PARAMETERS) if "aggregate" in entry else None) or "mean"
    if aggregate != "mean" and (entry.flag("complement") or (entry.texts("balance") and aggregate != "gap")):
        entry.fail("aggregate", f"{where}: complement and balance are for means, not for {aggregate}")
        return UNREADABLE
    weights = {name: entry.real(f"parts.{name:.80}", item) for name, item in entry.mapping("parts").items()}
    if weights and set(entry.values) - {"name", "parts"}:
        entry.fail("parts", f"{where}: a metric with parts is made of them alone; leave the other keys out")
        return UNREADABLE
    if any(weight is not None and weight <= 0 for weight in weights.values()):
        entry.fail("parts", f"{where}: the weight of a part is above 0")
        return UNREADABLE
    if aggregate == "gap" and len(entry.texts("balance")) < 2:
        entry.fail("aggregate", f"{where}: `balance` names the groups that a gap is between, two or more")
        return UNREADABLE
    if ("label" in entry) != (aggregate == "f1"):
        entry.fail("label", f"{where}: `label` names the class of `aggregate: f1`, and of no other")
        return UNREADABLE
    given = entry.values.get("parameters", Value(data={}, line=value.line))
    parameters = entry.below(given, f"{where}.parameters", PARAMETERS[aggregate])
    metric = MetricSpec(
        name=entry.name("name", UNREADABLE.name),
        group=entry.optional_text("group"),
        complement=entry.flag("complement"),
        balance=entry.texts("balance"),
        key=entry.optional_text("key"),
        filter=entry.text("filter", "none"),
        unit=entry.text("unit", "share"),
        aggregate=aggregate,
        parts={name: weight for name, weight in weights.items() if weight is not None},
        label=entry.optional_text("label"),
        parameters={key: parameters.whole(key, default) or 1 for key, default in PARAMETERS[aggregate].items()},
    )
    return metric if entry.required("name") and not fields.mistakes.at(f"{where}.name") else UNREADABLE


OF_ROWS = "rows"
"""A chance level that is worked out of the rows that were asked."""


def _with_chance(fields: Fields, metrics: tuple[MetricSpec, ...], names: list[str] | None) -> tuple[MetricSpec, ...]:
    if "chance" not in fields:
        return metrics
    value = fields.values["chance"]

    def level_of(name: str, item: Value) -> float | str | None:
        return OF_ROWS if item.data == OF_ROWS else fields.real(name, item, share=True)

    if isinstance(value.data, dict):
        entry = fields.below(value, "chance", names or value.data)
        levels = {name: level_of(f"chance.{name:.80}", item) for name, item in entry.values.items()}
    else:
        levels = dict.fromkeys(
            (one.name for one in metrics if one.unit == "share" and one.is_score), level_of("chance", value)
        )
    return tuple(one.with_chance(levels.get(one.name)) for one in metrics)


def _check_rates(fields: Fields, suite: Suite, task: str, names: list[str] | None) -> None:
    for rate, source in suite.facts.rates.items():
        if source.task == task and names and source.metric not in names:
            hint = did_you_mean(source.metric[:80], names)
            fields.fail(
                "metrics", f"metrics: suite.yaml takes the rate {rate} from {source.metric!r:.80}, none of them. {hint}"
            )


def _variants(fields: Fields) -> dict[str, dict[str, Any]]:
    variants = {}
    for name, value in fields.mapping("variants").items():
        if not is_name(name):
            fields.add(value, f"variants: expected names of 1 to 200 visible characters, got {name!r:.80}")
        variants[name] = plain(fields.free(value, f"variants.{name:.80}"))
    return variants or {"": {}}


def _effective(fields: Fields, variants: Mapping[str, Any]) -> float | None:
    """From which value on a length is mastered, where the variants are lengths."""
    if "effective" not in fields:
        return None
    value = fields.real("effective", fields.values["effective"], share=True)
    if value is not None and not all(name.isdecimal() for name in variants):
        fields.fail("effective", 'effective: expected variants that are called by their tokens, as in "4096"')
        return None
    if value == 0:
        fields.fail("effective", "effective: expected a number above 0 and at most 1")
        return None
    return value


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
                known = (
                    did_you_mean(name[:80], variants) if any(variants) else "It has none: declare them in `variants:`."
                )
                entry.fail("variants", f"modes.{mode}.variants: {name!r:.80} is no variant of this task. {known}")
        plans[mode] = ModePlan(limit=entry.whole("limit", None), variants=chosen if "variants" in entry else None)
    return plans


def _gate(fields: Fields, names: list[str] | None, primary: str) -> Gate | None:
    if "gate" not in fields:
        return None
    entry = fields.below(fields.values["gate"], "gate", ("metric", "limit"), GATE_HINTS)
    metric = entry.one_of("metric", names) if names and "metric" in entry else None
    return Gate(metric=metric or primary, limit=entry.number("limit"))
