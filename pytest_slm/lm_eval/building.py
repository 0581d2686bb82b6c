"""lm-eval's task objects over rows of ours: one task, or a group with all that is in it.

lm-eval's own factory reads the definitions and puts groups together; the rows are handed in, so that the task files
stay as they are. What a group holds but nobody has the data of is told, not passed over.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pytest_slm.core.config import RunConfig
from pytest_slm.data import rows
from pytest_slm.errors import BackendError, NotAvailableError, SlmError, UsageError
from pytest_slm.lm_eval import downloads, programs, seam
from pytest_slm.lm_eval.definitions import TaskFiles
from pytest_slm.lm_eval.screening import evaluates

FEWSHOT_SEED = 1234
"""lm-eval's own default, so that its few-shot examples are ours."""
RANDOM_SEED, NUMPY_SEED = 0, 1234
"""lm-eval's own defaults for what tasks draw from the global generators, such as the order of choices."""


@dataclass(frozen=True, kw_only=True)
class LmEvalTasks:
    """What a name of lm-eval stands for: its tasks by name, and the group that they are the parts of (None for a task
    by itself). ``missing`` holds the parts that could not be had, ``sources`` where the rows of the others are from."""

    name: str
    tasks: Mapping[str, Any]
    group: Any | None
    missing: Mapping[str, NotAvailableError] = field(default_factory=dict)
    sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    fixed_fewshot: tuple[str, ...] = ()
    """The tasks that lm-eval itself never shows with examples, whatever a user says (its ``num_fewshot: 0``)."""

    @property
    def settings(self) -> Any:
        """The configuration of the first task; the parts of a group agree in what is asked of it."""
        return next(iter(self.tasks.values())).config

    @property
    def version(self) -> str:
        """lm-eval's version of the task or group."""
        metadata = self.group.metadata if self.group is not None else self.settings.metadata
        return str((metadata or {}).get("version"))


Pick = Callable[[Any], Any]
"""Of the rows of the split that is asked those that will be: lm-eval's functions then look at no others."""


def build(name: str, config: RunConfig, num_fewshot: int | None = None, pick: Pick | None = None) -> LmEvalTasks:
    """The task or group of lm-eval of this name. Raises UsageError if there is none, NotAvailableError if no data of it
    can be had, BackendError if they cannot be read or the task fails on them."""
    seam.check_installed(f"lm-eval's task {name!r}")
    factory = _Factory(config, pick)
    registry = TaskFiles()
    asked = config.generation.fewshot
    wanted = num_fewshot if asked is None else asked
    overrides = {} if wanted is None else {"num_fewshot": wanted}
    factory.keeps_fixed = asked is not None and not num_fewshot
    made = seam.build(name, registry, overrides, factory.task, partial(factory.members, registry))
    if isinstance(made, list):
        raise UsageError(
            f"{name!r} is a tag of lm-eval, which has no score of its own: name one of its tasks "
            f"({', '.join(sorted(registry[name].tags)[:8])}, ...)",
            slug="lm-eval-task",
        )
    group = made if hasattr(made, "get_all_tasks") else None
    tasks = {str(task.task_name): task for task in (made.get_all_tasks() if group is not None else [made])}
    if not tasks:
        first = next(iter(factory.missing.values()))
        raise NotAvailableError(f"{name}: no part of it can be had: {first.args[0]}", slug=first.slug)
    for task in tasks.values():
        task.set_fewshot_seed(FEWSHOT_SEED)
    return LmEvalTasks(
        name=name,
        tasks=tasks,
        group=group,
        missing=factory.missing,
        sources=factory.sources,
        fixed_fewshot=tuple(factory.fixed),
    )


def check_fewshot(built: LmEvalTasks) -> None:
    """Raise UsageError where a task asks for more examples than its few-shot split has rows."""
    for name, task in built.tasks.items():
        wanted, split = int(task.config.num_fewshot or 0), _examples_from(task.config)
        rows = task.dataset.get(split) if split and wanted and getattr(task, "dataset", None) is not None else None
        if rows is not None and wanted > len(rows):
            raise UsageError(
                f"lm-eval's {name}: num_fewshot is {wanted}, but the split {split!r} that examples are from has "
                f"{len(rows)} rows; ask for fewer, or get the whole split",
                slug="fewshot-rows",
            )


def _examples_from(config: Any) -> str | None:
    """The split that examples are drawn from, by lm-eval's rule; None where they are written in the task itself."""
    said = config.fewshot_config or {}
    said = said if isinstance(said, Mapping) else vars(said)
    split: str | None = config.fewshot_split or said.get("split")
    usual: str | None = config.training_split or config.validation_split or config.test_split
    return split or (None if said.get("samples") else usual)


@dataclass(frozen=True)
class _MissingPart:
    """Stands in a group for a part whose data cannot be had; lm-eval takes it for neither a task nor a group."""

    task_name: str


def lacks_parts(group: Any) -> bool:
    """Whether the data of something in a group of lm-eval could not be had."""
    return any(
        isinstance(child, _MissingPart) or (hasattr(child, "get_all_tasks") and lacks_parts(child)) for child in group
    )


