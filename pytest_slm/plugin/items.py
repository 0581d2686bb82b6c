"""Suites, task files and their items, as pytest collects them: one item per task variant and quantization."""

from __future__ import annotations

import contextlib
import fnmatch
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_slm.core.record import RecordError
from pytest_slm.core.types import PROPERTY, ItemId, Result, Suite, SuiteFacts, Task
from pytest_slm.errors import NotAvailableError, SlmError, UsageError, did_you_mean, shown, told
from pytest_slm.kinds.checking import check_files, count_samples, find_mistakes, is_timed
from pytest_slm.load import load_suite, load_task
from pytest_slm.load.builtin import check_own_name, suite_keys
from pytest_slm.plugin.baselines.keys import JUDGE, unjudged
from pytest_slm.plugin.baselines.properties import properties
from pytest_slm.plugin.cells.keys import THROUGH, straight
from pytest_slm.plugin.marks import mark_of, parameters

if TYPE_CHECKING:
    from pytest_slm.run.session import Run
    from pytest_slm.terminal.progress import LiveLine

RUN: pytest.StashKey[Run] = pytest.StashKey()
LIVE: pytest.StashKey[LiveLine] = pytest.StashKey()
IDENTITY: pytest.StashKey[ItemId] = pytest.StashKey()
COST: pytest.StashKey[float] = pytest.StashKey()
"""Tokens that an item will take, roughly; only for the ETA."""

SUITE_FILE = "suite.yaml"
WRITES = {"chat", "generate", "tools"}
"""What a task requires whose answers are written, and so may be asked for several times."""


class SuiteDir(pytest.Directory):
    """A folder with a ``suite.yaml``. Its tags become markers of everything in it."""

    suite: Suite
    problem: str | None = None

    @classmethod
    def of(cls, parent: pytest.Collector, path: Path) -> SuiteDir:
        """The collector of that folder; a broken ``suite.yaml`` is a collection error."""
        node: SuiteDir = cls.from_parent(parent, path=path)
        try:
            node.suite = load_suite(path / SUITE_FILE)
            check_own_name(node.suite)
        except SlmError as error:
            node.problem = str(error)
            return node
        run = node.config.stash[RUN]
        run.tasks_of[node.suite.name], run.suites[node.suite.name] = node.suite.tasks, node.suite.facts
        for tag in node.suite.tags:
            node.config.addinivalue_line("markers", f"{tag}: items of suites with this tag (pytest-slm)")
            node.add_marker(tag)
        return node

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        if self.problem:
            raise self.CollectError(self.problem)
        for path in sorted(self.path.iterdir()):
            if not path.is_file() or path.suffix not in (".yaml", ".py"):
                continue
            if not self.ihook.pytest_ignore_collect(collection_path=path, config=self.config):
                yield from self.ihook.pytest_collect_file(file_path=path, parent=self)


class TaskFile(pytest.File):
    """A task's YAML file."""

    def collect(self) -> Iterable[TaskItem]:
        run = self.config.stash[RUN]
        parent = self.parent
        assert isinstance(parent, SuiteDir)
        try:
            task = load_task(self.path, parent.suite, lambda task: find_mistakes(task, run.extensions))
            check_files(task, run.extensions)
        except SlmError as error:
            raise self.CollectError(str(error)) from None
        facts = TaskFacts.of(task, run)  # once for all variants
        for quantization in run.quantizations:
            for variant in task.variants:
                inside = "-".join(part for part in (quantization.name, variant) if part)
                yield TaskItem.of(self, f"{task.name}[{inside}]", facts, variant, quantization.name)


@dataclass(frozen=True, kw_only=True)
class TaskFacts:
    """A task, and what its items are told of it: how many samples this run takes, and whether times are judged."""

    task: Task
    samples: int | None
    timed: bool

    @classmethod
    def of(cls, task: Task, run: Run) -> TaskFacts:
        """What is known of a task in this run."""
        plan = task.modes.get(run.config.mode)
        limits = (run.config.limit, plan.limit if plan else None, count_samples(task, run.extensions))
        samples = min((limit for limit in limits if limit is not None), default=None)
        return cls(task=task, samples=samples, timed=is_timed(task, run.extensions))


