"""Chains of calls, run in interpreters that are used for one sample each."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

from pytest_slm.core.worlds import Chain, ChainCall, ChainResult
from pytest_slm.errors import shown
from pytest_slm.sandbox.machine import GuestInterpreter
from pytest_slm.sandbox.outcome import Limits
from pytest_slm.sandbox.runner import ask, boot, engine
from pytest_slm.workers import usable_cores

LIMITS = Limits(work=30_000_000_000, seconds=60.0)
"""For all calls of a chain together. NESTful's scorer gives them ten seconds by the clock: this is what a quiet core
does in about so long, and the same on every machine."""


class Chains:
    """Makes the calls of chains. Made once, used for many, from any thread; ``with Chains() as chains:`` ends its
    threads. Raises NotAvailableError where programs cannot be run: then nothing is.

    The gold calls come first, then the model's, in the same interpreter, which is then thrown away: some functions
    evaluate what they are given, which may be a model's text, and that shall not meet the next sample.
    """

    def __init__(self, limits: Limits = LIMITS, workers: int | None = None) -> None:
        self.limits = limits
        self._engine = engine()
        self._pool = ThreadPoolExecutor(workers or usable_cores(), thread_name_prefix="chains")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def submit(self, asked: Chain) -> Future[ChainResult]:
        """Run a chain as soon as a core is free."""
        return self._pool.submit(self.run, asked)

    def run(self, asked: Chain) -> ChainResult:
        """Run a chain now, in this thread."""
        guest = GuestInterpreter(self._engine, boot("chain"), self.limits)
        try:
            gold = _run(guest, asked, asked.gold)
            if not gold.won:
                told = gold.explanation or f"the result is {gold.result:.80}"
                return ChainResult(
                    ending="unreachable", explanation=f"the gold calls come to something else here: {told}"
                )
            return _run(guest, asked, asked.calls)
        finally:
            guest.close()


def _run(guest: GuestInterpreter, asked: Chain, calls: Sequence[ChainCall]) -> ChainResult:
    """What some calls come to in an interpreter that waits for a message."""
    if not calls:
        return ChainResult(ending="failed", explanation="no call")
    for place, call in enumerate(calls, 1):
        if call.name not in asked.library.functions or call.name not in asked.outputs:
            return ChainResult(ending="failed", explanation=f"call {place}: there is no function {call.name!r:.80}")
    needed = asked.library.of([call.name for call in calls])
    message = {
        "modules": needed.modules,
        "functions": needed.functions,
        "outputs": {call.name: asked.outputs[call.name] for call in calls},
        "calls": [[call.name, list(call.arguments.values()), call.label] for call in calls],
        "expected": asked.expected,
    }
    return ask(guest, message, ChainResult, lambda told: {**told, "explanation": shown(told.get("explanation", ""))})
