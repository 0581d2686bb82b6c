"""Models of which no page can be made: a number that no measurement gives, in one of them, is no reason to have no
pages of all others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from pytest_slm.errors import ReportError
from pytest_slm.registry.folder.index import IndexedModel, model_path

ODD = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What comes of values that nothing measures, or that somebody has changed."""


def why(error: BaseException) -> str:
    """What went wrong, in a few words."""
    return f"{type(error).__name__}: {error!s:.200}"


def odd_ones(models: Sequence[str], make: Callable[[Sequence[str]], Any]) -> dict[str, str]:
    """Those models of which ``make`` fails even where it gets no others, and why. Only halves that cannot be made are
    looked into, so that one of a thousand is found in twenty steps."""
    try:
        make(models)
    except ODD as error:
        if len(models) <= 1:
            return dict.fromkeys(models, why(error))
        half = len(models) // 2
        return odd_ones(models[:half], make) | odd_ones(models[half:], make)
    return {}


def left_out(registry: Path, model: IndexedModel, reason: str) -> ReportError:
    """What is said of a model that a site is without."""
    reports = ", ".join(sorted(model.reports)) or "none: it is a claim"
    return ReportError(
        f"{registry / model_path(model.id)}: left out of the site, no page can be made of it ({reason}): take away the "
        f"report with such a number, and make the registry again. Its reports: {reports}",
        slug="registry-odd",
    )


def samples_of(models: Iterable[str], paths: Collection[str]) -> list[str]:
    """Those paths that are samples of these models."""
    mine = tuple(f"samples/{name}{end}" for name in models for end in (".html", "/"))
    return [path for path in paths if path.startswith(mine)]
