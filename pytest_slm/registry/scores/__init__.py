"""From the results of runs that may be mixed to the scores of their suites and the aggregates of profiles."""

from pytest_slm.registry.scores.cases import aggregates, named, run_aggregates, run_scores, suite_scores, use_cases
from pytest_slm.registry.scores.strata import Stratum, engine_of, machine_facts, machine_of, server_of, strata

__all__ = [
    "Stratum",
    "aggregates",
    "engine_of",
    "machine_facts",
    "machine_of",
    "named",
    "run_aggregates",
    "run_scores",
    "server_of",
    "strata",
    "suite_scores",
    "use_cases",
]
