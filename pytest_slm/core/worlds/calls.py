"""Calls of the methods of tool classes, the world that they are made in, and their results."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from pytest_slm.core.record import Record, RecordError

DEEPEST = 64
"""Levels of lists and mappings in the arguments of a call."""
MOST_BITS = 2048
"""Of a whole number in them: Python itself does not print one of 4300 digits."""


@dataclass(frozen=True, kw_only=True)
class ClassLibrary(Record):
    """Sources of tool classes, to be run in the sandbox and nowhere else.

    ``modules``: the source of each module by its full name, those that others import before them. ``classes``: the
    module of each class. ``sha256`` is that of what they were taken from.
    """

    name: str
    sha256: str
    modules: Mapping[str, str]
    classes: Mapping[str, str]

    def __post_init__(self) -> None:
        super().__post_init__()
        stray = sorted(set(self.classes.values()) - set(self.modules))
        if stray:
            raise RecordError(f"the library {self.name} has no module {stray[0]!r:.80}")

    @cached_property
    def key(self) -> str:
        """The hash of all its sources: several libraries may be taken out of one package."""
        return hashlib.sha256(json.dumps([self.modules, self.classes], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class World(Record):
    """New instances of some classes of a library: ``config`` is what each of them begins with, by the class;
    ``long_context`` asks those that know how for more text in their results."""

    library: ClassLibrary
    classes: tuple[str, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    long_context: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = [name for name in self.classes if name not in self.library.classes]
        if unknown:
            raise RecordError(f"the library {self.library.name} has no class {unknown[0]!r:.80}")


@dataclass(frozen=True, kw_only=True)
class WorldCall(Record):
    """One call: the name of a method, and its arguments, which JSON can say. Raises RecordError for arguments that are
    nested too deep, no finite numbers or numbers of hundreds of digits."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    positional: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        level: list[Any] = [self.arguments, list(self.positional)]
        for _ in range(DEEPEST):
            level = [inner for one in level for inner in _inside(one)]
            if not level:
                return
        raise RecordError(f"arguments that are nested more than {DEEPEST} deep")


def _inside(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise RecordError("an argument with a key that is no text")
        return list(value.values())
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise RecordError("an argument that is no finite number")
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        raise RecordError("an argument of hundreds of digits")
    if value is not None and not isinstance(value, str | int | float):
        raise RecordError(f"an argument that JSON cannot say: {type(value).__name__}")
    return []


@dataclass(frozen=True, kw_only=True)
class Execution:
    """Calls of tools in a world, from its beginning: answered with the sandbox's ``ExecutionResult``, while the model
    goes on.

    ``turns`` are the calls of each turn until now; the results of the last ``new`` of them come back. With ``gold``,
    the calls that should have been made, both are made in worlds of their own, turn by turn, and compared after each.
    ``shown`` is a method of the world's first class, public or not, that says as a text what its state is: called last.
    Nothing is kept between two of them: the same calls have the same results, whenever they are asked for.
    """

    world: World
    turns: tuple[tuple[WorldCall, ...], ...]
    new: int = 0
    gold: tuple[tuple[WorldCall, ...], ...] | None = None
    shown: str = ""


@dataclass(frozen=True, kw_only=True)
class TurnComparison(Record):
    """What one turn of the model's calls and of the gold ones came to: the results of both, and the public attributes
    (``Class.attribute``) that differ after it. A long result ends with its hash."""

    results: tuple[str, ...]
    gold_results: tuple[str, ...]
    differing: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ExecutionResult(Record):
    """What an execution came to. ``results``: of the newest calls; ``turns``: where it was compared with the gold
    calls; ``shown``: the state as a text, where it was asked for. Anything but ``done`` has no results, and
    ``explanation`` says how it came to that: ``unmade``, the classes cannot make this world at all; else a call has
    ended the interpreter, or used up what it may."""

    ending: Literal["done", "unmade", "failed", "timeout", "out_of_memory", "output_limit", "error"] = "done"
    explanation: str = ""
    results: tuple[str, ...] = ()
    turns: tuple[TurnComparison, ...] = ()
    shown: str = ""
