"""What a kind of task is: which samples it has, and the conversation that is held about each."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from pytest_slm.backends.protocol import Backend
from pytest_slm.core.metrics import NothingScoredError, task_metrics
from pytest_slm.core.record import Record
from pytest_slm.core.request import ModelAsk, Talk
from pytest_slm.core.types import Dataset, JudgedSample, Metric, Outcome, Sample, Task
from pytest_slm.errors import BackendError, NotAvailableError
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.context import RunContext

O = TypeVar("O", bound=Record)  # noqa: E741
S = TypeVar("S")


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """What an item's verdicts come to. Without metrics of its own, a kind's are those that the task declares."""

    metrics: tuple[Metric, ...] = ()
    primary: str | None = None
    outcome: Outcome = "passed"
    reason: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)


def conclude(task: Task, judged: Sequence[JudgedSample]) -> Conclusion:
    """The metrics that a task declares. Raises BackendError if nothing could be scored."""
    try:
        return Conclusion(metrics=task_metrics(task, judged), primary=task.primary)
    except NothingScoredError as error:
        raise BackendError(str(error), slug="nothing-scored") from None


class Kind(abc.ABC, Generic[O, S]):
    """One item's work: an instance for each task variant on each quantization; the class says what all have in common.

    The driver (``pytest_slm.run.drive``) calls ``ready``, ``samples``, then ``converse`` for each sample, and puts what
    the conversations ask to the model, all open ones in one batch a round. It records, keeps, resumes and counts; a
    kind does none of that. ``O`` is the record of the task's ``options``, ``S`` what one sample is.
    """

    name: ClassVar[str]
    options_type: ClassVar[type[Record]]
    recorded: ClassVar[bool] = True
    """Whether every sample has a line in the run folder; False where nothing is asked of a model."""
    chance_of_rows: ClassVar[bool] = False
    """Whether it works out what a model without any skill gets, of the rows that were asked."""

    def __init__(self, task: Task, options: O, variant: str, context: RunContext) -> None:
        self.task = task
        self.options = options
        self.variant = variant
        self.context = context
        self._backend: Backend | None = None

    @property
    def backend(self) -> Backend:
        """The open model. Raises NotAvailableError if it lacks a capability that is needed."""
        if self._backend is None:
            self._backend = self.context.backend(self.task, self.needs())
        return self._backend

    # -- what is known before a model is open ----------------------------------------------------------------------

    @classmethod
    def check(cls, task: Task, options: O) -> None:
        """Raise UsageError for a task that cannot be meant, beyond what the record of its options says."""

    @classmethod
    def check_samples(cls, task: Task, options: O, extensions: Extensions) -> None:
        """Raise UsageError for a sample that what judges it, of these extensions, cannot judge by."""

    @classmethod
    def count(cls, task: Task, options: O) -> int | None:
        """How many samples the task has in all, without reading them; None where that is not known."""
        return None

    @classmethod
    def datasets(cls, task: Task) -> Sequence[Dataset]:
        """The data sets that the task reads besides those of a generator, for ``pytest-slm data pull``."""
        return ()

    @classmethod
    def reads_rows(cls, task: Task) -> bool:
        """Whether its questions are rows of data sets, of which the Hub may have others tomorrow."""
        return bool(cls.datasets(task))

    def ready(self) -> None:
        """Get what is needed besides the model. Raises SlmError where the item cannot be measured."""

    def total(self) -> int | None:
        """How many samples there are without any limit, once the kind is ready; None where that is not known."""
        return self.count(self.task, self.options)

    def needs(self) -> frozenset[str]:
        """The capabilities that are asked of the backend, besides those that the task requires."""
        return frozenset()

    # -- samples and their conversations ---------------------------------------------------------------------------

    @abc.abstractmethod
    def samples(self) -> Sequence[S]:
        """What will be asked, in a fixed order: the same for the same seed and limit."""

    @abc.abstractmethod
    def converse(self, sample: S) -> Talk:
        """The conversation about one sample: a generator that yields what to ask and returns the verdict."""

    def describe(self, sample: S) -> Sample:
        """What records and metrics know of a sample; the sample itself, where it is one."""
        if not isinstance(sample, Sample):
            raise TypeError(f"{type(self).__name__}.describe has to make a Sample of a {type(sample).__name__}")
        return sample

    def right(self, sample: S, ask: ModelAsk) -> Any:
        """What a model that knows every answer would say, to try the task without a model: the text for a request; for
        likelihoods a tuple that says of each continuation whether it is the right one; for several asks at once a tuple
        of these. Raises NotAvailableError (``no-gold``) with the reason where it cannot be said."""
        raise NotAvailableError(f"tasks of kind {self.name} do not say what a right answer looks like", slug="no-gold")

    # -- the end ---------------------------------------------------------------------------------------------------

    def provenance(self, samples: Sequence[S]) -> Mapping[str, Any]:
        """What the numbers depend on besides source and licence, which every task has."""
        return {}

    def conclude(self, judged: Sequence[JudgedSample]) -> Conclusion:
        """The metrics of the item. Raises BackendError if nothing could be scored."""
        return conclude(self.task, judged)

    @property
    def counts_cuts(self) -> bool:
        """Whether an answer that was cut off is not as good as a whole one."""
        return True

    @property
    def num_fewshot(self) -> int:
        """Examples that stand before every question."""
        return 0

    @property
    def takes_fewshot(self) -> bool:
        """Whether the user may say how many examples stand before every question."""
        return False

    @property
    def plain_instead(self) -> bool:
        """Whether it asks in a plain form of its own because the user wants no chat template."""
        return False

    @property
    def seeded(self) -> bool:
        """Whether the samples are made from the seed, so that another seed has other questions by the same ids."""
        return False
