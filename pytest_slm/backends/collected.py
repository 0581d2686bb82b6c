"""Results of a call as they come, in whatever order, told to whoever watches."""

from __future__ import annotations

from typing import Generic, TypeVar

from pytest_slm.backends.protocol import Finished, Progress

T = TypeVar("T")


class Collected(Generic[T]):
    """Results as they come, in whatever order, told to whoever watches."""

    def __init__(self, n: int, progress: Progress, finished: Finished[T]) -> None:
        self._n = n
        self._found: dict[int, T] = {}
        self._progress, self._finished = progress, finished

    def add(self, number: int, result: T) -> None:
        """Take the result of a request and tell it."""
        self._found[number] = result
        self._finished(number, result)
        self.beat()

    def beat(self) -> None:
        """Tell that work goes on."""
        self._progress(len(self._found), self._n)

    def results(self) -> list[T]:
        """All results, in the order of the requests."""
        self.beat()
        return [self._found[number] for number in range(self._n)]
