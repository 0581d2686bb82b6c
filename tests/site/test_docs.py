"""The documents name every field there is."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from pytest_slm.builtin import built_in_use_cases, score_rules, suites_folder
from pytest_slm.core import types
from pytest_slm.load import load_suite
from pytest_slm.registry import entry
from pytest_slm.site.samples import KNOWN

DOCS = Path(__file__).parents[2] / "docs"
REPORT = (
    *(types.RunReport, types.Submission, types.Quantization, types.Detected, types.ItemId),
    *(types.SuiteFacts, types.RateSource, types.Result, types.Metric, types.Measurement, types.Gate),
)
REGISTRY = [kind for kind in vars(entry).values() if dataclasses.is_dataclass(kind) and kind is not entry.Registry]


def named(document: str) -> set[str]:
    """Every word in backticks."""
    return set(re.findall(r"`([a-z_0-9]+)[`:]", (DOCS / document).read_text(encoding="utf-8")))


@pytest.mark.parametrize("kind", REPORT, ids=lambda kind: kind.__name__)
def test_every_field_of_a_report_is_documented(kind):
    assert {field.name for field in dataclasses.fields(kind)} - named("report.md") == set()


def test_every_key_of_a_sample_line_is_documented():
    assert set(KNOWN) - named("report.md") == set()


def test_every_outcome_and_mode_is_documented():
    assert (set(types.OUTCOMES) | set(types.MODES)) - named("report.md") == set()


@pytest.mark.parametrize("kind", REGISTRY, ids=lambda kind: kind.__name__)
def test_every_field_of_the_registry_is_documented(kind):
    assert {field.name for field in dataclasses.fields(kind)} - named("registry.md") == set()


def test_the_marker_has_the_same_arguments_in_its_help_and_in_the_documents(pytestconfig):
    helped = next(line for line in pytestconfig.getini("markers") if line.startswith("slm_task("))
    document = re.search(r"`(slm_task\(name.*?\))`", (DOCS / "plugins.md").read_text(encoding="utf-8"))

    def names(text):
        return re.findall(r"(\w+)(?==|,|$)", re.sub(r"=(\(\.\.\.\)|\w+)", "", text))

    assert names(helped.partition("(")[2].partition(")")[0]) == names(document[1][len("slm_task(") : -1])


def test_every_safety_rate_and_profile_is_documented():
    suites = map(load_suite, suites_folder().glob("*/suite.yaml"))
    assert {rate for suite in suites for rate in suite.facts.rates} - named("registry.md") == set()
    assert {profile.name for profile in score_rules().profiles} - named("scores.md") == set()


def test_the_weights_in_the_docs_are_those_of_the_code():
    text = (DOCS / "scores.md").read_text(encoding="utf-8")
    for profile in score_rules().profiles:
        line = next(line for line in text.splitlines() if line.startswith(f"| `{profile.name}`"))
        weights = {name: float(f"0{weight}") for name, weight in re.findall(r"([a-z_]+) (\.\d\d)", line)}
        assert weights == profile.weights


def test_the_profiles_weigh_what_the_suites_measure():
    found = {name for profile in score_rules().profiles for name in profile.weights}
    assert found <= set(built_in_use_cases().values())
