"""Which part of the cells a machine takes, when several share the work: the same for all that know the same cells."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pytest_slm.errors import UsageError

C = TypeVar("C", bound=Hashable)

FROM_ENVIRONMENT = "env"
INDEX, COUNT = "SLM_SHARD_INDEX", "SLM_SHARD_COUNT"
MOST = 100_000
UNEVEN = 1.1
"""The longest shard may take so many times the mean for the sake of keeping the cells of one model together."""


@dataclass(frozen=True, kw_only=True)
class Shard:
    """The ``index``-th (from 0) of ``count`` parts."""

    index: int
    count: int

    @classmethod
    def of(cls, text: str, environment: Mapping[str, str]) -> Shard:
        """``I/N``, I from 1 to N, or ``env``: SLM_SHARD_INDEX (from 0) and SLM_SHARD_COUNT, or what a SLURM array or an
        Indexed Job of Kubernetes says. Raises UsageError."""
        if text == FROM_ENVIRONMENT:
            return _from(environment)
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text, re.ASCII)
        if not found:
            raise _wrong(f"--slm-shard={text:.80}", "expected I/N as in 2/8, or env")
        return _checked(f"--slm-shard={text}", int(found[1]), int(found[2]), least=1)


def _from(environment: Mapping[str, str]) -> Shard:
    said = {name: value for name, value in environment.items() if value.strip()}
    if INDEX in said:
        name, index, least, step = INDEX, said[INDEX], 0, 1
    elif "SLURM_ARRAY_TASK_ID" in said:
        name, index = "SLURM_ARRAY_TASK_ID", said["SLURM_ARRAY_TASK_ID"]
        least = _number("SLURM_ARRAY_TASK_MIN", said.get("SLURM_ARRAY_TASK_MIN", "0"))
        step = _number("SLURM_ARRAY_TASK_STEP", said.get("SLURM_ARRAY_TASK_STEP", "1")) or 1
    elif "JOB_COMPLETION_INDEX" in said:
        name, index, least, step = "JOB_COMPLETION_INDEX", said["JOB_COMPLETION_INDEX"], 0, 1
    else:
        raise _wrong(f"--slm-shard={FROM_ENVIRONMENT}", f"the environment has no {INDEX}, and no array or indexed job")
    count = said.get(COUNT) or (said.get("SLURM_ARRAY_TASK_COUNT") if name.startswith("SLURM") else None)
    if count is None:
        raise _wrong(f"--slm-shard={FROM_ENVIRONMENT}", f"{name} is {index:.20}, but {COUNT} does not say of how many")
    place, rest = divmod(_number(name, index) - least, step)
    if rest:
        raise _wrong(f"{name}={index}", f"it is none of the array's steps of {step} from {least}")
    return _checked(f"{name}={index} of {count:.20}", place, _number(COUNT, count), least=0)


def _number(name: str, text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text.strip(), re.ASCII):
        raise _wrong(f"{name}={text:.40}", "expected a whole number")
    return int(text)


def _checked(said: str, number: int, count: int, *, least: int) -> Shard:
    if not 1 <= count <= MOST or not least <= number < count + least:
        most = count - 1 + least
        raise _wrong(said, f"there are shards {least} to {most}" if 1 <= count <= MOST else f"from 1 to {MOST} shards")
    return Shard(index=number - least, count=count)


def _wrong(said: str, why: str) -> UsageError:
    return UsageError(f"{said}: {why}", slug="shard")


def split(costs: Mapping[C, float], groups: Mapping[C, Hashable], n: int, *, load: float = 0.0) -> list[list[C]]:
    """The cells of each of ``n`` shards, longest first; every cell is in one of them.

    ``costs`` are in any unit, ``groups`` say which cells share a model and a quantization, and ``load`` is what each
    group costs beside its cells in every shard that has any of it. A group stays together unless the longest shard
    would then take more than ``UNEVEN`` times what the best that was found without it takes: pieces are made of it,
    longest first, and given, longest first, to whom has least (Graham 1969).
    """
    together: dict[Hashable, list[C]] = {}
    for cell in costs:
        together.setdefault(groups[cell], []).append(cell)
    best: list[list[C]] = []
    least = float("inf")
    for pieces in sorted({*range(1, min(n, 16) + 1), n, 2 * n}):
        ideal = sum(costs.values()) / n
        cut = [piece for one in together.values() for piece in _pieces(one, costs, ideal * n / pieces, n)]
        shards = _deal([(piece, load + sum(costs[cell] for cell in piece)) for piece in cut], n)
        longest = max(_length(shard, costs, groups, load) for shard in shards)
        if not best or longest * UNEVEN < least:
            best, least = shards, longest
    return [sorted(shard, key=lambda cell: -costs[cell]) for shard in best]


def _pieces(cells: Sequence[C], costs: Mapping[C, float], most: float, n: int) -> list[list[C]]:
    """A group in as few pieces as are not longer than ``most``, if its cells allow that."""
    total = sum(costs[cell] for cell in cells)
    count = min(n, len(cells), max(1, -int(-total // most) if most else 1))
    return [piece for piece in _deal([([cell], costs[cell]) for cell in cells], count) if piece]


def _deal(pieces: Sequence[tuple[Sequence[C], float]], n: int) -> list[list[C]]:
    """The pieces in ``n`` heaps: the longest first, each to the heap that is shortest."""
    heaps: list[list[C]] = [[] for _ in range(n)]
    lengths = [0.0] * n
    for piece, length in sorted(pieces, key=lambda one: -one[1]):
        place = lengths.index(min(lengths))
        heaps[place] += piece
        lengths[place] += length
    return heaps


def _length(shard: Sequence[C], costs: Mapping[C, float], groups: Mapping[C, Hashable], load: float) -> float:
    return sum(costs[cell] for cell in shard) + load * len({groups[cell] for cell in shard})
