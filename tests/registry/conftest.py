"""What tests of the registry share: a registry of runs."""

from __future__ import annotations

import pytest

from pytest_slm.registry import build_registry
from pytest_slm.registry.store import StoredReport


@pytest.fixture
def build(factory):
    """Builds a registry from runs."""

    def make(*runs, kept=None):
        found = [
            StoredReport(path=f"{r.submission.slug}/{r.quantization}/{r.run_id}/report.json", sha256="0" * 64, run=r)
            for r in runs
        ]
        return build_registry(found, kept)

    return make
