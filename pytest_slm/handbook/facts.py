"""What is known of a model on the Hub, as it lies in ``models.json``. None is what the Hub does not say.

Texts are those of strangers: one line of visible characters at most, and still to be escaped wherever they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pytest_slm.core.footprint import kept_cells
from pytest_slm.core.record import FileName, Form, Inside, Name, Record, RecordError, Repo
from pytest_slm.models.detect import LARGEST

SCHEMA = "1.0.0"
NUMBER_BYTES = 2
"""Of a key or value in the cache, F16: what engines keep unless they are told otherwise."""


def _is_day(text: str) -> bool:
    parts = text.split("-")
    return [len(part) for part in parts] == [4, 2, 2] and all(part.isascii() and part.isdecimal() for part in parts)


Day = Annotated[str, Form("a day as 2026-11-30", _is_day)]
MonthName = Annotated[str, Form("a month as 2026-11", lambda text: _is_day(f"{text}-01"))]


@dataclass(frozen=True, kw_only=True)
class HubFile(Record):
    """A file of a repository; ``size`` in bytes, None where the Hub does not tell it."""

    name: Inside
    size: int | None = None


@dataclass(frozen=True, kw_only=True)
class HubQuantization(Record):
    """A GGUF of a repository by the quantization that its name tells; ``size`` is that of all of its ``parts``."""

    name: FileName
    file: Inside
    size: int | None = None
    parts: int = 1


@dataclass(frozen=True, kw_only=True)
class Relative(Record):
    """Another repository that a model was made from, or that was made from it: how, and with how many downloads."""

    repo: Repo
    relation: Name
    downloads: int | None = None


@dataclass(frozen=True, kw_only=True)
class ReportedScore(Record):
    """A score that the author of a model reports, and nobody here has measured."""

    benchmark: Name
    metric: Name
    value: float


@dataclass(frozen=True, kw_only=True)
class Attention(Record):
    """What the KV cache of a model is made of, as the configuration in ``source`` says: so many ``layers`` that keep
    every token, ``window_layers`` that keep the last ``window`` of them, and ``other_layers`` with a state of fixed
    size. ``at_most``: some of the layers may keep less than is said here."""

    layers: int
    kv_heads: int
    head_size: int
    window_layers: int = 0
    window: int | None = None
    other_layers: int = 0
    at_most: bool = False
    source: Repo

    def __post_init__(self) -> None:
        super().__post_init__()
        numbers = (self.layers, self.kv_heads, self.head_size, self.window_layers, self.window or 1, self.other_layers)
        if min(numbers) < 0 or max(numbers) > 10**6:
            raise RecordError("layers, heads and their sizes are numbers from 0 to a million")

    @property
    def bytes_per_token(self) -> int:
        """Bytes of one token in the layers that keep every one: keys and values of all heads, in F16."""
        return self.layers * self._of_a_layer

    def cache_bytes(self, tokens: int) -> int:
        """Bytes of the KV cache with so many tokens, as llama.cpp makes room for them: in steps of 256, and in layers
        with a window for so many more as are read at once."""
        cells, kept = kept_cells(tokens, self.window or 0)
        return self.bytes_per_token * cells + self.window_layers * self._of_a_layer * kept

    @property
    def _of_a_layer(self) -> int:
        return 2 * self.kv_heads * self.head_size * NUMBER_BYTES


@dataclass(frozen=True, kw_only=True)
class Trouble(Record):
    """Why what is known of a model is no longer of today: it is ``gone`` from the Hub, or could not be read, ``since``
    a day; ``slug`` is that of the error."""

    kind: Literal["gone", "unread"]
    since: Day
    slug: Name


@dataclass(frozen=True, kw_only=True)
class HubModel(Record):
    """Everything that the Hub says of one model."""

    repo: Repo
    tasks: tuple[Name, ...] = ()
    """Of the list of models: what people look for it for."""
    featured: bool = False
    notebook: Inside | None = None
    revision: str | None = None
    """The commit that all of this is of."""
    created: Day | None = None
    modified: Day | None = None
    downloads: int | None = None
    """Of the last 30 days."""
    likes: int | None = None
    license: Name | None = None
    license_name: Name | None = None
    languages: tuple[Name, ...] = ()
    tags: tuple[Name, ...] = ()
    gated: Literal["auto", "manual", "no"] | None = None
    library: Name | None = None
    pipeline: Name | None = None
    architecture: Name | None = None
    parameters: int | None = None
    """As the Hub has counted them in the weights' headers."""
    dtypes: Mapping[str, int] = field(default_factory=dict)
    """Parameters of safetensors by their type."""
    context_length: int | None = None
    attention: Attention | None = None
    configured: bool = False
    """Whether the configuration at ``revision`` has been read: what it does not say is not asked for again."""
    files: tuple[HubFile, ...] = ()
    """Those that say how a model can be run; ``n_files`` counts all."""
    n_files: int = 0
    total_bytes: int | None = None
    quantizations: tuple[HubQuantization, ...] = ()
    bases: tuple[Relative, ...] = ()
    derived: tuple[Relative, ...] | None = None
    """Its quantizations in other repositories, those with most downloads; None where nobody has asked yet."""
    reported: tuple[ReportedScore, ...] = ()
    reported_odd: int = 0
    """Reported scores that are no numbers."""
    trouble: Trouble | None = None

    @property
    def name(self) -> str:
        """The repository without its owner."""
        return self.repo.partition("/")[2]

    @property
    def within_limit(self) -> bool | None:
        """Whether it is small enough to be measured here; None where nobody has counted its parameters."""
        return None if self.parameters is None else self.parameters <= LARGEST

    @property
    def safetensors_bytes(self) -> int | None:
        """Bytes of its weights as safetensors; None without any, and where the Hub does not tell one's size."""
        sizes = [file.size for file in self.files if file.name.endswith(".safetensors")]
        known = [size for size in sizes if size is not None]
        return sum(known) if known and len(known) == len(sizes) else None

    def has(self, name: str) -> bool:
        """Whether a file of that name is among those that are listed."""
        return any(file.name == name for file in self.files)


