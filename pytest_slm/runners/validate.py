"""The checks of a submission that need no engine: what was declared against what the headers say."""

from __future__ import annotations

import time

from pytest_slm.core.types import Result, Task
from pytest_slm.errors import UsageError
from pytest_slm.models import check_declared, check_quantization, too_large
from pytest_slm.runners.context import RunContext


def run(task: Task, variant: str, context: RunContext) -> Result:
    """Compare, and fail with every difference at once. There is no metric: agreement is no score."""
    started = time.perf_counter()
    if context.detected is None:
        raise UsageError(f"{context.submission.slug}: there are no weights to look at", slug="validate-nothing")
    differences = list(check_declared(context.submission, context.detected))
    others = (check_quantization(context.quantization, context.detected), too_large(context.detected))
    differences += filter(None, others)
    return context.result(
        task,
        variant,
        started,
        outcome="failed" if differences else "passed",
        reason="; ".join(differences),
    )
