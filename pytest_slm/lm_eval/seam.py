"""All that is known of lm-eval's inside: the only module that imports it, or touches names that it keeps to itself.

Its releases move such names without notice (0.4.12 brought all of ``tasks/_*.py``), so pyproject.toml bounds the
version, and ``tests/lm_eval/test_seam.py`` says which name has moved when the bound is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_slm.errors import NotAvailableError, SlmError

BuildTask = Callable[[Any, Callable[[], dict[str, Any]]], Any]
"""Makes a task of an entry, and of what reads its settings with their functions."""

BuildMembers = Callable[[Iterable[Any], Callable[[Any], list[Any]]], list[Any]]
"""Makes what stands in a group of the list of its members, and of what lm-eval makes of one of them."""


def check_installed(what: str, error: type[SlmError] = NotAvailableError) -> None:
    """Raise ``error`` (missing-extra) where lm-eval or ``datasets`` cannot be imported; ``what`` needs them."""
    try:
        # lm_eval.tasks first: its private modules import each other in a circle.
        import datasets  # noqa: F401
        import lm_eval.tasks  # noqa: F401
        from lm_eval.api.task import ConfigurableTask  # noqa: F401
    except ImportError as problem:
        told = f"{what} needs lm-eval ({problem}): pip install 'pytest-slm[lm-eval]'"
        raise error(told, slug="missing-extra") from None


def package() -> Path:
    """The folder of lm-eval; its tasks are below ``tasks``."""
    import lm_eval

    return Path(lm_eval.__file__).parent


def read(path: Path) -> dict[str, Any]:
    """What a file and those that it includes say, functions left as text."""
    from lm_eval.tasks._yaml_loader import load_yaml

    return dict(load_yaml(path, resolve_func=False))


def entry(name: str, path: Path) -> Any:
    """lm-eval's entry of the task or group that a file declares."""
    from lm_eval.tasks._index import Entry, TaskIndex

    return Entry(name=name, kind=TaskIndex._kind_of(read(path)), yaml_path=path)


def tag_entry(name: str, members: Iterable[str]) -> Any:
    """lm-eval's entry of a tag; ``tags`` has the tasks that carry it."""
    from lm_eval.tasks._index import Entry, Kind

    return Entry(name=name, kind=Kind.TAG, yaml_path=None, tags=set(members))


def build(
    name: str, registry: Any, overrides: Mapping[str, Any], build_task: BuildTask, build_members: BuildMembers
) -> Any:
    """What lm-eval's factory makes of an entry, with tasks and members of groups of ours: a task, a group, or for a tag
    a list of tasks."""
    from lm_eval.tasks._factory import TaskFactory

    class Factory(TaskFactory):  # type: ignore[misc]  # lm-eval has no types
        """lm-eval's factory, with the two ways out."""

        def _build_task(self, entry: Any, overrides: Any) -> Any:
            return build_task(entry, lambda: self._load_full_config(entry, overrides))

        def _build_group_members(self, member_list: Any, group_name: str, overrides: Any, registry: Any) -> Any:
            theirs = super()._build_group_members
            return build_members(member_list, lambda member: theirs([member], group_name, overrides, registry))

    return Factory().build(registry[name], overrides=overrides, registry=registry)


def task(settings: dict[str, Any], rows: Any | None) -> Any:
    """lm-eval's task over these rows, None: over what it looks for itself."""
    from lm_eval.api.task import ConfigurableTask

    class TaskOverRows(ConfigurableTask):  # type: ignore[misc]
        """lm-eval's task over rows that it does not look for itself."""

        def download(self, *arguments: Any, **named: Any) -> None:
            if rows is None:
                super().download(*arguments, **named)
            else:
                self.dataset = rows

        def training_docs(self) -> Any:
            return self._once("training", super().training_docs)

        def validation_docs(self) -> Any:
            return self._once("validation", super().validation_docs)

        def test_docs(self) -> Any:
            return self._once("test", super().test_docs)

        def _once(self, split: str, made: Callable[[], Any]) -> Any:
            """A split, processed the first time that it is wanted: lm-eval processes it whenever it is, and functions
            that shuffle the choices would ask one order and judge by another."""
            kept: dict[str, Any] = self.__dict__.setdefault("_slm_docs", {})
            if split not in kept:
                kept[split] = made()
            return kept[split]

    return TaskOverRows(config=settings)


def filter_answers(task: Any, instances: Sequence[Any]) -> None:
    """Put the answers of one question through the task's filters, into ``filtered_resps`` of each instance. (The public
    ``apply_filters`` takes all questions, also those that were not asked yet.)"""
    for ensemble in task._filters:
        ensemble.apply(list(instances))


def is_mean(task: Any, metric: str) -> bool:
    """Whether a task aggregates a metric by its plain mean."""
    from lm_eval.api.registry import get_aggregation

    mean = get_aggregation("mean")
    return bool(task.aggregation().get(metric, mean) is mean)


def default_metrics(output_type: str | None) -> Sequence[str]:
    """The metrics of a task that lists none."""
    from lm_eval.api.registry import DEFAULT_METRIC_REGISTRY

    return tuple(DEFAULT_METRIC_REGISTRY.get(output_type, ()))
