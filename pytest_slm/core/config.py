"""What the user asked for, read once from the command line and then passed around whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_slm.core.record import Record
from pytest_slm.core.request import Thinking, check_thinking
from pytest_slm.core.types import Mode


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
    backend: str | None = None
    threads: int | None = None
    n_ctx: int | None = None
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
    canary: bool = True
    """A model that knows no order of words is an error before anything is measured."""
    start_timeout: float = 120.0
    request_timeout: float = 300.0
    """The longest silence of the model's process; every batch that it finishes counts as a word."""

    def __post_init__(self) -> None:
        check_thinking(self.thinking)
