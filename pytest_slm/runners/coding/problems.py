"""Problems whose answers are programs: while the model writes the next answer, the last one meets its tests.

Programs run in ``pytest_slm.sandbox`` and nowhere else. A program passes if all tests of its problem do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from pytest_slm.core.types import Generation, Request, Task
from pytest_slm.runners.context import RunContext, SampleRecord, request_sha256, sha256, terms
from pytest_slm.runners.metrics import mean_metric
from pytest_slm.sandbox import Outcome, Sandbox

PASS_AT_1 = "pass@1"  # noqa: S105


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is asked, ``program``, which makes a whole program of an answer, and the ``tests`` that it must pass."""

    id: str
    request: Request
    tests: str
    program: Callable[[str], str]
    metadata: Mapping[str, Any] = field(default_factory=dict)


def solve(task: Task, context: RunContext, problems: Sequence[Problem]) -> dict[str, Any]:
    """Have every problem solved and every answer tried: ``metrics``, ``n_scored``, how programs ended (``endings``, in
    number), ``answers_cut``, and ``passed``, by problem in their order.

    Raises NotAvailableError where no program can be run.
    """
    waiting: dict[int, tuple[str, Generation, Future[Outcome]]] = {}
    ended: dict[int, Outcome] = {}

    with Sandbox() as sandbox:
        backend = context.backend(task)

        def note(number: int) -> None:
            program, generation, future = waiting.pop(number)
            ended[number] = future.result()
            context.record(_record(task, problems[number], program, generation, ended[number]))
            context.progress(len(ended), len(problems))

        def finished(number: int, generation: Generation) -> None:
            program = problems[number].program(generation.text)
            waiting[number] = (program, generation, sandbox.submit(program, problems[number].tests))
            for other in [other for other, (_, _, future) in waiting.items() if future.done()]:
                note(other)

        generations = backend.generate([problem.request for problem in problems], finished=finished)
        for number in set(range(len(problems))) - set(waiting) - set(ended):
            finished(number, generations[number])
        for number in list(waiting):
            note(number)
    outcomes = [ended[number] for number in range(len(problems))]
    endings = [outcome.ending for outcome in outcomes]
    passed = [float(outcome.passed) for outcome in outcomes]
    return {
        "n_scored": len(problems),
        "metrics": (mean_metric(PASS_AT_1, passed),),
        "endings": {ending: endings.count(ending) for ending in sorted(set(endings))},
        "answers_cut": sum(generation.finish == "length" for generation in generations),
        "passed": passed,
    }


def _record(task: Task, problem: Problem, program: str, generation: Generation, outcome: Outcome) -> SampleRecord:
    printed = f"; it printed, last: {outcome.output[-200:]!r}" if outcome.output else ""
    return SampleRecord(
        task=f"{task.suite}/{task.name}",
        doc_id=problem.id,
        prompt_sha256=sha256(problem.request.prompt) if problem.request.prompt else request_sha256(problem.request),
        target_sha256=sha256(problem.tests),
        response=generation.text,
        score=float(outcome.passed),
        answer=program,
        explanation=f"{outcome.ending}: {outcome.explanation}{printed}",
        n_prompt=generation.n_prompt,
        n_output=generation.n_output,
        finish=generation.finish,
        metadata={**problem.metadata, "ending": outcome.ending, "work": outcome.work},
        request=terms(problem.request),
    )
