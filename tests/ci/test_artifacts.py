"""Archives that somebody has made to write elsewhere, to fill the disk, or to pass for those of another job."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import struct
import zipfile
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_slm.ci import artifacts
from pytest_slm.ci.artifacts import MANIFEST, Origin, pack, unpack
from pytest_slm.errors import SlmError

ORIGIN = Origin(repo="team/models", run=55, pull=1, head="a1" * 20, kind="report", quantization="Q8_0")


@pytest.fixture
def archive(tmp_path):
    """Writes an archive with a manifest that fits it; ``members`` are written as they are."""

    def make(files=None, *, origin=ORIGIN, members=(), manifest=None, named=None, **lies):
        content = {"reports/a.json": b"{}"} if files is None else files
        facts = {
            name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in content.items()
        }
        said = {"schema": 1, "origin": origin.to_json(), "files": facts if named is None else named, **lies}
        path = tmp_path / "slm-report-0.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, data in content.items():
                packed.writestr(name, data)
            for info, data in members:
                packed.writestr(info, data)
            text = json.dumps(said).encode() if manifest is None else manifest
            if text:
                packed.writestr(MANIFEST, text)
        return path

    return make


@pytest.fixture
def refused(tmp_path):
    """The reason why an archive is refused. Nothing was written outside of the folder."""

    def ask(path, expected=ORIGIN):
        before = set(tmp_path.rglob("*"))
        with pytest.raises(SlmError) as error:
            unpack(path, tmp_path / "target", expected)
        assert error.value.slug == "ci-artifact"
        new = set(tmp_path.rglob("*")) - before
        assert all(one.is_relative_to(tmp_path / "target") and not one.is_symlink() for one in new)
        return str(error.value)

    return ask


def test_what_was_packed_comes_out_the_same(tmp_path):
    folder = tmp_path / "made"
    (folder / "reports/x").mkdir(parents=True)
    (folder / "reports/x/report.json").write_text("{}")
    (folder / ".hidden").write_text("not handed over")
    manifest = pack(folder, ORIGIN)
    assert list(manifest.files) == ["reports/x/report.json"]
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for name in (MANIFEST, "reports/x/report.json"):
            packed.write(folder / name, name)
    assert unpack(path, tmp_path / "target", ORIGIN) == manifest
    assert (tmp_path / "target/reports/x/report.json").read_text() == "{}"
    assert pack(folder, ORIGIN) == manifest  # its own manifest is none of its files


@pytest.mark.skipif(os.name == "nt", reason="Windows lets few people make links")
def test_a_link_is_not_packed(tmp_path):
    (tmp_path / "secret").write_text("token")
    (tmp_path / "made").mkdir()
    (tmp_path / "made/link").symlink_to("/proc/self/environ")
    with pytest.raises(SlmError, match="it is a link"):
        pack(tmp_path / "made", ORIGIN)


def test_too_many_files_are_not_packed(tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts, "MOST_FILES", 2)
    for number in range(3):
        (tmp_path / f"{number}").write_text("")
    with pytest.raises(SlmError, match="3 files, and at most 2"):
        pack(tmp_path, ORIGIN)


NAMES = (
    "../x",
    "a/../../x",
    "/etc/x",
    "C:/x",
    "..\\x",
    "a\\..\\..\\x",
    ".git/hooks/post-checkout",
    "a//b",
    "./x",
    "x/.",
    "",
)


@pytest.mark.parametrize("name", [*NAMES, "a\x00b", "a\nb", "x" * 300])
def test_names_that_lead_elsewhere_are_refused(archive, refused, name):
    info = zipfile.ZipInfo("placeholder")
    info.filename = name
    assert "refused" in refused(archive(members=[(info, b"x")]))


@pytest.mark.parametrize("name", [*NAMES, "a\x00b"])
def test_a_manifest_that_names_other_places_is_refused(archive, refused, name):
    facts = {"size": 2, "sha256": hashlib.sha256(b"{}").hexdigest()}
    assert "its manifest is none" in refused(archive(files={}, members=[("a", b"{}")], named={name: facts}))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
def test_links_and_devices_are_refused(archive, refused, kind):
    info = zipfile.ZipInfo("reports/link")
    info.external_attr = (kind | 0o777) << 16
    assert "a link or a device" in refused(archive(members=[(info, b"/etc/passwd")]))


def test_one_name_twice_is_refused(archive, refused):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = archive(members=[("reports/a.json", b"{}")])
    assert "in it twice" in refused(path)
    assert "in it twice" in refused(archive(members=[("reports/A.json", b"{}")]))


def test_a_bomb_is_refused_before_it_is_unpacked(archive, refused, monkeypatch):
    # 16 MiB of zeros are 16 kB: the limits are lowered, the archive is a real one
    monkeypatch.setattr(artifacts, "LARGEST_FILE", 1 << 20)
    assert "at most" in refused(archive(files={"reports/zeros": bytes(1 << 24)}))
    monkeypatch.setattr(artifacts, "LARGEST_TOTAL", 1 << 20)
    assert "when it is unpacked" in refused(archive(files={f"reports/{n}": bytes(1 << 19) for n in range(3)}))


def test_a_file_that_lies_about_its_size_is_refused(archive, refused):
    path = archive(files={"reports/zeros": bytes(100_000)})
    data = bytearray(path.read_bytes())
    # both headers say 10 bytes, and so does the manifest
    while (place := data.find(struct.pack("<I", 100_000))) >= 0:
        data[place : place + 4] = struct.pack("<I", 10)
    path.write_bytes(data)
    assert "refused" in refused(path)


def test_too_many_files_are_refused(archive, refused, monkeypatch):
    monkeypatch.setattr(artifacts, "MOST_FILES", 3)
    assert "at most 3" in refused(archive(files={f"f{n}": b"" for n in range(5)}))


@pytest.mark.parametrize(
    "changes",
    [
        {"repo": "sam/models"},
        {"run": 54},
        {"pull": 2},
        {"head": "d4" * 20},
        {"kind": "cells"},
        {"quantization": "Q4_0"},
        {"shard": 1},
    ],
)
def test_an_artifact_of_something_else_is_refused(archive, refused, changes):
    (name,) = changes
    assert f"its {name} is" in refused(archive(origin=replace(ORIGIN, **changes)))


@pytest.mark.parametrize(
    "manifest", [b"{}", b"[]", b"{", b"\xff", b"[" * 10_000, b'{"schema": 1, "schema": 1}', b"null"]
)
def test_a_manifest_that_is_none_is_refused(archive, refused, manifest):
    assert "its manifest is none" in refused(archive(manifest=manifest))


def test_an_archive_without_a_manifest_is_refused(archive, refused):
    assert "no manifest" in refused(archive(manifest=b""))


@pytest.mark.parametrize("lies", [{"schema": 2}, {"more": 1}, {"named": {"reports/a.json": {"size": 2, "sha256": ""}}}])
def test_a_manifest_of_another_form_is_refused(archive, refused, lies):
    assert "its manifest is none" in refused(archive(**lies))


def test_a_file_that_was_exchanged_is_refused(archive, refused):
    facts = {"reports/a.json": {"size": 2, "sha256": hashlib.sha256(b"[]").hexdigest()}}
    assert "not the file of its manifest" in refused(archive(named=facts))


def test_a_file_that_nobody_named_is_refused(archive, refused):
    assert "and not in both" in refused(archive(members=[("reports/more.json", b"{}")]))


def test_an_encrypted_archive_is_refused(archive, refused):
    path = archive()
    data = bytearray(path.read_bytes())
    place = data.index(b"PK\x01\x02")
    data[place + 8] |= 1
    path.write_bytes(data)
    assert "encrypted" in refused(path)


@settings(max_examples=60)
@given(place=st.integers(0, 10_000), value=st.integers(0, 255), cut=st.integers(0, 10_000) | st.none())
def test_whatever_is_changed_in_an_archive_it_is_refused_or_the_same(tmp_path_factory, place, value, cut):
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "made").mkdir()
    (folder / "made/a.json").write_text("{}")
    pack(folder / "made", ORIGIN)
    path = folder / "a.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for name in (MANIFEST, "a.json"):
            packed.write(folder / "made" / name, name)
    data = bytearray(path.read_bytes())
    data[place % len(data)] = value
    path.write_bytes(data if cut is None else data[: cut % len(data)])
    refusals = []
    try:
        unpack(path, folder / "target", ORIGIN)
    except SlmError as error:
        refusals.append(error.slug)
    assert refusals == ["ci-artifact"] or (folder / "target/a.json").read_text() == "{}"
