"""3,000 cells on 20 nodes, with seconds that were measured: nodes are busy, each model is loaded once on one."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from slm_fleet_simulation import simulate

from pytest_slm.fleet.jobs import BESIDE, READ_S, ROOM
from pytest_slm.fleet.scheduler import RetryLimits
from pytest_slm.fleet.work import CellGroup, Node, Work

COSTS = json.loads(Path(__file__).with_name("costs.json").read_text("utf-8"))
PARAMETERS = (0.135, 0.36, 0.5, 0.6, 1.0, 1.2, 1.5, 1.7, 2.0, 3.0)
"""Of models, in billions."""
BYTES = (0.45, 0.6, 0.75, 0.9, 1.1, 2.0)
"""Of six quantizations, for each parameter."""
N_MODELS, N_ITEMS = 25, 20


@pytest.fixture(scope="module")
def registry():
    """150 pairs of model and quantization with 20 items each. What is computed takes time in proportion to the weights;
    a timing has a budget, whatever the model. No two items take what their costs say."""
    chance = random.Random(22)
    measured = sorted(COSTS["items"].values(), key=lambda item: (item["timed"], item["seconds"]))
    groups, work = [], {}
    for model in range(N_MODELS):
        for q, each in enumerate(BYTES):
            size = PARAMETERS[model % len(PARAMETERS)] * each * 1e9
            name = f"m{model} q{q}"
            load_s = COSTS["start_s"] + READ_S * size
            groups.append(CellGroup(name=name, memory=int(ROOM * size) + BESIDE, load_s=load_s, size=size))
            for number in range(N_ITEMS):
                item = measured[number % len(measured)]
                scale = 1.0 if item["timed"] else size / COSTS["weights_bytes"]
                one = Work(group=name, item=f"i{number}", cost=item["cost"], timed=item["timed"], last=item["last"])
                work[one] = item["seconds"] * scale * chance.uniform(0.7, 1.3)
    return groups, work


def nodes(n):
    return [Node(name=f"n{number:02}", memory=16 * 10**9) for number in range(n)]


def test_3_000_cells_keep_20_nodes_busy_and_load_each_model_once_on_a_node(registry):
    groups, work = registry
    assert len(work) == 3_000
    outcome = simulate(groups, work, nodes(20))
    print(f"utilisation {outcome.utilisation:.3f}, {len(outcome.loads)} loads, {outcome.seconds / 3600:.1f} h")
    assert outcome.measured == {one.key: 1 for one in work}
    assert outcome.utilisation >= 0.85
    assert set(outcome.loads.values()) == {1}
    assert len(outcome.loads) <= 1.25 * len(groups)
    assert outcome.together == 0


def test_half_of_the_nodes_may_die_and_nothing_is_lost(registry):
    groups, work = registry
    chance = random.Random(1)
    whole = sum(work.values()) / 20
    deaths = [(chance.uniform(0, whole), f"n{number:02}") for number in range(10)]
    outcome = simulate(groups, work, nodes(20), deaths=deaths, limits=RetryLimits(losses=20))
    assert outcome.measured == {one.key: 1 for one in work}
    assert outcome.scheduler.retries <= 10
