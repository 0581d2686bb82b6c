"""All that concerns pytest-xdist: workers get settings and the models' address, and tell what they planned."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_slm.core.config import RunConfig
from pytest_slm.core.types import ItemId, SuiteFacts
from pytest_slm.hosts.sources import Broker, Hosts, WorkerHosts
from pytest_slm.plugin.items import planned

if TYPE_CHECKING:
    from pytest_slm.run.session import Run

INPUT = "slm"
PLANNED = "slm_planned"
VERSIONS = "slm_versions"
SUITES = "slm_suites"
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
    if told["broker"] is not None:
        run.hosts = WorkerHosts(told["broker"], bytes.fromhex(told["key"]), request_timeout=run.config.request_timeout)
    config.pluginmanager.register(Worker(run), "slm-worker")


def _told(config: pytest.Config) -> dict[str, Any]:
    return cast(dict[str, Any], config.workerinput[INPUT])  # type: ignore[attr-defined]


def prepare(config: pytest.Config, run: Run, hosts: Hosts) -> None:
    """In a controller: let workers ask for its models."""
    if is_controller(config):
        config.pluginmanager.register(Controller(run, Broker(hosts)), "slm-controller")


class Controller:
    """The hooks of pytest-xdist's controller."""

    def __init__(self, run: Run, broker: Broker) -> None:
        self._run = run
        self._broker = broker
        self.planned: dict[str, ItemId] = {}

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput[INPUT] = {
            "config": self._run.config.to_json(),
            "broker": self._broker.address,
            "key": self._broker.key.hex(),
        }

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        output = getattr(node, "workeroutput", {})
        if PROBLEM in output:
            raise pytest.UsageError(output[PROBLEM])
        for nodeid, identity in output.get(PLANNED, ()):
            self.planned[nodeid] = ItemId.from_json(identity)
        self._run.versions.update({(suite, task): version for suite, task, version in output.get(VERSIONS, ())})
        self._run.suites.update({name: SuiteFacts.from_json(facts) for name, facts in output.get(SUITES, {}).items()})

    def pytest_unconfigure(self) -> None:
        self._broker.close()


class Worker:
    """The hooks of one of pytest-xdist's workers."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._problem: str | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None]:
        # Only the controller can end a session with a usage error; a worker that raises one is an internal error.
        try:
            yield
        except pytest.UsageError as error:
            self._problem = str(error)
            items.clear()

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output = session.config.workeroutput  # type: ignore[attr-defined]
        if self._problem is not None:
            output[PROBLEM] = self._problem
        output[PLANNED] = [(nodeid, identity.to_json()) for nodeid, identity, _ in planned(session.items)]
        output[VERSIONS] = [(*task, version) for task, version in self._run.versions.items()]
        output[SUITES] = {name: facts.to_json() for name, facts in self._run.suites.items()}

    def pytest_unconfigure(self) -> None:
        if self._run.hosts is not None:
            self._run.hosts.close()