class TaskItem(pytest.Item):
    """One task variant on one quantization."""

    task: Task
    variant: str
    each: float = 0.0
    """Tokens that a sample will take, roughly: how many there are is known for certain when they are read."""

    @classmethod
    def of(
        cls, parent: TaskFile | pytest.Session, name: str, facts: TaskFacts, variant: str, quantization: str
    ) -> TaskItem:
        """The item for a task variant on a quantization."""
        # One piece: pytest would otherwise take "[Q8_0]" for parameters, and --lf would not find the item again.
        item: TaskItem = cls.from_parent(parent, name=name, nodeid=f"{parent.nodeid}::{name}".removeprefix("::"))
        task, run = facts.task, item.config.stash[RUN]
        item.task, item.variant = task, variant
        run.versions[task.suite, task.name] = task.version
        identity = ItemId(suite=task.suite, task=task.name, variant=variant, quantization=quantization)
        item.stash[IDENTITY] = identity
        tokens = task.variants.get(identity.variant, {}).get("context_tokens", task.tokens_per_sample)
        # Of a finished run the answers can be scored again, unless nothing but their times counts.
        if facts.timed and not (run.recorded and task.scorer != "latency"):
            item.add_marker("slm_timing")
        repeats = run.config.generation.repeats if WRITES & set(task.requires) else None
        item.stash[COST] = float(tokens * (facts.samples or 1000) * (repeats or 1))
        item.each = float(tokens)
        return item

    def runtest(self) -> None:
        run = self.config.stash[RUN]
        live, quantization = self.config.stash[LIVE], self.stash[IDENTITY].quantization
        measure = partial(run.measure, self.task, self.variant, quantization, live.advance, live.kept)
        with skipping():
            result = self.config.stash.get(THROUGH, straight)(self, measure)
        report_result(self, run.judged(result))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        # pytest would first read the source of forty frames, which takes longer than many an item.
        return told(excinfo.value) if isinstance(excinfo.value, SlmError) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, str(self.stash[IDENTITY])

    def wanted(self) -> bool:
        """Whether this mode has the variant."""
        plan = self.task.modes.get(self.config.stash[RUN].config.mode)
        return plan is not None and (plan.variants is None or self.variant in plan.variants)


@contextlib.contextmanager
def skipping() -> Iterator[None]:
    """``with skipping():`` turns what is not available into a skip that names the remedy."""
    try:
        yield
    except NotAvailableError as error:
        pytest.skip(str(error))


def report_result(item: pytest.Item, result: Result) -> None:
    """Hand a result to the report, before its gate is judged, so that a failed item is data too."""
    result = item.config.stash.get(JUDGE, unjudged)(result)
    item.user_properties += [(PROPERTY, result.to_json()), *properties(result)]
    if result.outcome == "failed":
        pytest.fail(shown(result.reason), pytrace=False)


