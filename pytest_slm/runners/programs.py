"""Tasks of lm-eval whose answers are programs: its prompts, its filters, its tests; our sandbox instead of its metric.

lm-eval scores such tasks with ``code_eval``, which is downloaded from the Hub and runs what a model wrote with the
rights of the user. Here every program meets its tests in ``pytest_slm.sandbox``, while the model writes the next one.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from types import ModuleType
from typing import Any

from pytest_slm.core.types import Generation, MetricSpec, Request, Task
from pytest_slm.errors import BackendError, UsageError
from pytest_slm.runners.context import RunContext, SampleRecord, sha256
from pytest_slm.runners.metrics import mean_metric
from pytest_slm.sandbox import Outcome, Sandbox, available

PASS_AT_1 = "pass@1"  # noqa: S105
MAX_TOKENS = 256
"""lm-eval's own limit for tasks that say none."""


@contextlib.contextmanager
def without_code_eval(unsafe: bool) -> Iterator[None]:
    """While lm-eval's file of such a task is imported, its metric is one that scores nothing: the file loads the real
    one, and tries it, as soon as it is imported. Raises NotAvailableError where no program can be run."""
    if not unsafe:
        yield
        return
    available()
    metric = _Nothing()
    before = set(sys.modules)
    known = sys.modules.get("evaluate")
    stand_in = ModuleType("evaluate")
    stand_in.load = lambda _name: metric  # type: ignore[attr-defined]
    sys.modules["evaluate"] = stand_in
    try:
        yield
    finally:
        metric.closed = True
        if known is None:
            del sys.modules["evaluate"]
        else:
            sys.modules["evaluate"] = known
        # Who uses lm-eval itself in this process gets its own metric.
        for name in set(sys.modules) - before:
            if name.startswith("lm_eval.tasks.") and name.endswith(".utils"):
                del sys.modules[name]


class _Nothing:
    """Stands for code_eval; once the task's file is imported, nobody may ask it for a score."""

    closed = False

    def compute(self, **_given: object) -> tuple[dict[str, float], dict[str, object]]:
        if self.closed:
            raise BackendError("code_eval runs unread programs without a sandbox and is not used", slug="sandbox-only")
        return {PASS_AT_1: 0.0}, {}


def run(
    task: Task, context: RunContext, upstream: Any, chosen: Sequence[int], asked: Mapping[int, Sequence[Any]]
) -> Mapping[str, Any]:
    """What a result of these questions holds: ``metrics``, ``n_scored``, and how the programs ended."""
    spec = _only(task)
    backend = context.backend(task)
    order = list(asked)
    docs = upstream.eval_docs
    requests = [_request(asked[doc][0], context.config.seed) for doc in order]
    waiting: dict[int, tuple[str, Generation, Future[Outcome]]] = {}
    ended: dict[int, Outcome] = {}

    def note(doc: int) -> None:
        program, generation, future = waiting.pop(doc)
        ended[doc] = future.result()
        context.record(_record(task, doc, docs[doc], asked[doc][0], program, generation, ended[doc], upstream))
        context.progress(len(ended), len(order))

    with Sandbox() as sandbox:

        def finished(number: int, generation: Generation) -> None:
            doc = order[number]
            program = _program(upstream, asked[doc], generation.text, spec)
            waiting[doc] = (program, generation, sandbox.submit(program, str(upstream.doc_to_target(docs[doc]))))
            for other in [other for other, (_, _, future) in waiting.items() if future.done()]:
                note(other)

        generations = backend.generate(requests, finished=finished)
        for number in range(len(order)):
            if order[number] not in waiting and order[number] not in ended:
                finished(number, generations[number])
        for doc in list(waiting):
            note(doc)
    endings = [outcome.ending for outcome in ended.values()]
    return {
        "n_scored": len(chosen),
        "metrics": (mean_metric(PASS_AT_1, [float(ended[doc].passed) for doc in chosen]),),
        "endings": {ending: endings.count(ending) for ending in sorted(set(endings))},
        "answers_cut": sum(generation.finish == "length" for generation in generations),
    }


def _only(task: Task) -> MetricSpec:
    if [spec.key or spec.name for spec in task.metrics] != [PASS_AT_1]:
        raise UsageError(f"{task.path}: programs have one metric, {PASS_AT_1}", slug="unknown-metric")
    return task.metrics[0]


def _request(instance: Any, seed: int) -> Request:
    prompt, settings = instance.args
    if settings.get("do_sample") or instance.repeats != 1:
        raise BackendError("programs are asked for once, greedily; sampled ones are not scored", slug="lm-eval-kind")
    until = settings.get("until") or ()
    return Request(
        prompt=prompt,
        max_tokens=int(settings.get("max_gen_toks", MAX_TOKENS)),
        stop=(until,) if isinstance(until, str) else tuple(until),
        seed=seed,
    )


def _program(upstream: Any, instances: Sequence[Any], text: str, spec: MetricSpec) -> str:
    """What lm-eval's filter makes of an answer: for HumanEval the prompt with the answer behind it."""
    instances[0].resps.append(text)
    for ensemble in upstream._filters:
        ensemble.apply(instances)
    filtered = instances[0].filtered_resps
    if spec.filter not in filtered:
        raise UsageError(
            f"lm-eval's {upstream.config.task} has no filter {spec.filter!r}, but {', '.join(sorted(filtered))}",
            slug="unknown-metric",
        )
    found = filtered[spec.filter]
    return found if isinstance(found, str) else str(found[0])


def _record(
    task: Task,
    doc: int,
    content: Any,
    instance: Any,
    program: str,
    generation: Generation,
    outcome: Outcome,
    upstream: Any,
) -> SampleRecord:
    printed = f"; it printed, last: {outcome.output[-200:]!r}" if outcome.output else ""
    return SampleRecord(
        task=f"{task.suite}/{task.name}",
        doc_id=str(content.get("task_id", doc)),
        prompt_sha256=sha256(instance.args[0]),
        target_sha256=sha256(str(upstream.doc_to_target(content))),
        response=generation.text,
        score=float(outcome.passed),
        answer=program,
        explanation=f"{outcome.ending}: {outcome.explanation}{printed}",
        n_prompt=generation.n_prompt,
        n_output=generation.n_output,
        finish=generation.finish,
        metadata={"index": doc, "ending": outcome.ending, "work": outcome.work},
    )
