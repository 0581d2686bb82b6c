"""The checks of a submission that need no engine: what was declared against what the headers say."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_slm.core.request import Talk
from pytest_slm.core.types import JudgedSample, Sample, Verdict
from pytest_slm.errors import UsageError
from pytest_slm.generators import NoOptions
from pytest_slm.kinds.kind import Conclusion, Kind
from pytest_slm.models import check_declared, check_quantization, too_large


class Validate(Kind[NoOptions, Sample]):
    """One look at the weights, which fails with every difference at once. Agreement is no score: there is no metric."""

    name = "validate"
    options_type = NoOptions
    recorded = False

    def ready(self) -> None:
        self._header = self.context.detect()
        if self._header is None:
            raise UsageError(
                f"{self.context.submission.slug}: there are no weights to look at", slug="validate-nothing"
            )

    def samples(self) -> Sequence[Sample]:
        return [Sample(id=self.context.quantization.name, input="what the headers say")]

    def converse(self, sample: Sample) -> Talk:
        detected = self._header
        assert detected is not None  # ready() has looked
        found = [
            *check_declared(self.context.submission, detected),
            *filter(None, (check_quantization(self.context.quantization, detected), too_large(detected))),
        ]
        return Verdict(value=float(not found), answer="", explanation="; ".join(found))
        yield  # a conversation in which nothing is asked

    def conclude(self, judged: Sequence[JudgedSample]) -> Conclusion:
        (one,) = judged
        return Conclusion(outcome="passed" if one.verdict.value else "failed", reason=one.verdict.explanation)
