"""What all kinds of conversations over BFCL's tool classes share: how a model is asked, and what of it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pytest_slm.backends.protocol import TOOLS
from pytest_slm.bfcl.worlds.library import ToolClasses
from pytest_slm.bfcl.worlds.showing import Way, WorldPrompts
from pytest_slm.core.record import Record, RecordError
from pytest_slm.data import tables
from pytest_slm.data.tables import Table
from pytest_slm.kinds.context import sha256
from pytest_slm.kinds.kind import Kind


@dataclass(frozen=True, kw_only=True)
class ShownOptions(Record):
    """``prompts`` are BFCL's texts. ``prompting`` is how functions are shown: by the model's template where it writes
    them (``auto``), or always so, or as text."""

    prompts: WorldPrompts
    prompting: Literal["auto", "template", "text"] = "auto"
    max_tokens: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_tokens < 1:
            raise RecordError(f"max_tokens: expected a whole number from 1, not {self.max_tokens}")


@dataclass(frozen=True, kw_only=True)
class ToolOptions(ShownOptions):
    """``tools`` are the classes."""

    tools: ToolClasses


Shown = TypeVar("Shown", bound=ShownOptions)
Options = TypeVar("Options", bound=ToolOptions)
S = TypeVar("S")


class ShownKind(Kind[Shown, S]):
    """Conversations in which functions are shown to a model."""

    def needs(self) -> frozenset[str]:
        return frozenset({TOOLS} if self.options.prompting == "template" else ())

    @property
    def way(self) -> Way:
        """How functions are shown to this model."""
        if self.options.prompting != "auto":
            return self.options.prompting
        return "template" if TOOLS in self.backend.capabilities else "text"

    @property
    def terms(self) -> Mapping[str, Any]:
        """Fields of every request."""
        return {"max_tokens": self.options.max_tokens, "seed": self.context.config.seed}


class ToolKind(ShownKind[Options, S]):
    """Conversations in which a model calls the methods of tool classes."""

    def origin(self, read: Sequence[Table], ids: Sequence[str]) -> Mapping[str, Any]:
        """The provenance of an item: its rows, its samples, the classes, and how functions were shown."""
        return {
            **tables.provenance(read),
            "samples_sha256": sha256(*ids),
            "tool_classes": str(self.options.tools.package),
            "tool_classes_sha256": self.options.tools.package.sha256,
            "tools": "template" if self.way == "template" else "prompt",
            "chat_template_sha256": self.backend.describe().chat_template_sha256,
        }