def collect_file(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """The collector for a file in a suite: task files, and tests whose names the user's settings do not match."""
    if not isinstance(parent, SuiteDir):
        return None
    if path.suffix == ".yaml" and path.name != SUITE_FILE:
        node: pytest.Collector = TaskFile.from_parent(parent, path=path)
        return node
    patterns = parent.config.getini("python_files")
    if fnmatch.fnmatch(path.name, "test_*.py") and not any(fnmatch.fnmatch(path.name, p) for p in patterns):
        module: pytest.Collector = pytest.Module.from_parent(parent, path=path)
        return module
    return None


def named(session: pytest.Session) -> list[TaskItem]:
    """The items of ``--slm-task``: tasks of lm-eval without a file of ours. Raises UsageError for an unknown name."""
    run = session.config.stash[RUN]
    if not run.config.tasks:
        return []
    from pytest_slm.lm_eval.declaring import SUITE, declare  # imports lm-eval

    try:
        tasks = [declare(name) for name in run.config.tasks]
    except SlmError as error:
        raise pytest.UsageError(str(error)) from None
    run.tasks_of[SUITE], run.suites[SUITE] = run.config.tasks, SuiteFacts(title="lm-eval", scored=False)
    return [
        TaskItem.of(
            session, f"{SUITE}:{task.name}[{quantization.name}]", TaskFacts.of(task, run), "", quantization.name
        )
        for quantization in run.quantizations
        for task in tasks
    ]


def identify_function(item: pytest.Item) -> None:
    """Give a test function with the marker ``slm_task`` the identity of the item that it stands for."""
    values = parameters(item)
    if "slm_backend" not in values:
        return
    mark = mark_of(item)
    if mark is None:
        return
    suite = next((node.suite for node in item.iter_parents() if isinstance(node, SuiteDir)), None)
    try:
        item.stash[IDENTITY] = ItemId(
            suite=suite.name if suite else item.path.parent.name,
            task=mark.name,
            variant=str(values[mark.variant]) if mark.variant else "",
            quantization=values["slm_backend"],
        )
    except RecordError as error:
        problem = UsageError(f"{item.nodeid}: {error}; the parameter of a variant becomes its name", slug="marker")
        raise pytest.UsageError(str(problem)) from None
    item.stash[COST] = mark.tokens(item.stash[IDENTITY].variant)


def wanted(item: pytest.Item) -> bool:
    """Whether an item belongs to this run's mode and suites."""
    run = item.config.stash[RUN]
    identity = item.stash.get(IDENTITY, None)
    if identity is None:
        return True
    suites = run.config.suites
    if isinstance(item, TaskItem) and not item.task.path:  # named on the command line
        return item.wanted()
    if suites and not {identity.suite, f"{identity.suite}/{identity.task}"} & set(suites):
        return False
    if isinstance(item, TaskItem):
        return item.wanted()
    mark = mark_of(item)
    assert mark is not None
    return mark.is_quick(identity.variant) if run.config.mode == "quick" else run.config.mode == "full"


def arrange(items: list[pytest.Item]) -> list[pytest.Item]:
    """Order in place so that each quantization is loaded once; return what this mode leaves out."""
    for item in items:
        identify_function(item)
    if not items:
        return []
    settings = items[0].config.stash[RUN].config
    check_gates(items, settings.gates)
    check_named(items, settings.suites)
    left_out = [item for item in items if not wanted(item)]
    order = {q.name: index for index, q in enumerate(items[0].config.stash[RUN].quantizations)}

    def place(item: pytest.Item) -> tuple[int, int]:
        identity = item.stash.get(IDENTITY, None)
        mark = mark_of(item) if identity else None
        # What looks back on all others (the peak of memory) comes after them, and what ends their process after that.
        return (order[identity.quantization] if identity else -1, int(mark.last) if mark else 0)

    items[:] = sorted((item for item in items if wanted(item)), key=place)
    check_identities(items)
    return left_out


def check_identities(items: Iterable[pytest.Item]) -> None:
    """Of two items that go by one name in the report, one result and its samples would replace the other's: a
    UsageError names both. The same item may be there twice (a path that was given twice)."""
    nodes: dict[ItemId, str] = {}
    for item in items:
        identity = item.stash.get(IDENTITY, None)
        other = nodes.setdefault(identity, item.nodeid) if identity else item.nodeid
        if other != item.nodeid:
            problem = UsageError(
                f"{other} and {item.nodeid} are both {identity} in the report, and one result would replace the other; "
                "give one of them another `task:`, or a variant parameter that tells them apart",
                slug="item-twice",
            )
            raise pytest.UsageError(str(problem))


def check_gates(items: Iterable[pytest.Item], gates: Iterable[str]) -> None:
    """A gate that no item has would never fail: a UsageError offers the nearest key."""
    known = set(suite_keys()) | _keys(items)
    for key in gates:
        if key not in known:
            hint = did_you_mean(key, known)
            problem = UsageError(f"--slm-gate={key}: no such item was collected. {hint}", slug="gate")
            raise pytest.UsageError(str(problem))


def check_named(items: Iterable[pytest.Item], names: Iterable[str]) -> None:
    """A suite or task that ``--slm-suite`` names and nothing collected has would be measured as nothing at all: a
    UsageError offers the nearest that was collected."""
    found = _keys(items)
    for name in names:
        if found and name not in found:
            hint = did_you_mean(name, found)
            problem = UsageError(f"--slm-suite={name}: nothing of it was collected. {hint}", slug="unknown-suite")
            raise pytest.UsageError(str(problem))


def _keys(items: Iterable[pytest.Item]) -> set[str]:
    """``suite`` and ``suite/task`` of all items that measure something."""
    found = [item.stash[IDENTITY] for item in items if IDENTITY in item.stash]
    return {key for identity in found for key in (identity.suite, f"{identity.suite}/{identity.task}")}


def planned(items: Iterable[pytest.Item]) -> Iterator[tuple[str, ItemId, float]]:
    """Node id, identity and cost of everything that will be measured."""
    for item in items:
        if IDENTITY in item.stash:
            yield item.nodeid, item.stash[IDENTITY], item.stash[COST]
