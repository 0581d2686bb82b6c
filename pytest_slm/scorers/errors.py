"""How often scorers are wrong: measured against labels of people, by name and version of the scorer.

``errors.json`` beside this file is written by ``python -m benchmarks.scorers``. An entry has ``against`` (whose
labels), ``n`` (answers of the half that nobody looked at when the scorer was made), ``wrong`` (the share of them on
which scorer and people disagree), ``interval`` (95 %, of ``wrong``), ``kappa`` (Cohen's), ``raters`` (kappa between two
people on answers of that kind, null where only one has looked), ``indicative`` (the scorer is below what was asked of
it: 97 % of agreement, or what two people have) and ``measured`` (the day).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_slm.files import read_json

FILE = Path(__file__).with_name("errors.json")


@functools.cache
def _known() -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    known: Mapping[str, Mapping[str, Mapping[str, Any]]] = read_json(FILE)
    return known


def known_error(name: str, version: int) -> Mapping[str, Any]:
    """What a report says of a scorer: ``scorer_version`` and ``scorer_error``, null where nobody has measured it."""
    return {"scorer_version": version, "scorer_error": _known().get(name, {}).get(str(version))}
