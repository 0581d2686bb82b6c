"""A finished run as the source of its own answers: they are scored again, and no model is asked (``--slm-rescore``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from pytest_slm.backends.protocol import CAPABILITIES, LOGLIKELIHOOD, TIMING, TOOLS
from pytest_slm.core.backend_info import BackendInfo, HostDescription
from pytest_slm.core.request import Ask
from pytest_slm.core.types import ItemId, Request, Result, RunReport
from pytest_slm.errors import BackendError, NotAvailableError
from pytest_slm.hosts.sources import HostSource
from pytest_slm.hosts.weights import WeightsInUse
from pytest_slm.registry.store import REPORT_NAME, read_report, read_samples
from pytest_slm.run.conversation import Conversation
from pytest_slm.run.records import restored


class RecordedRun:
    """The report and the samples of a run folder. Raises ReportError where it is none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.parent if folder.name == REPORT_NAME else folder
        self.report: RunReport = read_report(self.folder / REPORT_NAME)
        self._samples = read_samples(self.folder, self.report)

    def answers(self, item: ItemId) -> RecordedAnswers:
        """What answers the conversations of an item. Raises NotAvailableError if it was not asked in that run."""
        result = next((result for result in self.report.results if result.id == item), None)
        lines = self._samples.get(result.samples or "") if result else None
        if lines is None:
            raise NotAvailableError(
                f"{item}: {self.folder} has no answers to it, so there is nothing to score again",
                slug="rescore-missing",
            )
        return RecordedAnswers(f"{self.folder}: {item}", lines)

    def marked(self, result: Result) -> Result:
        """A result that was scored again, with the run whose answers it has; what was looked at before they were
        written, and what was not, is that run's affair."""
        canary = all(one.canary for one in self.report.results if one.id == result.id)
        return replace(result, canary=canary, provenance={**result.provenance, "rescored_run": self.report.run_id})


class RecordedAnswers:
    """The answers of one item, to its samples and to no others."""

    def __init__(self, where: str, lines: Sequence[Mapping[str, Any]]) -> None:
        self._where = where
        self._lines = {(str(line.get("doc_id")), line.get("repeat", 0)): line for line in lines}

    def __call__(self, conversation: Conversation, ask: Ask) -> Any:
        """The answer to what a conversation asks. Raises BackendError if there is none."""
        try:
            return restored(
                self._lines[conversation.sample.id, conversation.repeat], len(conversation.model_turns), ask
            )
        except LookupError as error:
            raise BackendError(
                f"{self._where} has no answer to sample {conversation.sample.id!r:.80} ({error}); measure it again",
                slug="rescore-missing",
            ) from None


class RecordedHosts:
    """A source of models that have all been asked before; the real one is opened only to count tokens."""

    def __init__(self, run: RecordedRun, inner: HostSource) -> None:
        self._run, self._inner = run, inner
        self.weights = WeightsInUse()  # of none: nothing is asked of those that are here

    def open(self, quantization: str) -> Any:
        """What the run says of its backend."""
        return RecordedBackend(self._run.report, lambda: self._inner.open(quantization))

    def end(self, quantization: str) -> None:
        """Nothing was started."""

    def close(self) -> None:
        self._inner.close()

    @property
    def descriptions(self) -> Mapping[str, HostDescription]:
        """What was said of the model, its process and their machine when it was asked."""
        report = self._run.report
        if report.backend is None or report.host is None:
            return {}
        description = HostDescription(backend=report.backend, host=report.host, machine=report.machine)
        return {report.quantization: description}

    @property
    def model_s(self) -> float:
        """Nobody waits for a model."""
        return 0.0


class RecordedBackend:
    """Says what the backend of a run said of itself, and answers nothing."""

    usable = True
    waited_s = 0.0

    def __init__(self, report: RunReport, open_: Callable[[], Any]) -> None:
        self._report, self._open = report, open_
        had = report.host.capabilities if report.host else CAPABILITIES
        # What was asked depends on two of them alone: the prompt on whether the template writes tools, and the forms of
        # multiple choice on whether more than letters had a likelihood.
        self.capabilities = CAPABILITIES - {TIMING} - ({TOOLS, LOGLIKELIHOOD} - {*had})

    def describe(self) -> BackendInfo:
        if self._report.backend is None:
            raise NotAvailableError(f"run {self._report.run_id} never opened its model", slug="rescore-missing")
        return self._report.backend

    def count_tokens(self, requests: Sequence[Request]) -> Sequence[int]:
        """Generators that fit a text to a length need the tokenizer."""
        counted: Sequence[int] = self._open().count_tokens(requests)
        return counted

    def _no_model(self, *_asked: object, **_named: object) -> NoReturn:
        raise NotAvailableError(
            "only answers that are recorded are scored again; leave out --slm-rescore to measure",
            slug="rescore-missing",
        )

    generate = loglikelihood = loglikelihood_rolling = time = memory = reset_peak = buffers = _no_model

    def close(self) -> None:
        """Nothing is open."""
