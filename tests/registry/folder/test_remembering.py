"""Files that were read once and not touched since are not read again; whatever somebody did to them is noticed."""

import hashlib
import json
import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pytest_slm.registry import build_folder
from pytest_slm.registry.folder import building, looking, remembering
from pytest_slm.registry.folder.looking import sightings
from pytest_slm.registry.folder.remembering import FolderMemory, place_of

NOW = datetime(2026, 12, 1, tzinfo=UTC)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the system does not tell when a file last changed")


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Three reports are worth it, and a file is calm after one step of the clock."""
    monkeypatch.setattr(building, "ENOUGH", 3)
    monkeypatch.setattr(remembering, "CALM_NS", 0)


@pytest.fixture
def registry(tmp_path, reports):
    """A registry of which all files are remembered: the second build has seen those that the first one made."""
    for _ in range(2):
        time.sleep(0.05)
        build_folder(reports, tmp_path / "registry", now=NOW)
    time.sleep(0.05)
    return tmp_path / "registry"


@pytest.fixture
def read(monkeypatch):
    """The files that are read to be hashed."""
    found = []
    report, model = building.read_report_bytes, building.check_file

    def read_report(path, within):
        found.append(path.relative_to(within).as_posix())
        return report(path, within)

    def read_model(folder, one):
        found.append(one.id)
        return model(folder, one)

    monkeypatch.setattr(building, "read_report_bytes", read_report)
    monkeypatch.setattr(building, "check_file", read_model)
    return found


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def anew(tmp_path, reports):
    target = tmp_path / "anew" / "registry"
    build_folder(reports, target, now=NOW)
    found = content(target)
    shutil.rmtree(target.parent)
    return found


def edit(path):
    """Other content of the same size, with the time that the file had."""
    before = path.stat()
    text = path.read_bytes()
    changed = text.replace(b'"seed": 0', b'"seed": 1', 1)
    assert changed != text
    path.write_bytes(changed)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)


def test_what_was_not_touched_is_not_read_again(registry, reports, read):
    before = content(registry)
    build_folder(reports, registry, now=NOW)
    assert read == []
    assert content(registry) == before
    place_of(registry).unlink()
    build_folder(reports, registry, now=NOW)
    assert len(read) == 5
    assert content(registry) == before


def test_an_edit_that_leaves_size_and_time_is_noticed(tmp_path, registry, reports, read):
    (path,) = reports.glob("b/*/*/report.json")
    edit(path)
    build_folder(reports, registry, now=NOW)
    assert read == [path.relative_to(reports).as_posix()]
    assert content(registry) == anew(tmp_path, reports)


def test_a_copy_of_the_same_size_in_its_place_is_noticed(tmp_path, registry, reports):
    (path,) = reports.glob("b/*/*/report.json")
    copy = tmp_path / "copy.json"
    shutil.copy2(path, copy)
    edit(copy)
    copy.replace(path)
    build_folder(reports, registry, now=NOW)
    assert content(registry) == anew(tmp_path, reports)


def test_an_edited_file_of_a_model_is_noticed(registry, reports):
    before = content(registry)
    path = registry / "models" / "org--b.json"
    edit(path)
    build_folder(reports, registry, now=NOW)
    assert content(registry) == before


@pytest.fixture
def hashed(monkeypatch):
    """The runs whose samples are read to be hashed."""
    found, digest = [], building.samples_digest
    monkeypatch.setattr(building, "samples_digest", lambda run, names: found.append(run) or digest(run, names))
    return found


def test_samples_that_were_not_touched_are_not_read_again(tmp_path, reports, factory, hashed):
    run = factory.make_run(slug="c", name="C", hf_repo="org/c", suites=("core",))
    samples = factory.make_samples(run)
    path = factory.store_run(reports, factory.agreeing(run, samples), samples)
    for _ in range(2):
        time.sleep(0.05)
        hashed.clear()
        build_folder(reports, tmp_path / "registry", now=NOW)
    assert hashed == []
    before = content(tmp_path / "registry")
    name = next(iter(samples))
    scores = [line["score"] for line in samples[name]]
    one, other = scores.index(1.0), scores.index(0.0)
    lines = [
        {**line, "score": {one: 0.0, other: 1.0}.get(place, scores[place])} for place, line in enumerate(samples[name])
    ]
    state = (path.parent / name).stat()
    (path.parent / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    os.utime(path.parent / name, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert (path.parent / name).stat().st_size == state.st_size
    build_folder(reports, tmp_path / "registry", now=NOW)
    assert hashed == [path.parent]
    assert content(tmp_path / "registry") == anew(tmp_path, reports) != before


def test_files_that_were_touched_just_now_are_not_remembered(tmp_path, reports, monkeypatch):
    monkeypatch.setattr(remembering, "CALM_NS", 2_000_000_000)
    build_folder(reports, tmp_path / "registry", now=NOW)
    assert not place_of(tmp_path / "registry").exists()


def test_two_edits_within_one_step_of_the_clock_are_told_apart(tmp_path, reports, read, monkeypatch):
    """A file system whose clock has steps of two seconds, or hours: what is written within one has the same state."""
    step, state_of = 3_600_000_000_000, looking.state_of

    def coarse(entry):
        state, device = state_of(entry)
        return state and (state[0], state[1] // step * step, state[2] // step * step, state[3]), device

    monkeypatch.setattr(looking, "state_of", coarse)
    monkeypatch.setattr(remembering, "CALM_NS", step)
    build_folder(reports, tmp_path / "registry", now=NOW)
    before = sightings(reports)
    (path,) = reports.glob("b/*/*/report.json")
    edit(path)
    assert sightings(reports) == before  # nobody sees it by the state
    build_folder(reports, tmp_path / "registry", now=NOW)
    assert path.relative_to(reports).as_posix() in read
    assert content(tmp_path / "registry") == anew(tmp_path, reports)


def test_a_report_that_a_link_leads_to_is_never_remembered(tmp_path, registry, reports):
    (path,) = reports.glob("b/*/*/report.json")
    path.rename(tmp_path / "elsewhere.json")  # with its number and its times
    path.symlink_to(tmp_path / "elsewhere.json")
    index = build_folder(reports, registry, now=NOW)
    assert [(one.path, one.slug) for one in index.refused] == [(path.relative_to(reports).as_posix(), "report-missing")]
    assert content(registry) == anew(tmp_path, reports)


def test_a_folder_of_models_that_is_a_link_is_told_as_ever(tmp_path, registry, reports, read):
    (registry / "models").rename(tmp_path / "models")
    (registry / "models").symlink_to(tmp_path / "models")
    before = content(registry / "models")
    build_folder(reports, registry, now=NOW)  # its files are not those it had, so all is made again
    assert set(read) & {"org--b", "huggingfacetb--smollm2-135m-instruct"}
    assert content(registry / "models") == before


def sealed(body):
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def told(*parts):
    return sealed(json.dumps(parts).encode())


def known(whole):
    return json.loads(whole.partition(b"\n")[2])[1]


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda whole: b"",
        lambda whole: whole[:-9],
        lambda whole: whole.replace(b"report ", b"REPORT ", 1),
        lambda whole: b"\xff" * 200,
        lambda whole: sealed(b"[" * 5_000),
        lambda whole: sealed(b"null"),
        lambda whole: told("hashes of files 2", known(whole)),
        lambda whole: told(remembering.FORMAT, 7),
        lambda whole: told(remembering.FORMAT, {name: [1, None, {}] for name in known(whole)}),
        lambda whole: told(remembering.FORMAT, {name: [*one[:-1], ["a"]] for name, one in known(whole).items()}),
    ],
    ids=["empty", "cut", "changed", "bytes", "deep", "null", "version", "number", "states", "hashes"],
)
def test_what_is_not_what_was_left_there_is_not_believed(registry, reports, read, spoilt):
    before, whole = content(registry), place_of(registry).read_bytes()
    place_of(registry).write_bytes(spoilt(whole))
    build_folder(reports, registry, now=NOW)
    assert len(read) == 5
    assert content(registry) == before
    assert place_of(registry).read_bytes() == whole


def test_what_a_killed_build_has_left_beside_it_goes(registry, reports):
    left, other = (
        place_of(registry).with_name(f"{place_of(registry).name}.{token}.new") for token in ("0" * 8, "1" * 8)
    )
    for path in (left, other):
        path.write_text("{")
    yesterday = time.time() - 2 * 24 * 3600
    os.utime(left, (yesterday, yesterday))
    build_folder(reports, registry, now=NOW)
    assert (left.exists(), other.exists()) == (False, True)


def test_a_few_reports_leave_no_file(tmp_path, reports, monkeypatch):
    monkeypatch.setattr(building, "ENOUGH", 4)
    time.sleep(0.05)
    build_folder(reports, tmp_path / "registry", now=NOW)
    assert not place_of(tmp_path / "registry").exists()


def test_it_is_no_error_if_nothing_can_be_remembered(tmp_path, registry, reports, monkeypatch):
    before = content(registry)
    place_of(registry).unlink()
    place_of(registry).mkdir()  # nothing can be put there
    build_folder(reports, registry, now=NOW)
    assert content(registry) == before
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".new")] == []
    place_of(registry).rmdir()
    monkeypatch.setattr(remembering.Path, "touch", refuse)
    build_folder(reports, registry, now=NOW)
    assert content(registry) == before
    assert not place_of(registry).exists()


def refuse(*_, **__):
    raise PermissionError(13, "Permission denied")


def test_files_of_another_clock_are_not_remembered(tmp_path):
    kept = FolderMemory(tmp_path / "registry", worth=True)
    device = tmp_path.stat().st_dev
    kept.keep("one", (1, 2, 3, 4), device, "a" * 64)
    kept.keep("other", (1, 2, 3, 4), device + 1, "a" * 64)
    kept.write()
    again = FolderMemory(tmp_path / "registry", worth=True)
    assert again.digest("one", (1, 2, 3, 4), device) == "a" * 64
    assert again.digest("one", (1, 2, 3, 4), device + 1) is None
    assert again.digest("one", (1, 2, 9, 4), device) is None
    assert again.digest("other", (1, 2, 3, 4), device) is None


def test_a_refused_report_is_remembered_too(registry, reports, read):
    (path,) = reports.glob("b/*/*/report.json")
    path.write_text("{")
    time.sleep(0.05)
    index = build_folder(reports, registry, now=NOW)
    read.clear()
    assert build_folder(reports, registry, now=NOW) == index
    assert read == []


def test_what_another_folder_of_reports_has_under_the_same_name_is_read(tmp_path, registry, reports, factory):
    other = tmp_path / "other"
    shutil.copytree(reports, other)
    (path,) = other.glob("b/*/*/report.json")
    edit(path)
    build_folder(other, registry, now=NOW)
    assert content(registry) == anew(tmp_path, other)


def test_the_registry_of_the_folder_where_one_stands_has_its_file_beside_it(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert place_of(Path()) == tmp_path / ".here.cache"
    assert place_of(Path("deeper")) == tmp_path / "here" / ".deeper.cache"
