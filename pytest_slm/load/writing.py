"""A submission as the YAML file that a person goes on with: what is known, and marks where something is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from pytest_slm.core.types import Quantization, Submission
from pytest_slm.load.submissions import REQUIRED

BY_HAND: Mapping[str, str] = {
    "name": "as people call it",
    "family": "such as SmolLM2 or Qwen3",
    "hf_repo": "org/name on the Hugging Face Hub",
    "revision": "a commit; without it the newest one is taken and recorded",
    "parameters": "as on the model card: 135M, 1.7B",
    "architecture": "such as llama",
    "context_length": "tokens",
    "license": "SPDX identifier or the Hub's word for it",
    "categories": "such as [reasoning, coding, math, language, rag, function_calling, guardrails]",
    "tags": "such as [instruct, english]",
    "submitted_by": "your name on GitHub",
    "submitted_date": "such as 2026-01-31",
    "contact": "how to reach you",
}
"""The keys in their order, and what a person writes there that is not known."""
BEHIND = "license"
"""The key that the quantizations stand behind."""


def submission_text(submission: Submission) -> str:
    """The file that ``load_submission`` reads as this submission; keys without a value stand there as comments, with
    ``TODO *`` before those that publishing needs. Its engine settings are not written."""
    lines = [
        "# Written by `pytest-slm submit` from what the headers of the weights say. Fill in what is marked TODO; with",
        "# * it is needed to publish. docs/submissions.md explains every key.",
        "model:",
    ]
    for key, hint in BY_HAND.items():
        value = getattr(submission, key)
        value = list(value) if isinstance(value, tuple) else value
        mark = "TODO *" if key in REQUIRED else "TODO"
        lines.append(f"  {key}: {_flow(value)}" if value else f"  # {key}:   # {mark} {hint}")
        if key == BEHIND and submission.quantizations:
            lines += ["  quantizations:", *(f"    - {_flow(_entry(one))}" for one in submission.quantizations)]
    return "\n".join(lines) + "\n"


def _entry(quantization: Quantization) -> dict[str, str]:
    keys = ("name", "format", "source", "file")
    return {key: getattr(quantization, key) for key in keys if getattr(quantization, key) is not None}


def _flow(value: Any) -> str:
    """The value in one line; inside of a list a word needs no mark of the end of a document behind it."""
    text: str = yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, sort_keys=False, width=1 << 30)
    return text.strip()[1:-1]
