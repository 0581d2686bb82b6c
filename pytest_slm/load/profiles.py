"""``profiles.yaml``: which use cases an aggregate is made of, and from how many points one is recommended."""

from __future__ import annotations

from pathlib import Path

from pytest_slm.core.aggregation import Profile, ScoreRules
from pytest_slm.load.document import read
from pytest_slm.load.fields import Fields
from pytest_slm.load.mistakes import Mistakes


def load_profiles(path: Path) -> ScoreRules:
    """The rules that a ``profiles.yaml`` declares. Raises UsageError with a line for every mistake."""
    mistakes = Mistakes(path)
    known = ("profiles", "ranked_coverage", "recommended", "not_recommended")
    fields = Fields(read(path, mistakes), mistakes=mistakes, what="suite", known=known)
    fields.required("profiles")
    profiles = []
    for name, value in fields.mapping("profiles").items():
        where = f"profiles.{name:.80}"
        found = {
            case: fields.real(f"{where}.{case:.80}", item, share=True)
            for case, item in fields.free(value, where).items()
        }
        weights = {case: weight for case, weight in found.items() if weight}
        if not weights:
            fields.add(value, f"{where}: needs a use case with a weight above 0; add one")
        profiles.append(Profile(name=name, weights=weights or {"?": 1.0}))
    numbers = {key: fields.number(key) for key in ("ranked_coverage", "recommended", "not_recommended")}
    mistakes.check()
    return ScoreRules(profiles=tuple(profiles), **numbers)
