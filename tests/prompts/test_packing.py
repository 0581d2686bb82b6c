"""The plan of packed scoring: every token once, every prediction from the right past, and no batch too large."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.prompts.packing import WASTE, PackedRow, batches, common, leaves, plan, plan_alone

# Few distinct tokens, so that texts share beginnings as real requests do.
token = st.integers(0, 2)
requests = st.lists(
    st.tuples(st.lists(token, min_size=1, max_size=12), st.lists(token, min_size=1, max_size=5)), max_size=25
)


def simulate(pairs, *, batch, n_sequences):
    return carry_out(list(plan(leaves(pairs), batch=batch, n_sequences=n_sequences)), n_sequences)


def carry_out(groups, n_sequences):
    """Carry out the plan on a pretended memory: for every wanted prediction, the past that the engine would see."""
    memory: dict[int, list[int]] = {0: []}  # sequence: tokens
    seen, sizes = {}, []
    for group in groups:
        assert group.n_leaves <= n_sequences
        trunk = memory[0][: group.shared]
        assert len(trunk) == group.shared, "more is taken from memory than is there"
        sequences = {sequence: list(trunk) for sequence in range(1, group.n_leaves + 1)}
        for row in group.rows:
            for sequence in row.sequences:
                assert len(sequences[sequence]) == row.position, "positions of a sequence follow each other"
            pasts = {tuple(sequences[sequence]) for sequence in row.sequences}
            assert len(pasts) == 1, "a token of several sequences has one past"
            (past,) = pasts
            for sequence in row.sequences:
                sequences[sequence].append(row.token)
            for request, target in row.wants:
                seen.setdefault(request, []).append((*past, row.token, target))
        sizes.append((len(group.rows), group.n_leaves))
        memory = {0: sequences[group.n_leaves]}
    return seen, sizes


@given(requests, st.integers(8, 40), st.integers(1, 6))
def test_every_prediction_is_made_once_and_from_its_own_past(pairs, batch, n_sequences):
    seen, _ = simulate(pairs, batch=batch, n_sequences=n_sequences)
    for number, (head, tail) in enumerate(pairs):
        whole = [*head, *tail]
        assert sorted(seen[number]) == sorted(tuple(whole[: index + 1]) for index in range(len(head), len(whole)))


@given(requests, st.integers(8, 40), st.integers(1, 6))
def test_no_batch_is_too_large_unless_one_text_is(pairs, batch, n_sequences):
    _, sizes = simulate(pairs, batch=batch, n_sequences=n_sequences)
    assert all(rows <= batch or n_leaves == 1 for rows, n_leaves in sizes)


@given(requests)
def test_in_one_large_batch_every_node_of_the_trie_is_computed_once(pairs):
    _, sizes = simulate(pairs, batch=10_000, n_sequences=10_000)
    nodes = {tuple([*head, *tail][:n]) for head, tail in pairs for n in range(1, len(head) + len(tail))}
    assert sum(rows for rows, _ in sizes) == len(nodes)


@given(requests, st.randoms(use_true_random=False))
def test_the_plan_does_not_depend_on_the_order_of_the_requests(pairs, random):
    shuffled = pairs[:]
    random.shuffle(shuffled)
    shapes = [[(g.shared, [r.token for r in g.rows]) for g in plan(leaves(p), batch=20, n_sequences=4)]
              for p in (pairs, shuffled)]  # fmt: skip
    assert shapes[0] == shapes[1]


@given(requests, st.sampled_from([0, 1, 2, 4, 8]))
def test_alone_every_prediction_is_made_from_its_own_past_too(pairs, block):
    seen, _ = carry_out(list(plan_alone(leaves(pairs), block=block)), 1)
    for number, (head, tail) in enumerate(pairs):
        whole = [*head, *tail]
        assert sorted(seen[number]) == sorted(tuple(whole[: index + 1]) for index in range(len(head), len(whole)))


@given(requests.filter(bool), st.sampled_from([1, 2, 4, 8]))
def test_alone_a_text_is_cut_at_the_same_places_whatever_else_is_asked(pairs, block):
    for leaf, group in zip(leaves(pairs), plan_alone(leaves(pairs), block=block), strict=True):
        parts = list(batches(group.rows, size=block, outputs=100))
        # computed in whole blocks from its beginning, those that were kept included
        assert group.shared % block == 0
        assert [part[0].position for part in parts] == list(range(group.shared, len(leaf.ids), block))
        # and asked for the same logits as if it were the only one
        first = min(row.position for row in group.rows if row.wants)
        assert first == leaf.first
        assert [row.position for row in group.rows if row.wants] == list(range(first, len(leaf.ids)))


@given(
    st.lists(st.booleans(), max_size=60).map(
        lambda flags: [PackedRow(n, n, [1], [(0, 0)] * f) for n, f in enumerate(flags)]
    ),
    st.integers(1, 20),
    st.integers(1, 8),
)
def test_batches_hold_every_row_in_order_and_keep_their_limits(rows, size, outputs):
    parts = list(batches(rows, size=size, outputs=outputs))
    assert [row for part in parts for row in part] == rows
    assert all(0 < len(part) <= size and sum(bool(row.wants) for row in part) <= outputs for part in parts)


def test_a_shared_preamble_is_computed_once():
    # 8 questions after 100 common tokens: as few-shot prompts are
    preamble = list(range(100))
    pairs = [(preamble + [200 + q] * 10, [c]) for q in range(8) for c in range(4)]
    _, sizes = simulate(pairs, batch=64, n_sequences=32)
    assert sum(rows for rows, _ in sizes) <= 100 + 8 * 10 + len(sizes)


def test_the_letters_of_a_question_are_one_leaf():
    assert len(leaves([([1, 2, 3], [letter]) for letter in range(4)])) == 1


def test_a_full_memory_is_not_thrown_away_to_fill_a_batch():
    # two preambles of 50: joining their questions would compute one preamble again
    pairs = [([p] * 50 + [9, q], [0]) for p in (1, 2) for q in range(10)]
    _, sizes = simulate(pairs, batch=128, n_sequences=32)
    assert sum(rows for rows, _ in sizes) <= 2 * 50 + 20 + 2 + len(sizes) * WASTE


@given(st.lists(token, max_size=30), st.lists(token, max_size=30))
def test_common_is_the_length_of_the_common_beginning(a, b):
    expected = len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False))))
    assert common(a, b) == common(b, a) == expected


@pytest.mark.parametrize("pairs", [[], [([1], [2])]])
def test_nothing_and_one(pairs):
    seen, _ = simulate(pairs, batch=8, n_sequences=2)
    assert len(seen) == len(pairs)
