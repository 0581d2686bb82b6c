"""What a conversation may ask for: text, likelihoods, a program's trial, a grader's verdict, or several at once."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_slm.core.types import Generation, Request, Sample, Verdict


@dataclass(frozen=True, kw_only=True)
class Likelihoods:
    """How likely each continuation is after its context: answered with a tuple of ``LogLikelihood``, one a pair.

    ``labels`` say what the pairs are, for the file of samples; without them it shows the continuations.
    """

    pairs: tuple[tuple[str, str], ...]
    labels: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class RollingLikelihood:
    """How likely a whole text is: answered with a ``LogLikelihood``."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A program and the tests that it must pass: answered with the sandbox's ``Outcome``, while the model goes on."""

    program: str
    tests: str


@dataclass(frozen=True, kw_only=True)
class Grading:
    """An answer for a grader: answered with its ``Verdict``, after the model has answered everything else."""

    grader: str
    sample: Sample
    generation: Generation


@dataclass(frozen=True, kw_only=True)
class Together:
    """Several questions to the model at once: answered with the tuple of their answers, in their order."""

    asks: tuple[Request | Likelihoods | RollingLikelihood, ...]


ModelAsk = Request | Likelihoods | RollingLikelihood | Together
Ask = ModelAsk | Trial | Grading
Talk = Generator[Ask, Any, Verdict]
"""A conversation about one sample: it yields what to ask, is sent the answer, and returns the verdict."""
