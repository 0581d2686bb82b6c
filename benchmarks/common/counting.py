"""What a run asks, counted in tokens, without a model that answers it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_slm.backends.protocol import Delivery, Progress, ignored, silent
from pytest_slm.core.types import Generation, Request


class OneWord:
    """A model that answers everything with one word, after counting what it was asked."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.asked = self.shown = self.computed = self.longest = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def generate(
        self, requests: Sequence[Request], progress: Progress = silent, finished: Delivery[Generation] = ignored
    ) -> list[Generation]:
        """The word."""
        lengths, work = self._inner.count_tokens(requests), self._inner.workload_of_requests(requests)
        self.asked, self.shown = self.asked + len(requests), self.shown + work.shown
        self.computed, self.longest = self.computed + work.evaluated, max(self.longest, *lengths)
        made = [Generation(text="Noted.", n_prompt=n, n_output=2, n_reasoning=0, finish="stop") for n in lengths]
        for number, one in enumerate(made):
            finished(number, one)
        return made
