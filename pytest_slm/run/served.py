"""A model that a server holds, as a run sees it."""

from __future__ import annotations

from typing import Any

from pytest_slm.core.config import RunConfig
from pytest_slm.core.types import Quantization, Submission
from pytest_slm.models import SERVED


def server_of(submission: Submission, quantization: Quantization) -> str | None:
    """The address of the server that holds a quantization; None for weights that are opened here."""
    return submission.origin if quantization.format == SERVED else None


def served_as(config: RunConfig, submission: Submission, quantization: Quantization) -> dict[str, Any]:
    """What a ``ModelSpec`` says of a server; nothing for weights that are opened here."""
    address = server_of(submission, quantization)
    if address is None:
        return {}
    asked = {"served_model": config.served_model, "concurrency": config.concurrency}
    return {**asked, "path": address, "silence_s": config.request_timeout}
