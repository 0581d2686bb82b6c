"""Rounds that are played one by one, a rule for whole measurements, and a model that keeps what it was asked."""

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.core.rounds import RoundRule


class Watching(Fake):
    """Keeps the prompts and engine tests that it was asked."""

    def __init__(self, spec):
        super().__init__(spec)
        self.prompts, self.tests = [], []

    def generate(self, requests, *progress):
        self.prompts += [request.messages[0].content for request in requests]
        return super().generate(requests, *progress)

    def time(self, test, *progress):
        self.tests.append(test)
        return super().time(test, *progress)


@pytest.fixture(scope="session")
def watching():
    """The class of such models, to be opened with ``fake(watching)``."""
    return Watching


@pytest.fixture(scope="session")
def rule():
    """The rounds of a measurement, with time enough for all of them."""
    return RoundRule(budget_s=60)


@pytest.fixture(scope="session")
def one():
    """``one(rounds)``: plays one round, or ``n`` of them, and returns the last."""

    def one(rounds, n=1):
        for _ in range(n):
            rounds.prepare()
            last = rounds.run()
        return last

    return one
