"""What the user asked for, read once from the command line and then passed around whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pytest_slm.core.record import Record
from pytest_slm.core.request import GenerationSettings, Thinking, check_thinking
from pytest_slm.core.submission import EngineSettings  # not all nouns: every session of pytest imports this file

Mode = Literal["quick", "full", "validate"]
MODES: tuple[Mode, ...] = ("quick", "full", "validate")


@dataclass(frozen=True, kw_only=True)
class BaselineOptions(Record):
    """What a run is held against: a run folder or a row of a registry (``--slm-baseline``). ``max_drop`` is a share by
    which a score may be worse, ``max_slowdown`` one by which a speed may (None: speeds are not judged); with ``strict``
    an item fails where neither is known."""

    run: str
    max_drop: float = 0.02
    max_slowdown: float | None = None
    strict: bool = False


@dataclass(frozen=True, kw_only=True)
class RunConfig(Record):
    """The settings of one run. Times are seconds; paths are absolute strings, so that workers read them alike."""

    model: str
    mode: Mode = "quick"
    quant: str | None = None
    suites: tuple[str, ...] = ()
    """Suite keys, empty for all; ``suite/task`` names one task."""
    tasks: tuple[str, ...] = ()
    """Names of lm-eval's tasks and groups that are measured without a file of ours."""
    limit: int | None = None
    data: str | None = None
    offline: bool = False
    reports: str = "reports"
    run_id: str = ""
    seed: int = 1234
    gates: Mapping[str, float] = field(default_factory=dict)
    """Least primary value for ``suite/task`` (or ``suite``), as a share."""
    baseline: BaselineOptions | None = None
    store: str | None = None
    """The folder of cells that were measured before."""
    shard: str | None = None
    """Which part of the items is measured: ``I/N``, or ``env``."""
    backend: str | None = None
    engine: EngineSettings = EngineSettings()
    """What the command line asks of the engine."""
    every_engine: bool = False
    """Each GGUF is measured with every dialect of llama.cpp that is installed."""
    kernels: tuple[str, ...] = ("native",)
    """Whose kernels compute: native (those of the file's own type), or types that the weights are unpacked into."""
    generation: GenerationSettings = GenerationSettings()
    """What it asks of every text that tasks have the model write."""
    chat_template: str | None = None
    """The source of a chat template from a file; which one it is stands in ``generation``."""
    resume: bool = False
    """Go on with the newest unfinished run of the same settings, if there is one."""
    rescore: str | None = None
    """The folder of a run whose answers are scored again, instead of asking a model."""
    plan: bool = False
    """Say what would be measured, and what it would take, instead of measuring."""
    budget: float | None = None
    """Seconds that the whole run may take; the samples of every item are chosen so that it does."""
    interleave: bool = False
    """Rounds of all quantizations alternate; all of them are in memory at once."""
    exact: bool = False
    """Every request is computed as if it were alone, so that a number cannot depend on its neighbours."""
    thinking: Thinking = "off"
    """Whether the model shall think before it answers, or the most tokens that it may think."""
    served_model: str | None = None
    """The name of the model on the server that ``model`` is the address of."""
    concurrency: int | None = None
    """Requests that a server gets at once."""
    keep_prompts: bool = True
    """The lines of samples have what was asked and what was expected beside the hashes of both."""
    show_harmful: bool = False
    """The pages of the run show texts that may hurt, behind a click; else hashes stand in their place."""
    registry: str | None = None
    """Where a registry of all reports in ``reports`` is made when the run ends."""
    site: str | None = None
    """Where a site of them is made."""
    canary: bool = True
    """A model that knows no order of words is an error before anything is measured."""
    start_timeout: float = 120.0
    request_timeout: float = 300.0
    """The longest silence of the model's process; every batch that it finishes counts as a word."""

    @property
    def template(self) -> str | None:
        """The chat template that is asked for: the name of a form, or the source that was read from a file."""
        return self.chat_template or self.generation.chat_template

    def __post_init__(self) -> None:
        check_thinking(self.thinking)
