"""Files of questions: read strictly, and thinned out evenly."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, Self, TypeVar

from pytest_slm.core.types import Task
from pytest_slm.errors import UsageError
from pytest_slm.files import LINES, inside, open_regular, read_bytes
from pytest_slm.load.rows import read_rows


class HasId(Protocol):
    """A record with an id, as one line of a file has it."""

    @property
    def id(self) -> str: ...

    @classmethod
    def from_json(cls, data: object) -> Self: ...


R = TypeVar("R", bound=HasId)
T = TypeVar("T")


def beside(task: Task, name: str) -> Path:
    """A file of a task, in the folder of its suite. Raises UsageError where a link leads out of it."""
    folder = Path(task.path).parent
    try:
        return inside(folder, name)
    except OSError as error:
        problem = f"{folder / name}: the samples cannot be read ({error.strerror}); put the file itself there"
        raise UsageError(problem, slug="samples-missing") from None


def read_questions(
    path: Path,
    kind: type[R],
    what: str,
    expected_sha256: object = None,
    check: Callable[[R], None] | None = None,
) -> list[R]:
    """The records of a JSONL, CSV or YAML file, each a ``what``; its hash must be the one that the task declares.

    Raises UsageError with file and line for one that is no such record, for an id that is there twice, and for what
    ``check`` says of a record.
    """
    try:
        data = read_bytes(path, LINES)
    except OSError as error:
        raise UsageError(f"{path}: the samples cannot be read ({error.strerror})", slug="samples-missing") from None
    digest = hashlib.sha256(data).hexdigest()
    if expected_sha256 is not None and digest != expected_sha256:
        raise UsageError(
            f"{path}: SHA-256 is {digest}, the task declares {expected_sha256}. If the change is meant, declare the "
            "new hash and raise the task's version",
            slug="samples-changed",
        )
    records: list[R] = []
    ids = set()
    for number, row in read_rows(data, path, what):
        try:
            record = kind.from_json(row)
        except ValueError as error:
            raise UsageError(f"{path}:{number}: not a {what} ({error})", slug="samples-invalid") from None
        if record.id in ids:
            raise UsageError(f"{path}:{number}: the id {record.id!r} is there twice", slug="samples-duplicate")
        ids.add(record.id)
        if check is not None:
            try:
                check(record)
            except UsageError as error:
                raise UsageError(f"{path}:{number}: {error.args[0]}", slug=error.slug) from None
        records.append(record)
    if not records:
        raise UsageError(f"{path}: no {what} in it", slug="samples-empty")
    return records


def count_questions(path: Path) -> int | None:
    """How many questions a file holds, without looking at them; None where it cannot be read."""
    try:
        if path.suffix.lower() in (".csv", ".yaml", ".yml"):
            return sum(1 for _ in read_rows(read_bytes(path), path, "question"))
        with open_regular(path) as file:
            return sum(1 for line in file if line.strip())
    except (OSError, UsageError):
        return None


def stratified(
    records: Sequence[T],
    limit: int | None,
    seed: int,
    group: Callable[[T], str],
    cluster: Callable[[T], str | None] = lambda _record: None,
) -> list[T]:
    """At most ``limit`` records, from every group in proportion to its size and at least one, in file order. Records of
    one cluster come together or not at all: half of a pair of twins says nothing of what twins are for. Only where the
    limit is smaller than the smallest cluster a part of one is taken."""
    if limit is None or limit >= len(records):
        return list(records)
    units: dict[object, list[int]] = {}
    for index, record in enumerate(records):
        name = cluster(record)
        units.setdefault(index if name is None else ("cluster", name), []).append(index)
    if len(units) < len(records):
        chosen = _whole_clusters(list(units.values()), limit, seed, [group(record) for record in records])
        if chosen:
            return [records[index] for index in sorted(chosen)]
    groups: dict[str, list[int]] = {}
    for index, record in enumerate(records):
        groups.setdefault(group(record), []).append(index)
    # A balanced metric needs every group, so each gets one sample where the limit allows it.
    share = apportion({name: len(members) for name, members in groups.items()}, limit)
    generator = random.Random(seed)
    chosen = [index for name in sorted(groups) for index in generator.sample(groups[name], share[name])]
    return [records[index] for index in sorted(chosen)]


def _whole_clusters(units: Sequence[list[int]], limit: int, seed: int, groups: Sequence[str]) -> list[int]:
    """Places of records, cluster by cluster. Clusters whose records are of the same groups are drawn from in proportion
    to their number, each sort at least once where there is room."""
    sorts: dict[tuple[str, ...], list[list[int]]] = {}
    for unit in units:
        sorts.setdefault(tuple(sorted(groups[index] for index in unit)), []).append(unit)
    generator = random.Random(seed)
    for name in sorted(sorts):
        generator.shuffle(sorts[name])
    exact = {name: limit * len(mine) / len(groups) for name, mine in sorts.items()}
    taken = dict.fromkeys(sorts, 0)
    left = limit
    while able := [name for name in sorts if len(name) <= left and taken[name] < len(sorts[name])]:
        # Who has none comes first, the small ones before the large ones; then who lacks most of its share.
        name = min(
            able, key=lambda name: (taken[name] > 0, len(name) if not taken[name] else taken[name] - exact[name], name)
        )
        taken[name] += 1
        left -= len(name)
    return [index for name, n in taken.items() for unit in sorts[name][:n] for index in unit]


def apportion(sizes: Mapping[str, int], limit: int) -> dict[str, int]:
    """Shares of ``limit`` in proportion to the sizes of the groups, none greater than its group; they add up to
    ``limit``, or to all there is. Every group gets at least one where the limit allows it."""
    limit = min(limit, sum(sizes.values()))
    total = sum(sizes.values())
    if not total:
        return dict.fromkeys(sizes, 0)
    exact = {name: limit * size / total for name, size in sizes.items()}
    least = 1 if limit >= len(sizes) else 0
    share = {name: min(sizes[name], max(least, int(value))) for name, value in exact.items()}
    while (difference := limit - sum(share.values())) != 0:
        step = 1 if difference > 0 else -1
        able = [name for name in sizes if min(least, sizes[name]) <= share[name] + step <= sizes[name]]
        share[max(able, key=lambda name: (step * (exact[name] - share[name]), name))] += step
    return share
