"""A suite that nobody has seen before goes all the way to the pages, and no line of Python knows of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_slm.registry import build_registry, find_reports, write_registry
from pytest_slm.site.build import build_site

FILES = {
    "suite.yaml": """
suite: tenancy
title: Law of tenancy
description: Who pays for the roof?
tasks: [roofs]
use_case: contracts
domain: legal
rates:
  invention_rate: {task: roofs, metric: invented}
""",
    "roofs.yaml": """
kind: checks
description: One word is asked for.
scorer: contains
primary: accuracy
metrics:
  - {name: accuracy, group: known}
  - {name: invented, group: unknown, complement: true}
chance: {accuracy: 0.5}
requires: [chat]
options: {samples: data/roofs.jsonl}
""",
    "data/roofs.jsonl": "\n".join(
        json.dumps({"id": str(number), "input": "Who pays?", "target": target, "metadata": {"group": group}})
        for number, (target, group) in enumerate(
            [("landlord", "known"), ("landlord", "known"), ("tenant", "known"), ("nobody", "unknown")]
        )
    ),
}


@pytest.fixture
def tenancy(pytester: pytest.Pytester) -> Path:
    """The folder of the suite."""
    folder = pytester.path / "own" / "tenancy"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("workers", ["0", pytest.param("2", marks=pytest.mark.subprocess("model"))])
def test_a_new_suite_is_found_everywhere(
    run: Callable[..., Any], tenancy: Path, pytester: pytest.Pytester, workers: str
) -> None:
    done = run("own", "--slm-mode=full", "-n", workers, text="The landlord.")
    assert done.ret == 0
    reports, errors = find_reports(pytester.path / "reports")
    assert not errors
    (entry,) = build_registry(reports).models
    case = entry.use_cases["contracts"]
    assert (case.suite, case.n, case.chance) == ("tenancy", 3, 50)
    assert case.score == pytest.approx(200 / 3)
    assert entry.domain_scores == {"legal": case.score}
    assert (entry.safety["invention_rate"].value, entry.safety["invention_rate"].tasks) == (1.0, ("roofs",))

    page = reports[0].path.replace("report.json", "report.html")
    assert "Law of tenancy" in (pytester.path / "reports" / page).read_text()
    write_registry(pytester.path / "registry", build_registry(reports))
    build_site(pytester.path / "registry", pytester.path / "site")
    home = (pytester.path / "site" / "index.html").read_text()
    (model,) = (path.read_text() for path in (pytester.path / "site" / "models").glob("*.html"))
    assert "Law of tenancy" in home
    for words in ("Law of tenancy", "Legal 66.7", "Invention rate", "chance 50"):
        assert words in model


def test_a_use_case_of_a_built_in_suite_cannot_be_taken(run: Callable[..., Any], tenancy: Path) -> None:
    # Its score would stand where people look for the built-in suite's.
    (tenancy / "suite.yaml").write_text(FILES["suite.yaml"].replace("contracts", "guardrails"))
    done = run("own", text="x")
    assert done.ret == 2
    done.stdout.fnmatch_lines(["*suite.yaml: the use case 'guardrails' is that of a built-in suite*suite-name-taken*"])


def test_a_rate_of_a_metric_that_is_not_there_is_told(run: Callable[..., Any], tenancy: Path) -> None:
    (tenancy / "suite.yaml").write_text(FILES["suite.yaml"].replace("metric: invented", "metric: invent"))
    done = run("own", text="x")
    assert done.ret == 2
    done.stdout.fnmatch_lines(
        ["*roofs.yaml:6: metrics: suite.yaml takes the rate invention_rate from 'invent'*Did you mean 'invented'?*"]
    )
