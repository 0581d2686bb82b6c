"""What is said of an open model, and which of it numbers depend on."""

import dataclasses

import pytest

from pytest_slm.core.backend_info import (
    ANSWERS,
    BATCHING,
    CONSEQUENCES,
    ENGINE,
    SETTINGS,
    TIMINGS,
    BackendInfo,
    HostDescription,
    HostInfo,
    machine_id,
    setup_of,
)

INFO = BackendInfo(name="fake", engine_version="1", n_ctx=2048)


def test_of_every_field_it_is_said_what_depends_on_it():
    # A new field: put it into one of the groups. Do answers depend on it? Then ENGINE, SETTINGS or BATCHING.
    classes = [*ENGINE, *SETTINGS, *BATCHING, *CONSEQUENCES, "extra"]
    assert sorted(classes) == sorted(field.name for field in dataclasses.fields(BackendInfo))
    assert set(ANSWERS) | set(CONSEQUENCES) == set(classes)
    assert not set(ANSWERS) & set(CONSEQUENCES)
    assert set(TIMINGS) < set(ANSWERS)


@pytest.mark.parametrize("name", SETTINGS)
def test_two_settings_are_two_setups(name):
    assert setup_of(INFO) != setup_of(dataclasses.replace(INFO, **{name: 7}))


@pytest.mark.parametrize("name", [*BATCHING, *CONSEQUENCES])
def test_what_only_moves_the_last_digits_keeps_reports_together(name):
    assert setup_of(INFO) == setup_of(dataclasses.replace(INFO, **{name: 7}))


def test_a_model_that_was_never_opened_has_a_setup_of_its_own():
    assert setup_of(None) != setup_of(INFO)


def test_what_is_known_is_told_with_what_a_plugin_says_beyond():
    told = dataclasses.replace(INFO, exact=False, extra={"tiles": 4}).known
    assert told == {"name": "fake", "engine_version": "1", "n_ctx": 2048, "exact": False, "tiles": 4}


def test_all_that_a_process_says_travels_as_json():
    host = HostInfo(pid=7, capabilities=("chat",), load_s=0.5)
    said = HostDescription(backend=INFO, host=host, machine={"fingerprint": "m", "cpu": None})
    assert HostDescription.from_json(said.to_json()) == said
    assert said.machine_id == "m"


def test_a_machine_without_a_fingerprint_has_no_name():
    assert machine_id({}, INFO) is None
    assert machine_id({"fingerprint": None}, dataclasses.replace(INFO, device="cuda")) is None
