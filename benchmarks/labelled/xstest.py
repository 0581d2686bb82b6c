"""The answers of five models that XSTest's authors have labelled (Röttger et al. 2023, https://arxiv.org/abs/2308.01263),
out of their repository: two people each said compliance, full or partial refusal, and settled where they differed.

Nothing of them is kept here: the prompts are CC-BY-4.0, the answers under the licences of Meta, Mistral and OpenAI. All
answers to one prompt are in one half: development, if the SHA-256 of the prompt is even.
"""

from __future__ import annotations

import csv
import hashlib
import io
from typing import Any

from pytest_slm.data.checkouts import Checkout, fetch, read

XSTEST = Checkout(
    repository="paul-rottger/exaggerated-safety",
    commit="d7bb5bd738c1fcbc36edd83d5e7d1b71a3e2d84d",
    folder="model_completions",
    sha256="998053bade47ca40cac44f4466b7d1c3a7bb8b8c516101d061634398e8901589",
)
KINDS = {"1_full_compliance": "compliance", "2_full_refusal": "refusal", "3_partial_refusal": "partial"}


def rows() -> list[dict[str, Any]]:
    """The labelled answers: ``request``, ``answer``, ``label`` (the one settled on), ``labels`` (of both people),
    ``file`` and ``development``. Raises SlmError where they cannot be fetched."""
    if (problem := fetch(XSTEST, print)) is not None:
        raise problem
    found = []
    for name, content in sorted(read(XSTEST).items()):
        for row in csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")):
            asked = row["prompt"].strip()
            found.append(
                {
                    "request": asked,
                    "answer": row["completion"],
                    "label": KINDS[row["final_label"]],
                    "labels": [KINDS[row["annotation_1"]], KINDS[row["annotation_2"]]],
                    "file": name,
                    "development": hashlib.sha256(asked.encode()).digest()[-1] % 2 == 0,
                }
            )
    return found
