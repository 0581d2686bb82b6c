"""Tasks of lm-eval whose answers are programs: its prompts, its filters, its tests; our sandbox instead of its metric.

lm-eval scores such tasks with ``code_eval``, which is downloaded from the Hub and runs what a model wrote with the
rights of the user. Here every program meets its tests in the sandbox.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

from pytest_slm.core.types import MetricSpec, Request, Task
from pytest_slm.errors import BackendError, UsageError
from pytest_slm.lm_eval import seam
from pytest_slm.lm_eval.asking import repeats
from pytest_slm.sandbox import PASS_AT_1, available


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


def check_task(task: Task, built: Any) -> None:
    """Raise UsageError for a group of programs, and for another metric than the one that programs have;
    NotAvailableError where no program can be run."""
    if built.group is not None:
        raise UsageError(
            f"{task.path or task.name}: {built.name} is a group of programs; name one of its tasks", slug="lm-eval-kind"
        )
    if [spec.source for spec in task.metrics] != [PASS_AT_1]:
        raise UsageError(f"{task.path}: programs have one metric, {PASS_AT_1}", slug="unknown-metric")
    available()


def check_request(request: Request, instance: Any) -> None:
    """Raise BackendError for a task that samples its programs."""
    if request.temperature or repeats(instance) != 1:
        raise BackendError("programs are asked for once, greedily; sampled ones are not scored", slug="lm-eval-kind")


def problem_of(doc: Mapping[str, Any]) -> tuple[str, str]:
    """The problem's text and entry point where a row has them, as HumanEval's do; else nothing."""
    given, entry_point = str(doc.get("prompt", "")), str(doc.get("entry_point", ""))
    return (given, entry_point) if entry_point and f"def {entry_point}(" in given else ("", "")


def program_of(upstream: Any, instances: Sequence[Any], text: str, spec: MetricSpec) -> str:
    """What lm-eval's filter makes of an answer: for HumanEval the prompt with the answer behind it."""
    instances[0].resps.append(text)
    seam.filter_answers(upstream, instances)
    filtered = instances[0].filtered_resps
    if spec.filter not in filtered:
        raise UsageError(
            f"lm-eval's {upstream.config.task} has no filter {spec.filter!r}, but {', '.join(sorted(filtered))}",
            slug="unknown-metric",
        )
    found = filtered[spec.filter]
    return found if isinstance(found, str) else str(found[0])
