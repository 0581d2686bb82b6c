"""Tasks of samples and a scorer: every sample is one conversation, every answer gets a score.

Options of such a task: ``samples`` (a JSONL file in the suite's folder, with its ``sha256``) or ``generator`` (a
name of ``runners.generators``); ``max_tokens``; ``stop``; ``system``; and ``tools_in_prompt`` with ``tools_prompt``, a
text with ``{tools}`` in it, for models whose chat template does not know of tools; ``opening_only``, if the scorer
judges the beginning of an answer, so that one which was cut off is as good as a whole one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_slm.backends.protocol import Backend
from pytest_slm.core.types import Generation, Message, Request, Result, Sample, Score, Task
from pytest_slm.errors import NotAvailableError, UsageError, did_you_mean
from pytest_slm.runners import records
from pytest_slm.runners.context import RunContext, SampleRecord, request_sha256, sha256, terms
from pytest_slm.runners.generators import GeneratorContext, lookup, options_of
from pytest_slm.runners.metrics import Scored, task_metrics

OPTIONS = frozenset(
    {
        *("samples", "sha256", "generator", "max_tokens", "stop", "system", "tools_in_prompt", "tools_prompt"),
        "opening_only",
    }
)


def run(task: Task, variant: str, context: RunContext) -> Result:
    """Ask every sample, score every answer, record both, and return the metrics."""
    started = time.perf_counter()
    check(task)
    backend = context.backend(task)
    _require_context(task, variant, backend)
    samples = load_samples(task, variant, context, backend)
    scorer = context.scorers.lookup(task.scorer or "exact")
    requests = [request_for(task, sample, context.config.seed) for sample in samples]
    scores: dict[int, Score] = {}

    def finished(number: int, generation: Generation) -> None:
        scores[number] = scorer(samples[number], generation)
        context.record(_record(task, samples[number], requests[number], generation, scores[number]))

    # All in one call, so that the engine can work on many at once; every answer is recorded as it comes.
    generations = backend.generate(requests, context.progress, finished)
    for number in set(range(len(samples))) - set(scores):
        finished(number, generations[number])
    context.progress(len(samples), len(samples))
    scored: list[Scored] = [
        (str(sample.metadata.get("group", "")), _part(task, sample), value)
        for number, sample in enumerate(samples)
        if (value := scores[number].value) is not None
    ]
    cut = sum(generation.finish != "stop" for generation in generations)  # max_tokens allowed no more
    return context.result(
        task,
        variant,
        started,
        n_scored=len(scored),
        n_unscored=len(samples) - len(scored),
        metrics=task_metrics(task, scored),
        # Where only the opening is judged, it does not matter that an answer would have gone on.
        answers_cut=None if task.options.get("opening_only") else cut,
        seeded="generator" in task.options,
        provenance=_provenance(task, samples, backend),
    )


def check(task: Task) -> None:
    """What can be said before a model is there: raises UsageError for wrong options."""
    options = task.options
    known = OPTIONS | (options_of(str(options["generator"])) if "generator" in options else frozenset())
    foreign = sorted(set(options) - known)
    tokens = options.get("max_tokens", 256)
    problem = ""
    if foreign:
        problem = f"unknown option {foreign[0]!r}. {did_you_mean(foreign[0], known)}"
    elif "samples" not in options and "generator" not in options:
        problem = "a task of kind checks needs `samples: data/<name>.jsonl` or `generator: <name>`"
    elif not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 1:
        problem = f"max_tokens: expected a whole number from 1, not {tokens!r:.80}"
    elif options.get("tools_in_prompt") and "{tools}" not in str(options.get("tools_prompt")):
        problem = "tools_in_prompt needs a tools_prompt, a text with {tools} in it"
    if problem:
        raise UsageError(f"{task.path}: {problem}", slug="checks-option")


def _require_context(task: Task, variant: str, backend: Backend) -> None:
    """A variant of a declared length needs room for its answer too; without that there is nothing to measure."""
    tokens = task.variants.get(variant, {}).get("context_tokens")
    n_ctx = backend.describe().n_ctx
    answer = int(task.options.get("max_tokens", 256))
    if tokens is not None and n_ctx is not None and int(tokens) + answer > int(n_ctx):
        raise NotAvailableError(
            f"{tokens} tokens and {answer} for the answer do not fit into the context of {n_ctx}; allow more if "
            "--slm-n-ctx or the submission's n_ctx is the limit, or take a model with a longer one",
            slug="context-too-short",
        )


def load_samples(task: Task, variant: str, context: RunContext, backend: Backend) -> Sequence[Sample]:
    """The samples of a task: generated, or from its file, a seeded sample of them stratified by group."""
    options = task.options
    if "generator" in options:
        generate = lookup(str(options["generator"]))
        made = generate(
            GeneratorContext(
                options=options,
                variant=task.variants.get(variant, {}),
                limit=context.limit(task),
                seed=context.config.seed,
                count_tokens=lambda messages: _count(task, messages, backend),
                folder=Path(task.path).parent,
            )
        )
        return list(made)
    samples = read_samples(Path(task.path).parent / str(options["samples"]), options.get("sha256"))
    return stratified(samples, context.limit(task), context.config.seed)


def read_samples(path: Path, expected_sha256: object = None) -> list[Sample]:
    """The samples of a JSONL file; its hash must be the one that the task declares."""
    return records.read_records(path, Sample, "sample", expected_sha256)


def count_samples(task: Task) -> int | None:
    """How many samples a task's file holds, without reading them; None for tasks without a file of their own."""
    try:
        with (Path(task.path).parent / str(task.options["samples"])).open("rb") as file:
            return sum(1 for line in file if line.strip())
    except (KeyError, OSError):
        return None


