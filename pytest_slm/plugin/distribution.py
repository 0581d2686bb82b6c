"""All that concerns pytest-xdist: workers get settings and the models' address, and tell what they planned."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_slm.core.config import RunConfig
from pytest_slm.core.types import ItemId, SuiteFacts
from pytest_slm.hosts.sources import Broker, Hosts, WorkerHosts
from pytest_slm.plugin.items import planned

if TYPE_CHECKING:
    from pytest_slm.run.session import Run

INPUT = "slm"
PROBLEM = "slm_problem"


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is a worker of pytest-xdist."""
    return hasattr(config, "workerinput")


def is_controller(config: pytest.Config) -> bool:
    """Whether this process distributes items to workers."""
    return config.getoption("dist", "no") != "no" and bool(config.getoption("tx", None))


def settings(config: pytest.Config) -> RunConfig | None:
    """In a worker, the controller's settings: the run id and everything else must be the same; else None."""
    return RunConfig.from_json(_told(config)["config"]) if is_worker(config) else None


def join(config: pytest.Config, run: Run) -> None:
    """In a worker: use the controller's models, and tell it what was collected."""
    told = _told(config)
    hosts = WorkerHosts(told["broker"], bytes.fromhex(told["key"]), request_timeout=run.config.request_timeout)
    run.hosts = hosts
    config.pluginmanager.register(Worker(run, hosts), "slm-worker")


def _told(config: pytest.Config) -> dict[str, Any]:
    return cast(dict[str, Any], config.workerinput[INPUT])  # type: ignore[attr-defined]


def prepare(config: pytest.Config, run: Run, hosts: Hosts) -> None:
    """In a controller: let workers ask for its models."""
    if is_controller(config):
        config.pluginmanager.register(Controller(run, hosts), "slm-controller")


class Controller:
    """The hooks of pytest-xdist's controller."""

    def __init__(self, run: Run, hosts: Hosts) -> None:
        self._run = run
        self._broker = Broker(hosts, self._collected)
        self.planned: dict[str, ItemId] = {}

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput[INPUT] = {
            "config": self._run.config.to_json(),
            "broker": self._broker.address,
            "key": self._broker.key.hex(),
        }

    def _collected(self, told: Mapping[str, Any]) -> None:
        # New mappings: somebody may be reading the old ones.
        self.planned = {**self.planned, **{nodeid: ItemId.from_json(one) for nodeid, one in told["planned"]}}
        versions = {(suite, task): version for suite, task, version in told["versions"]}
        self._run.versions = {**self._run.versions, **versions}
        suites = {name: SuiteFacts.from_json(facts) for name, facts in told["suites"].items()}
        self._run.suites = {**self._run.suites, **suites}

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        problem = getattr(node, "workeroutput", {}).get(PROBLEM)
        if problem is not None:
            raise pytest.UsageError(problem)

    def pytest_unconfigure(self) -> None:
        self._broker.close()


class Worker:
    """The hooks of one of pytest-xdist's workers."""

    def __init__(self, run: Run, hosts: WorkerHosts) -> None:
        self._run = run
        self._hosts = hosts
        self._problem: str | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None]:
        # Only the controller can end a session with a usage error; a worker that raises one is an internal error.
        try:
            yield
        except pytest.UsageError as error:
            self._problem = str(error)
            items.clear()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        # Now, and not with what xdist takes from a worker at its end: after Ctrl-C the controller does not wait for it.
        self._hosts.tell(
            {
                "planned": [(nodeid, identity.to_json()) for nodeid, identity, _ in planned(session.items)],
                "versions": [(*task, version) for task, version in self._run.versions.items()],
                "suites": {name: facts.to_json() for name, facts in self._run.suites.items()},
            }
        )

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._problem is not None:
            session.config.workeroutput[PROBLEM] = self._problem  # type: ignore[attr-defined]

    def pytest_unconfigure(self) -> None:
        if self._run.hosts is not None:
            self._run.hosts.close()
