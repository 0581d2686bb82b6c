"""The nouns of the project, from a submission to a run report. Frozen, keyword-only, checked when they are born."""

from pytest_slm.core.request import Generation, GenerationTimes, Request
from pytest_slm.core.result import (
    MEASURED,
    MODES,
    OUTCOMES,
    PROPERTY,
    REPORT_SCHEMA,
    AnswerCounts,
    Declaration,
    ItemId,
    Measurement,
    Metric,
    Mode,
    Outcome,
    Result,
    RunReport,
)
from pytest_slm.core.sample import JudgedSample, Message, Sample, ToolCall, Verdict
from pytest_slm.core.submission import Derivation, Detected, EngineSettings, Quantization, Submission
from pytest_slm.core.task import Gate, MetricSpec, ModePlan, RateSource, Suite, SuiteFacts, Task

__all__ = [
    "MEASURED",
    "MODES",
    "OUTCOMES",
    "PROPERTY",
    "REPORT_SCHEMA",
    "AnswerCounts",
    "Declaration",
    "Derivation",
    "Detected",
    "EngineSettings",
    "Gate",
    "Generation",
    "GenerationTimes",
    "ItemId",
    "JudgedSample",
    "Measurement",
    "Message",
    "Metric",
    "MetricSpec",
    "Mode",
    "ModePlan",
    "Outcome",
    "Quantization",
    "RateSource",
    "Request",
    "Result",
    "RunReport",
    "Sample",
    "Submission",
    "Suite",
    "SuiteFacts",
    "Task",
    "ToolCall",
    "Verdict",
]
