"""Reading is strict and says where; writing is all or nothing."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.errors import ReportError
from pytest_slm.registry import find_reports, read_report, read_samples, write_json, write_text
from pytest_slm.registry.store import read_json, to_text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_what_is_written_is_read_back_equal(data):
    assert json.loads(to_text(data)) == data
    assert to_text(data) == json.dumps(data, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


@given(st.dictionaries(st.text(), st.integers(), max_size=6))
def test_the_order_of_keys_does_not_change_the_bytes(data):
    assert to_text(data) == to_text(dict(reversed(data.items())))


def test_half_a_surrogate_pair_survives(tmp_path):
    # A model that is cut off in mid-emoji writes one; UTF-8 alone could not hold it.
    write_json(tmp_path / "a.json", {"response": "ok \ud83d"})
    assert read_json(tmp_path / "a.json") == {"response": "ok \ud83d"}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_not_written_and_the_old_file_stays(tmp_path, value):
    path = tmp_path / "report.json"
    write_json(path, {"score": 1.0})
    with pytest.raises(ReportError, match=r"score.*not a finite number.*report-not-finite"):
        write_json(path, {"score": value})
    assert read_json(path) == {"score": 1.0}
    assert list(tmp_path.iterdir()) == [path]


def test_a_written_file_has_the_rights_of_any_new_file(tmp_path):
    # tempfile makes files that only their owner may read: no web server could show such a page.
    write_text(tmp_path / "page.html", "x")
    (tmp_path / "plain").write_text("x")
    assert (tmp_path / "page.html").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_failed_write_names_the_file_and_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("I am no folder")
    with pytest.raises(ReportError, match=r"file/page\.html"):
        write_text(tmp_path / "file" / "page.html", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_crash_before_the_rename_keeps_the_old_text(tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    write_text(path, "old")

    def fails(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(ReportError, match="disk-full"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_stored_run_is_read_back_equal(tmp_path, factory):
    run = factory.make_run("Q8_0", "quick", with_trouble=True)
    assert read_report(factory.store_run(tmp_path, run)) == run


def _spoil(path: Path, change) -> Path:
    document = json.loads(path.read_text())
    text = change(document)
    path.write_text(text if isinstance(text, str) else json.dumps(document))
    return path


@pytest.mark.parametrize(
    ("change", "slug"),
    [
        (lambda d: d.pop("slm") and None, "report-foreign"),
        (lambda d: "[]", "report-foreign"),
        (lambda d: json.dumps(d)[:-40], "report-broken"),
        (lambda d: "[" * 100_000, "report-broken"),
        (lambda d: json.dumps(d).replace('"seed": 0', '"seed": NaN'), "report-broken"),
        (lambda d: d["slm"].update(schema="0.9"), "report-schema"),
        (lambda d: d["slm"].update(schema=[[]] * 5_000), "report-schema"),
        (lambda d: d["slm"].update(surprise=1), "report-invalid"),
        # more than a float can hold
        (lambda d: d["slm"].update(harness={"wall_s": 10**400}), "report-broken"),
        (lambda d: d["slm"].update(seed=10**400), "report-broken"),
        (lambda d: d["slm"].pop("results") and None, "report-invalid"),
        # 2026-11-01T10:00 of which place? A naive time would sort wrongly against others.
        (lambda d: d["slm"].update(finished="2026-11-01T10:00:00"), "report-invalid"),
    ],
)
def test_a_report_that_is_not_in_order_is_an_error_with_its_path(tmp_path, factory, change, slug):
    path = _spoil(factory.store_run(tmp_path, factory.make_run()), change)
    with pytest.raises(ReportError) as caught:
        read_report(path)
    assert caught.value.slug == slug
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 500


def test_broken_reports_are_listed_beside_the_good_ones(tmp_path, factory):
    factory.store_run(tmp_path, factory.make_run("Q8_0"))
    broken = _spoil(factory.store_run(tmp_path, factory.make_run("Q4_0")), lambda d: "{")
    found, errors = find_reports(tmp_path)
    assert [stored.run.quantization for stored in found] == ["Q8_0"]
    assert [str(broken) in str(error) for error in errors] == [True]


def test_found_paths_are_relative_and_in_order(tmp_path, factory):
    for quantization in ("Q8_0", "FP16", "Q4_0"):
        factory.store_run(tmp_path, factory.make_run(quantization))
    paths = [stored.path for stored in find_reports(tmp_path)[0]]
    assert paths == sorted(paths)
    assert paths[0].startswith("smollm2-135m-instruct/FP16/")


def test_no_folder_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(ReportError, match="Run pytest with --slm-model first"):
        find_reports(tmp_path / "nowhere")


def test_samples_are_read_by_their_result(tmp_path, factory):
    run = factory.make_run()
    samples = factory.make_samples(run, 3)
    folder = factory.store_run(tmp_path, run, samples).parent
    assert {name: list(lines) for name, lines in read_samples(folder, run).items()} == samples


def test_a_line_separator_inside_a_response_does_not_cut_the_line(tmp_path, factory):
    run = factory.make_run()
    samples = factory.make_samples(run, 1)
    name = next(iter(samples))
    folder = factory.store_run(tmp_path, run, samples).parent
    (folder / name).write_text('{"response": "one\u2028two"}\n', encoding="utf-8")
    assert read_samples(folder, run)[name] == ({"response": "one\u2028two"},)


def test_a_broken_sample_line_is_named(tmp_path, factory):
    run = factory.make_run()
    samples = factory.make_samples(run, 1)
    folder = factory.store_run(tmp_path, run, samples).parent
    name = next(iter(samples))
    with (folder / name).open("a") as file:
        file.write('{"response": NaN}\n')
    with pytest.raises(ReportError, match=rf"{name}:2: not valid JSON.*samples-broken"):
        read_samples(folder, run)


def test_sample_paths_may_not_leave_the_run_folder(tmp_path, factory):
    run = factory.make_run()
    path = factory.store_run(tmp_path, run)
    name = next(result.samples for result in run.results if result.samples)
    path.write_text(path.read_text().replace(name, "../../../../etc/passwd", 1))
    with pytest.raises(ReportError, match=r"samples: expected a path inside of its folder.*report-invalid"):
        read_report(path)
    (path.parent / name).unlink(missing_ok=True)
    (path.parent / name).parent.mkdir(exist_ok=True)
    (path.parent / name).symlink_to("/etc/passwd")
    with pytest.raises(ReportError, match=r"outside of its folder.*report-path"):
        read_samples(path.parent, run)