def stratified(samples: Sequence[Sample], limit: int | None, seed: int) -> list[Sample]:
    """At most ``limit`` samples, from every ``metadata.group`` in proportion to its size, in file order."""
    return records.stratified(samples, limit, seed, lambda sample: str(sample.metadata.get("group", "")))


def request_for(task: Task, sample: Sample, seed: int) -> Request:
    """The request that a sample becomes: greedy, so that a run can be repeated."""
    stop = task.options.get("stop", ())
    return Request(
        messages=_conversation(task, sample.messages(), sample.tools),
        tools=() if task.options.get("tools_in_prompt") else sample.tools,
        max_tokens=int(task.options.get("max_tokens", 256)),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        seed=seed,
    )


def _conversation(
    task: Task, messages: tuple[Message, ...], tools: Sequence[Mapping[str, object]]
) -> tuple[Message, ...]:
    system = task.options.get("system")
    if tools and task.options.get("tools_in_prompt"):
        listed = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
        # replace, not format: the text shows JSON, and its braces are no placeholders
        system = str(task.options["tools_prompt"]).replace("{tools}", listed)
    return (Message(role="system", content=str(system)), *messages) if system else messages


def _count(task: Task, messages: tuple[Message, ...], backend: Backend) -> int:
    return backend.count_tokens([Request(messages=_conversation(task, messages, ()), max_tokens=1)])[0]


def _part(task: Task, sample: Sample) -> str | None:
    value = sample.metadata.get(task.breakdown) if task.breakdown else None
    return None if value is None else str(value)


def _record(task: Task, sample: Sample, request: Request, generation: Generation, score: Score) -> SampleRecord:
    return SampleRecord(
        task=f"{task.suite}/{task.name}",
        doc_id=sample.id,
        prompt_sha256=request_sha256(request),
        target_sha256=sha256(json.dumps(sample.target, sort_keys=True, ensure_ascii=False)),
        response=generation.text,
        score=score.value,
        answer=score.answer,
        explanation=score.explanation,
        n_prompt=generation.n_prompt,
        n_output=generation.n_output,
        finish=generation.finish,
        metadata=sample.metadata,
        request=terms(request),
    )


def _provenance(task: Task, samples: Sequence[Sample], backend: Backend) -> dict[str, object]:
    return {
        "source": task.source,
        "license": task.license,
        **({"generator": task.options["generator"]} if "generator" in task.options else {}),
        "samples_sha256": sha256(*(json.dumps(sample.to_json(), sort_keys=True) for sample in samples)),
        "chat_template_sha256": backend.describe().chat_template_sha256,
        "scorer": task.scorer,
        "sampling": "greedy",
    }
