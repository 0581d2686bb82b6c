"""What a call would compute is told beforehand, and is what it then computes."""

import pytest

from pytest_slm.core.types import Request


@pytest.mark.parametrize("exact", [False, True])
def test_what_a_call_would_compute_is_what_it_then_computes(opened, monkeypatch, pairs, architecture, exact):
    backend = opened(architecture, exact)
    seen = []
    run = backend._model._run

    def watching(rows, wanted, **inputs):
        seen.append(len(rows) * len(rows[0]))
        return run(rows, wanted, **inputs)

    monkeypatch.setattr(backend._model, "_run", watching)
    planned = backend.workload_of_pairs(pairs)
    assert seen == []
    backend.loglikelihood(pairs)
    assert (planned.steps, planned.evaluated) == (len(seen), sum(seen))
    assert planned.predicted >= planned.outputs > 0


def test_prompts_are_planned_one_by_one(opened):
    backend = opened()
    requests = [Request(prompt=text, max_tokens=n) for text, n in (("Once upon a time", 3), ("Hello", 7))]
    planned = backend.workload_of_requests(requests)
    lengths = backend.count_tokens(requests)
    assert (planned.evaluated, planned.steps, planned.together) == (sum(lengths), 2, 1)
    assert planned.cells == max(lengths[0] + 3, lengths[1] + 7)


def test_memory_of_a_token_is_that_of_its_keys_and_values(opened):
    backend = opened()
    generated = backend._model.step([1, 2, 3], None)[1]
    held = sum(layer.keys.nbytes + layer.values.nbytes for layer in generated.layers)
    assert backend.describe().kv_bytes_per_token == held / 3
    assert opened("recurrent").describe().kv_bytes_per_token is None
