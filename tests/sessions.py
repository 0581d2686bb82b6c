"""Sessions of pytest that tests start: in the test's own process wherever that shows the same."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.metadata
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import pytest_slm
from pytest_slm.hosts.sources import InProcessHosts, Opening
from pytest_slm.machine.quiet import wait_until_quiet
from pytest_slm.sandbox import image


class InThisProcess(InProcessHosts):
    """What a session gets in place of ``Hosts``: the same models, behind the same protocol, without a child process."""

    def __init__(self, openings: Mapping[str, Opening], *, request_timeout: float, **_: Any) -> None:
        super().__init__(openings, request_timeout=request_timeout)


INSTALLED = tuple({sysconfig.get_path(name) for name in ("purelib", "platlib")})


@contextlib.contextmanager
def imports_kept(at_end: Callable[[], Mapping[str, ModuleType]]) -> Iterator[None]:
    """What is imported of other packages stays: pytester takes away all that has come since its beginning, some of
    which cannot be loaded a second time (torch), and the rest of which would take its time again."""
    try:
        yield
    finally:
        there = at_end()
        for name in there.keys() - sys.modules.keys():
            place = getattr(there[name], "__file__", None) or ""
            # A module of tests has no package, and may be any folder's: the suites are installed beside us.
            if place.startswith(INSTALLED) and not name.startswith(("pytest_slm.", "test_")):
                sys.modules[name] = there[name]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    before = dict(sys.modules) if "pytester" in getattr(item, "fixturenames", ()) else {}
    with imports_kept(lambda: before):
        return (yield)


class Imported:
    """A plugin of a session: which modules there are at its end."""

    def __init__(self) -> None:
        self.modules: dict[str, ModuleType] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        self.modules = dict(sys.modules)


ENGINES = ("backends.hf", "backends.llamacpp", "sandbox.machine", "sandbox.guest")
"""Modules of ours that bring an engine along, and what runs inside of the sandbox only."""

WITHOUT = [part for name in ("hypothesispytest", "anyio", "pytest_cov") for part in ("-p", f"no:{name}")]
"""What stands beside us because of these tests, and takes a third of a short session."""


@pytest.fixture(scope="session", autouse=True)
def _without() -> Iterator[None]:
    """Sessions in processes of their own, whoever starts them, are without it too, and so are their workers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_ADDOPTS", " ".join(WITHOUT))
        yield


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """pytest's own, which takes ``PYTEST_ADDOPTS`` out of the environment."""
    monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(WITHOUT))
    return pytester


@pytest.fixture(scope="session")
def _loaded() -> None:
    """Every module of ours, imported once: pytester takes away what its sessions import, and the next one would import
    it again (half a second each), as other classes under the same names."""
    for path in Path(pytest_slm.__path__[0]).rglob("*.py"):
        name = ".".join(path.relative_to(pytest_slm.__path__[0]).with_suffix("").parts).removesuffix(".__init__")
        if not name.startswith(ENGINES):
            importlib.import_module(f"pytest_slm.{name}")
    with contextlib.suppress(ImportError):  # its plugin imports it at the end of every session
        importlib.import_module("hypothesis")


COMPILED = image.folder()
"""Where this user's compiled interpreters of the sandbox are."""


@pytest.fixture
def _compiled(pytester: pytest.Pytester) -> None:
    """The user's compiled interpreter, in the home that pytester gives to sessions: compiling takes a minute of one
    core."""
    folder = image.folder()
    if folder != COMPILED and not folder.exists():
        COMPILED.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.parent.mkdir(parents=True)
        with contextlib.suppress(OSError):  # on Windows not everybody may
            folder.symlink_to(COMPILED, target_is_directory=True)


@pytest.fixture(scope="session")
def _installed() -> list[importlib.metadata.Distribution]:
    """What is installed, looked up once: every session of pytest reads the metadata of everything that is there."""
    return list(importlib.metadata.distributions())


def _kept(name: str) -> Any:
    """A property of distributions that is computed once."""
    kept = functools.cached_property(getattr(importlib.metadata.Distribution, name).fget)
    kept.__set_name__(importlib.metadata.Distribution, name)
    return kept


KEPT = {name: _kept(name) for name in ("metadata", "entry_points", "files")}


@pytest.fixture
def short_sessions(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    _loaded: None,
    _installed: list[importlib.metadata.Distribution],
    no_orphans: object,
) -> None:
    """Sessions in this process begin and end soon, and models are in it too, unless the test has the marker
    ``subprocess``."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)  # of the job that runs these tests
    if request.node.get_closest_marker("subprocess") is None:
        monkeypatch.setattr("pytest_slm.plugin.start.Hosts", InThisProcess)
    monkeypatch.setattr(importlib.metadata, "distributions", lambda **_: _installed)
    # pytest-benchmark asks git and hg what the project is called, whenever a session starts.
    monkeypatch.setattr("pytest_benchmark.utils.get_project_name", lambda: "project")
    for name, kept in KEPT.items():
        monkeypatch.setattr(importlib.metadata.Distribution, name, kept)
    # A budget counts from the start of the process, and this one may have run tests for half an hour.
    began = time.monotonic() - 1
    for user in ("planning.survey", "plugin.planner"):
        monkeypatch.setattr(f"pytest_slm.{user}.session_age", lambda: time.monotonic() - began)
    # While tests run side by side, other programs are never quiet: no session waits five seconds until they are.
    look_once = partial(wait_until_quiet, window_s=0.02)
    monkeypatch.setattr("pytest_slm.plugin.stopwatch.wait_until_quiet", lambda _limit_s, look: look_once(0, look))


@pytest.fixture
def session(
    request: pytest.FixtureRequest, pytester: pytest.Pytester, short_sessions: None, _compiled: None
) -> Callable[..., pytest.RunResult]:
    """Runs pytest in the test's folder: in this process, or in one of its own if the test has the marker
    ``subprocess`` (a signal comes, modules or the environment are looked at). With ``subprocess("model")`` only the
    model has a process of its own (it dies, or is a real one, or workers share it), and so have workers."""
    marker = request.node.get_closest_marker("subprocess")
    if marker is not None and marker.args != ("model",):
        return pytester.runpytest_subprocess

    def run(*arguments: str, plugins: Sequence[object] = ()) -> pytest.RunResult:
        imported = Imported()
        # At its end an inner session's faulthandler would leave the signals changed that the sandbox listens to.
        with imports_kept(lambda: imported.modules):
            return pytester.runpytest_inprocess("-p", "no:faulthandler", *arguments, plugins=[imported, *plugins])

    return run