class _Factory:
    """What lm-eval's factory makes, with rows of ours, and with groups that may miss a part."""

    def __init__(self, config: RunConfig, pick: Pick | None) -> None:
        self._config, self._pick = config, pick
        self.missing: dict[str, NotAvailableError] = {}
        self.sources: dict[str, Mapping[str, Any]] = {}
        self.keeps_fixed = False
        self.fixed: list[str] = []

    def task(self, entry: Any, load: Callable[[], dict[str, Any]]) -> Any:
        # Importing the functions of a task whose answers are programs imports the metric that would run them.
        theirs = {} if entry.yaml_path is None else seam.read(entry.yaml_path)
        folder = None if entry.yaml_path is None else Path(entry.yaml_path).parent
        with programs.without_code_eval(bool(theirs.get("unsafe_code"))), downloads.refused(entry.name, folder):
            settings = _loaded(entry.name, load)
        if self.keeps_fixed and theirs.get("num_fewshot") == 0:  # lm-eval heeds no user here either
            settings["num_fewshot"] = 0
            self.fixed.append(str(settings["task"]))
        for structural in ("tag", "group", "task_list"):
            settings.pop(structural, None)
        task, source = _task(settings, self._config, self._pick)
        self.sources[str(settings["task"])] = source
        return task

    def members(self, registry: TaskFiles, members: Iterable[Any], make: Callable[[Any], list[Any]]) -> list[Any]:
        children = []
        for member in _without_tags(members, registry):
            try:
                children += make(member)
            except NotAvailableError as error:
                name = str(member.get("task") or member.get("group") if isinstance(member, dict) else member)
                self.missing[name] = error
                children.append(_MissingPart(name))
        return children


def _loaded(name: str, load: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A task's settings with its functions. Raises NotAvailableError where they need a package that is not there,
    BackendError where they cannot be imported for another reason."""
    try:
        return load()
    except SlmError:
        raise
    except ImportError as error:
        package = str(error.name or "").partition(".")[0]
        raise NotAvailableError(
            f"lm-eval's {name} needs a package that is not installed ({error}): pip install {package or 'it'}",
            slug="missing-extra",
        ) from None
    except Exception as error:  # a task is a program
        raise BackendError(
            f"lm-eval's {name} cannot be loaded ({type(error).__name__}: {' '.join(str(error).split())[:200]}); leave "
            "the task out, or take another release of lm-eval",
            slug="lm-eval-failed",
        ) from error


@contextlib.contextmanager
def _seeded() -> Iterator[None]:
    """The global generators as lm-eval seeds them; whoever else draws from them finds them as they were."""
    import numpy as np

    state, other = random.getstate(), np.random.get_state()
    random.seed(RANDOM_SEED)
    np.random.seed(NUMPY_SEED)
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(other)


def _without_tags(members: Iterable[Any], registry: TaskFiles) -> Iterator[Any]:
    """The members of a group, with the tasks of a tag in its place: one of them may be missing."""
    for member in members:
        tagged = isinstance(member, str) and member in registry and registry[member].kind.name == "TAG"
        yield from sorted(registry[member].tags) if tagged else [member]


def _task(settings: dict[str, Any], config: RunConfig, pick: Pick | None = None) -> tuple[Any, Mapping[str, Any]]:
    name = str(settings.get("task"))
    if "class" in settings:
        raise UsageError(
            f"lm-eval's {name} is a Python class with its own way to its data, which is not run here; "
            "choose a task that its YAML file declares",
            slug="lm-eval-kind",
        )
    if not settings.get("unsafe_code") and (where := evaluates(settings)):
        raise UsageError(
            f"lm-eval's {name} would evaluate what the model writes ({where}), with your rights and outside of the "
            "sandbox, and is not run; choose another task",
            slug="sandbox-only",
        )
    source: Mapping[str, Any] = {"data_from": "the task itself"}
    found = None
    if not settings.get("custom_dataset"):
        more = dict(settings.pop("dataset_kwargs", None) or {})
        found, source = rows.load(
            str(settings.get("dataset_path")), settings.get("dataset_name"), tuple(_splits(settings)), config, more
        )
        _check_rows(name, settings, found, source)
        split = settings.get("test_split") or settings.get("validation_split")
        if pick is not None and split in found:
            found = type(found)({**found, split: pick(found[split])})

    try:
        with _seeded():
            task = seam.task(settings, found)
            _ = task.eval_docs
    except SlmError:
        raise
    except Exception as error:  # its templates and functions run on the first row, and raise what they like
        raise BackendError(
            f"lm-eval's {name} cannot be built on {source.get('dataset')} from the {source['data_from']} "
            f"({type(error).__name__}: {' '.join(str(error).split())[:200]}); a column may be missing, or another "
            "release of the data set be needed",
            slug="data-broken",
        ) from error
    return task, source


def _splits(settings: Mapping[str, Any]) -> Iterator[str]:
    names = [settings.get(f"{kind}_split") for kind in ("test", "validation", "training", "fewshot")]
    examples = settings.get("fewshot_config")
    if isinstance(examples, Mapping):
        names.append(examples.get("split"))
    if names[0] and any(names[2:]):  # lm-eval asks the test split then, with examples from one of the others
        names[1] = None
    yield from dict.fromkeys(str(name) for name in names if name)


def _check_rows(name: str, settings: Mapping[str, Any], found: Any, source: Mapping[str, Any]) -> None:
    """The split that is asked must have rows, and none of them twice."""
    split = settings.get("test_split") or settings.get("validation_split")
    asked = found.get(split) if split else None
    if asked is None:
        return  # lm-eval says what it misses
    where = f"{source['dataset']} ({source['data_from']}), split {split!r}"
    if len(asked) == 0:
        raise BackendError(f"lm-eval's {name}: {where} has no rows; get the data again", slug="data-empty")
    if "id" in asked.column_names:
        seen: dict[Any, int] = {}
        for row, identity in enumerate(asked["id"]):
            first = seen.setdefault(str(identity), row)
            if identity is not None and first != row and asked[first] == asked[row]:
                raise BackendError(
                    f"lm-eval's {name}: {where}: rows {first} and {row} are the same one, id {identity!r:.80}; it "
                    "would count twice. Get the data again",
                    slug="data-duplicate",
                )