@dataclass(frozen=True, kw_only=True)
class HubModels(Record):
    """``models.json``: all models, in the order of their names."""

    schema_version: Literal["1.0.0"] = "1.0.0"
    models: tuple[HubModel, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        names = [model.repo.lower() for model in self.models]
        if len(set(names)) < len(names):
            raise RecordError("models: one repository stands there twice")


Kind = Literal["added", "gone", "back", "license", "gated", "parameters", "quantizations", "revision", "dropped"]


@dataclass(frozen=True, kw_only=True)
class FactChange(Record):
    """What is new: a model came, went or came back, or one of its facts is another one."""

    day: Day
    repo: Repo
    kind: Kind
    old: str = ""
    new: str = ""


@dataclass(frozen=True, kw_only=True)
class Month(Record):
    """The models at the last sync of a month, counted."""

    month: MonthName
    models: int
    gone: int = 0
    with_gguf: int = 0
    gated: int = 0
    downloads: int = 0
    """The sum over all models of which it is known."""
    licenses: Mapping[str, int] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    """By class of parameters."""


@dataclass(frozen=True, kw_only=True)
class SkippedModel(Record):
    """A model that the Hub or the list names, and that is not among the models, with the reason."""

    name: Name
    reason: Name


@dataclass(frozen=True, kw_only=True)
class HubStats(Record):
    """``stats.json``: what is new, and the months."""

    schema_version: Literal["1.0.0"] = "1.0.0"
    synced: Day | None = None
    changes: tuple[FactChange, ...] = ()
    """The newest first."""
    months: tuple[Month, ...] = ()
    left_out: tuple[SkippedModel, ...] = ()
