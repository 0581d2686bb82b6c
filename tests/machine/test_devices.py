"""The table of devices: complete, cited, and compared with what was measured only."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.record import RecordError
from pytest_slm.machine.devices import DeviceClass, DeviceTable, device_table, fit, fits

TABLE = device_table()
PI = TABLE["raspberry_pi_5_4gb"]
DOCS = Path(__file__).parents[2] / "docs" / "machine.md"


def test_every_device_that_was_asked_for_is_there():
    named = {device.name for device in TABLE}
    wanted = {"jetson_orin_nano", "16gb_laptop", "mobile_high_end", "mini_pc", "ci_runner_2core"}
    assert named == wanted | {f"raspberry_pi_5_{size}gb" for size in (4, 8, 16)}


@pytest.mark.parametrize("device", list(TABLE), ids=lambda device: device.name)
def test_every_figure_has_a_source_and_a_reason(device):
    assert all(re.fullmatch(r"https://\S+", source) for source in device.sources)
    assert len(device.reasoning) > 40
    assert device.usable_bytes % 10**8 == 0  # no false precision
    assert device.total_bytes % 2**30 == 0


def test_the_page_tells_the_table():
    text = DOCS.read_text("utf-8")
    for device in TABLE:
        basis = "measured" if device.basis == "measured" else "assumed"
        cells = [f"`{device.name}`", f"{device.total_bytes / 2**30:.0f} GiB", f"{device.usable_bytes / 1e9:.1f} GB"]
        row = " | ".join(["", *cells, basis, device.reasoning, ""]).strip()
        assert row in text, row


@given(st.integers(1, 2**36))
def test_it_fits_if_it_is_not_more_than_is_usable(peak):
    assert fits(PI, peak) is (peak <= PI.usable_bytes)


@pytest.mark.parametrize("unknown", [None, 0, 0.0, -1])
def test_what_was_not_measured_fits_nowhere_and_is_not_refused_either(unknown):
    # "0.0 GB" once passed everywhere
    for device in TABLE:
        assert fits(device, unknown) is None
    assert str(fit(PI, "Q4_0", unknown)).startswith("whether Q4_0 fits on raspberry_pi_5_4gb is not known")


def test_a_fit_names_device_and_quantization():
    assert str(fit(PI, "Q4_0", 310_000_000.0)) == "Q4_0 fits on raspberry_pi_5_4gb: 0.31 GB of 3.6 GB usable"
    assert str(fit(PI, "F32", 3_700_000_000)) == "F32 does not fit on raspberry_pi_5_4gb: 3.70 GB of 3.6 GB usable"


def test_an_unknown_device_is_met_with_the_nearest():
    with pytest.raises(KeyError, match="Did you mean 'raspberry_pi_5_4gb'"):
        TABLE["raspberry_pi5_4gb"]


@pytest.mark.parametrize(
    "change", [{"usable_bytes": 2**40}, {"usable_bytes": 0}, {"sources": []}, {"reasoning": ""}, {"basis": "guess"}]
)
def test_a_figure_that_cannot_be_is_refused(change):
    with pytest.raises(RecordError):
        DeviceClass.from_json({**PI.to_json(), **change})


def test_names_are_unique():
    with pytest.raises(ValueError, match="one name"):
        DeviceTable(device=(PI, PI))
