"""Results of single items: shares with Wilson intervals, and timings with their raw rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytest_slm.core.statistics import median, median_interval, wilson
from pytest_slm.core.types import Measurement, Metric, RateSource, Result, SuiteFacts

TASKS: Mapping[str, tuple[tuple[str, tuple[str, ...], str, bool], ...]] = {
    # suite: (task, variants, primary metric, higher is better)
    "core": (("reasoning", ("",), "accuracy", True), ("math", ("",), "accuracy", True)),
    "reasoning": (("hellaswag", ("",), "acc_norm", True), ("mmlu", ("",), "acc", True)),
    "coding": (("humaneval", ("",), "pass_at_1", True),),
    "rag": (("niah", ("1024", "2048", "4096"), "exact_match", True),),
    "function_calling": (("bfcl_simple", ("",), "balanced_accuracy", True),),
    "safety": (("jailbreak", ("",), "attack_success_rate", False), ("benign_twins", ("",), "over_refusal_rate", False)),
}

FACTS: Mapping[str, SuiteFacts] = {
    **{name: SuiteFacts(title=title, use_case=name) for name, title in (("core", "Core"), ("reasoning", "Reasoning"))},
    "coding": SuiteFacts(title="Coding", use_case="coding", domain="coding"),
    "rag": SuiteFacts(title="RAG", use_case="rag"),
    "function_calling": SuiteFacts(title="Function calling", use_case="function_calling"),
    "safety": SuiteFacts(
        title="Guardrails",
        use_case="guardrails",
        rates={
            "attack_success_rate": RateSource(task="jailbreak", metric="attack_success_rate"),
            "over_refusal_rate": RateSource(task="benign_twins", metric="over_refusal_rate"),
        },
    ),
    "performance": SuiteFacts(title="Performance", scored=False),
}


def share(name: str, right: int, n: int, *, higher: bool = True) -> Metric:
    """A share with its Wilson interval."""
    return Metric(name=name, value=right / n, n=n, interval=wilson(right, n), higher_is_better=higher)


def scored(suite: str, task: str, variant: str, quantization: str, mode: str, metric: Metric, **changes: Any) -> Result:
    """A measured accuracy item."""
    name = ".".join(part for part in (suite, task, variant) if part)
    declared = [declared for declared, *_ in TASKS.get(suite, ())]
    result = Result(
        suite=suite,
        task=task,
        variant=variant,
        quantization=quantization,
        mode=mode,
        outcome="passed",
        kind="choice",
        seconds=12.5,
        n_scored=metric.n,
        primary=metric.name,
        metrics=(metric,),
        samples=f"samples/{name}.jsonl",
        provenance={"dataset": f"{task}-data", "suite_tasks": declared if task in declared else [task]},
    )
    return replace(result, **changes)


def timing(
    task: str, variant: str, quantization: str, mode: str, name: str, unit: str, values: Sequence[float]
) -> Result:
    """A measured performance item with its raw rounds."""
    metric = Metric(
        name=name,
        value=median(values),
        n=len(values),
        interval=median_interval(values),
        unit=unit,
        higher_is_better=unit == "tok/s",
    )
    return Result(
        suite="performance",
        task=task,
        variant=variant,
        quantization=quantization,
        mode=mode,
        outcome="passed",
        kind="performance",
        seconds=30.0,
        n_scored=len(values),
        primary=name,
        metrics=(metric,),
        measurements=(Measurement(name=name, unit=unit, values=tuple(values), warmups=(values[0] * 1.4,)),),
    )


def rounds(
    task: str,
    variant: str,
    quantization: str,
    mode: str,
    values: Mapping[str, tuple[str, Sequence[float]]],
    *,
    profile: str = "engine",
    noise: str = "",
    extra: Sequence[Metric] = (),
    told: int = 1,
    **provenance: Any,
) -> Result:
    """A timing with all that the suite says of it: ``values`` by quantity with unit; of the first ``told`` a metric."""
    measurements = tuple(
        Measurement(
            name=name, unit=unit, values=tuple(rounds), warmups=(rounds[0] * 1.3,), higher_is_better=unit == "tok/s"
        )
        for name, (unit, rounds) in values.items()
    )
    metrics = tuple(
        Metric(
            name=m.name, value=median(m.values), n=len(m.values), interval=median_interval(m.values), unit=m.unit,
            higher_is_better=bool(m.higher_is_better),
        )
        for m in measurements[:told]
    )  # fmt: skip
    return Result(
        suite="performance",
        task=task,
        variant=variant,
        quantization=quantization,
        mode=mode,
        outcome="passed",
        kind="performance",
        seconds=20.0,
        n_scored=len(measurements[0].values),
        primary=measurements[0].name,
        metrics=(*metrics, *extra),
        measurements=measurements,
        provenance={
            "profile": profile,
            "verdict": "noisy" if noise else "stable",
            "verdict_reason": noise,
            "rounds_reason": "round limit" if noise else "interval within 2 %",
            "conditions": [{"seconds": 1.0, "steal_share": 0.07 if noise else 0.0}] * (1 + len(measurements[0].values)),
            **provenance,
        },
    )
