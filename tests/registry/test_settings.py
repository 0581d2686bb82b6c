"""Runs with settings of the user's: shown, never ranked, never put together, and second to those without."""

import dataclasses

import pytest

from pytest_slm.core.request import GenerationSettings
from pytest_slm.registry import build_registry
from pytest_slm.registry.scores import strata
from pytest_slm.registry.store import StoredReport
from pytest_slm.site.views import sampled

SAID = {
    **{"temperature": 0.7, "top_p": 0.9, "top_k": 4, "min_p": 0.1, "max_tokens": 9, "system": "Be brief."},
    **{"chat_template": "chatml", "fewshot": 3, "repeats": 4},
}


def stored(*runs):
    return [StoredReport(path=f"{n}/report.json", sha256="a" * 64, run=run) for n, run in enumerate(runs)]


@pytest.fixture
def standard(factory):
    return factory.make_run("Q8_0")


def test_each_setting_keeps_reports_apart(standard):
    assert set(SAID) == {field.name for field in dataclasses.fields(GenerationSettings)}
    others = [dataclasses.replace(standard, generation=GenerationSettings(**{name: SAID[name]})) for name in SAID]
    assert len(strata(stored(standard, *others))) == 1 + len(others)
    assert len(strata(stored(standard, standard))) == 1


@pytest.mark.parametrize("name", SAID)
def test_what_has_one_is_shown_and_never_ranked(standard, name):
    (known,) = build_registry(stored(standard)).models
    assert known.aggregates["marketplace"].rank == 1
    own = dataclasses.replace(standard, generation=GenerationSettings(**{name: SAID[name]}))
    (entry,) = build_registry(stored(own)).models
    assert entry.aggregates.keys() == known.aggregates.keys()
    for total in entry.aggregates.values():
        assert total.rank is None
        assert total.unranked.startswith(f"measured with settings of its own ({name}=")
        assert sampled(total.mode, total.limit, total.settings) == "own settings"
    assert {case.recommended for case in entry.use_cases.values()} == {None}
    assert not entry.best_for
    assert all(rate.settings for rate in entry.safety.values())


def test_weights_with_an_adapter_are_not_the_published_ones(standard):
    backend = dataclasses.replace(standard.backend, lora="law.gguf (0123456789ab) x 0.5")
    (entry,) = build_registry(stored(dataclasses.replace(standard, backend=backend))).models
    assert entry.aggregates["marketplace"].unranked == (
        "measured with settings of its own (lora='law.gguf (0123456789ab) x 0.5')"
    )


def test_a_run_without_them_stands_in_the_registry_however_new_the_other_is(standard):
    newer = dataclasses.replace(
        standard, generation=GenerationSettings(temperature=0.7), finished="2030-01-01T00:00:00Z", run_id="newer"
    )
    (entry,) = build_registry(stored(newer, standard)).models
    assert {case.settings for case in entry.use_cases.values()} == {""}
    assert {case.reports for case in entry.use_cases.values()} == {("1/report.json",)}
    assert entry.aggregates["marketplace"].rank == 1
    assert [one.measured_as for one in entry.provenance.reports] == ["full, temperature=0.7", "full"]
