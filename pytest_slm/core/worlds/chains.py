"""Chains of calls: each has a label, and later ones name the results of earlier ones by it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.sample import ToolCall
from pytest_slm.core.worlds.calls import WorldCall

NO_CALL = "var_result"
"""What rows of NESTful's version 1 end with: it says what the answer is, and is no function."""
LONGEST_NAME = 200
"""Letters of a function's name that stands in place of a label: a label may be in an argument ten thousand times."""
_REFERENCE = re.compile(r"\$(var[^.]*)\.")


def grounded(calls: Sequence[ToolCall]) -> list[ToolCall]:
    """The calls, with functions' names in place of labels (a call's ``id``) wherever an argument refers to one, so that
    ``$var1.id$`` and ``$var_7.id$`` are the same if both are the id of ``search``. As NESTful's scorer has it: in texts
    that begin with ``$var`` and in those of lists, and nowhere else. A text that begins with ``$`` ends with one."""
    names = {call.id.replace("$", ""): call.name for call in calls if call.id and len(call.name) <= LONGEST_NAME}
    return [
        call
        if call.arguments is None
        else replace(call, arguments={key: _closed(_grounded(value, names)) for key, value in call.arguments.items()})
        for call in calls
        if call.name != NO_CALL
    ]


def _closed(value: Any) -> Any:
    """A reference with the last ``$``, which models leave out."""
    return f"{value}$" if isinstance(value, str) and value.startswith("$") and not value.endswith("$") else value


def _grounded(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_grounded(item, names) if isinstance(item, str) else item for item in value]
    found = _REFERENCE.match(value) if isinstance(value, str) else None
    label = found[1].replace("$", "") if found else None
    return value if label is None or label not in names else value.replace(label, names[label])


@dataclass(frozen=True, kw_only=True)
class ChainCall(WorldCall):
    """One call of a chain, and the label that later ones know its result by."""

    label: str


@dataclass(frozen=True, kw_only=True)
class FunctionLibrary(Record):
    """Sources of functions, to be run in the sandbox and nowhere else: ``modules`` by name, and the module of each
    function. ``sha256`` is that of what they were taken from."""

    sha256: str
    modules: Mapping[str, str]
    functions: Mapping[str, str]

    def __post_init__(self) -> None:
        super().__post_init__()
        stray = sorted(set(self.functions.values()) - set(self.modules))
        if stray:
            raise RecordError(f"there is no module {stray[0]!r:.80}")

    def of(self, names: Sequence[str]) -> FunctionLibrary:
        """What these functions need."""
        mine = {name: self.functions[name] for name in names if name in self.functions}
        return replace(self, functions=mine, modules={module: self.modules[module] for module in mine.values()})


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Calls to make one after the other, and the gold ones, in an interpreter of their own: answered with the sandbox's
    ``ChainResult``, while the model goes on. ``expected`` is what the last of them should come to. ``outputs`` has the
    name of each function's one output; others cannot be called."""

    library: FunctionLibrary
    outputs: Mapping[str, str]
    calls: tuple[ChainCall, ...]
    gold: tuple[ChainCall, ...]
    expected: Any


@dataclass(frozen=True, kw_only=True)
class ChainResult(Record):
    """What a chain came to. ``done``: its last call has the result ``result``, which is ``equal`` to what was expected
    or not. ``unreachable``: the gold calls do not come to it here either, so that nothing is known of the others.
    ``failed``: a call could not be made, ``explanation`` says which; else one has used up what it may, or has ended its
    interpreter."""

    ending: Literal["done", "unreachable", "failed", "timeout", "out_of_memory", "output_limit", "error"] = "done"
    explanation: str = ""
    equal: bool = False
    result: str = ""

    @property
    def won(self) -> bool:
        """Whether the chain came to what was expected."""
        return self.ending == "done" and self.equal
