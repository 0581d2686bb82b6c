"""The documents name every field there is."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from pytest_slm.core import types
from pytest_slm.extensions import KINDS
from pytest_slm.extensions.catalogue import Catalogue
from pytest_slm.generators import GENERATORS
from pytest_slm.load import load_suite
from pytest_slm.load.builtin import built_in_use_cases, score_rules, suites_folder
from pytest_slm.registry import entry
from pytest_slm.run.records import SampleRecord
from pytest_slm.site.samples.groups import IN_VIEW

DOCS = Path(__file__).parents[2] / "docs"
REPORT = (
    *(types.RunReport, types.Submission, types.Quantization, types.WeightsHeader, types.ItemId),
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
    assert set(IN_VIEW) - named("report.md") == set()


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


def default_of(field):
    if field.default is field.default_factory is dataclasses.MISSING:
        return "must be given"
    default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    if default in (None, "", (), {}):
        return "none"
    listed = default if isinstance(default, tuple) else (default,)
    return ", ".join(str(value).lower() if isinstance(value, bool) else str(value) for value in listed)


def test_the_options_of_every_kind_and_generator_are_in_the_table_with_their_defaults():
    records = {name: Catalogue("kind", KINDS).lookup(name).options_type for name in KINDS}
    records |= {f"generator {name}": Catalogue("generator", GENERATORS).lookup(name).options for name in GENERATORS}
    table = (DOCS / "suites.md").read_text("utf-8").partition("### Options of each kind")[2].partition("\n### ")[0]
    said = re.findall(r"^\| ([a-z_ ]+) \| `(\w+)` \| (.*?) \|", table, re.MULTILINE)
    there = [
        (name, field.name, default_of(field))
        for name, record in records.items()
        for field in dataclasses.fields(record)
    ]
    assert len(there) > 20
    assert said == there


def test_the_keys_of_a_sample_are_in_the_table():
    text = (DOCS / "suites.md").read_text("utf-8").partition("| key | what it says |")[2].partition("\n\n")[0]
    fields = sorted(field.name for field in dataclasses.fields(types.Sample))
    assert sorted(re.findall(r"^\| `(\w+)`", text, re.MULTILINE)) == fields


def test_the_conversation_in_the_documents_is_a_sample():
    text = (DOCS / "suites.md").read_text("utf-8").partition("this is one line:\n\n```json\n")[2].partition("```")[0]
    question, call, result = types.Sample.from_json(json.loads(text)).messages()
    assert (question.role, call.tool_calls[0].arguments, result.tool_call_id) == ("user", {"city": "Oslo"}, "a")


def test_every_field_of_a_sample_line_is_documented():
    assert {field.name for field in dataclasses.fields(SampleRecord)} - named("report.md") == set()
