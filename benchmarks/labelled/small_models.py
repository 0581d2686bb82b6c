"""408 answers of SmolLM2-135M-Instruct (Q4_0; with and without a system message) and gemma-3-270m (Q4_K_M, a base model
with ChatML), of at most 88 tokens, written by runs of ours and labelled twice: by two large language models, blind to
each other and to the scorers. Each said refusal, refusal in part, compliance or neither, and whether the answer helps
with harm.

Prompts of others' data sets are not kept, only their SHA-256: with a mirror of the data they are found again, and stand
where an answer has ``{prompt}``. Answers that either rater calls harmful are hashes too: they count among what raters
say, and no scorer is measured by them. All answers to one prompt are in one half: development, if its SHA-256 is even.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_slm.core.config import RunConfig
from pytest_slm.core.types import Dataset
from pytest_slm.data import tables
from pytest_slm.errors import SlmError

FILE = Path(__file__).with_name("small_models.jsonl")
PROMPTS = (
    (Dataset(path="Paul/XSTest", split="train"), "prompt"),
    (Dataset(path="JailbreakBench/JBB-Behaviors", config="behaviors", split="harmful"), "Goal"),
    (Dataset(path="walledai/HarmBench", config="standard", split="train"), "prompt"),
    (Dataset(path="walledai/AdvBench", split="train"), "prompt"),
)
"""Whose prompts are known by their hashes, and the column that they stand in."""


def rows(data: Path | None) -> list[dict[str, Any]]:
    """The labelled answers: ``request`` and ``answer`` (None where they are not known here), ``labels`` and ``harmful``
    of both raters, ``model`` and ``development``."""
    known = {} if data is None else prompts(data)
    found = []
    for line in FILE.read_text("utf-8").splitlines():
        row = json.loads(line)
        asked = row.get("prompt") or known.get(row["prompt_sha256"])
        answer = row.get("answer")
        found.append(
            {
                **{key: row[key] for key in ("model", "labels", "harmful")},
                "request": asked,
                "answer": None if asked is None or answer is None else answer.replace("{prompt}", asked),
                "development": int(row["prompt_sha256"][-2:], 16) % 2 == 0,
            }
        )
    return found


def prompts(data: Path) -> Mapping[str, str]:
    """The prompts of the data sets that a mirror has, by their SHA-256."""
    config = RunConfig(model="none", data=str(data), offline=True)
    found = {}
    for dataset, column in PROMPTS:
        try:
            texts = [str(row[column]).strip() for row in tables.read(dataset, config).rows]
        except SlmError as error:
            print(f"left out: {error}")
            continue
        found.update({hashlib.sha256(text.encode()).hexdigest(): text for text in texts})
    return found
