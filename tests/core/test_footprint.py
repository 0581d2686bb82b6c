"""How much memory a model takes, by hand. ``tests/site/tools`` holds the page's script to the same arithmetic."""

from __future__ import annotations

import dataclasses

import pytest

from pytest_slm.core.footprint import (
    ModelShape,
    compute_bytes,
    kept_cells,
    kv_cache_bytes,
    logits_bytes,
    padded,
    vocabulary_bytes,
)

SHAPE = ModelShape(layers=30, heads=9, kv_heads=3, key_length=64, value_length=64, embedding=576, vocabulary=49_152)
"""SmolLM2-135M's."""


@pytest.mark.parametrize(("tokens", "room"), [(1, 256), (255, 256), (256, 256), (257, 512), (8_192, 8_192)])
def test_a_context_is_made_room_for_in_steps_of_256_tokens(tokens, room):
    assert padded(tokens) == room


def test_a_layer_that_looks_back_a_window_keeps_that_and_a_batch():
    assert kept_cells(8_192, 0) == (8_192, 8_192)
    assert kept_cells(8_192, 512) == (8_192, 1_024)
    assert kept_cells(8_192, 512, batch=1_000) == (8_192, 1_536)
    assert kept_cells(600, 512) == (768, 768)  # never more than there is


def test_the_kv_cache_has_keys_and_values_of_every_layer_and_token():
    # 30 layers, 3 heads, 64 + 64 numbers of two bytes: 23,040 bytes a token
    assert kv_cache_bytes(SHAPE, 2_048) == 23_040 * 2_048
    assert kv_cache_bytes(SHAPE, 2_000) == 23_040 * 2_048
    assert kv_cache_bytes(SHAPE, 2_048, "Q8_0") == 23_040 / 2 * 34 / 32 * 2_048
    mixed = dataclasses.replace(SHAPE, window=512, windowed=20)
    assert kv_cache_bytes(mixed, 8_192) == 23_040 / 30 * (10 * 8_192 + 20 * 1_024)


def test_compute_buffers_are_the_logits_of_a_batch_or_its_scores():
    logits = 4 * 512 * (49_152 + 576)
    assert logits_bytes(49_152, 576) == logits
    assert logits_bytes(49_152, 576, outputs=1) == 4 * (49_152 + 512 * 576)
    assert compute_bytes(SHAPE, 8_192) == logits
    # without flash attention: 9 heads and the mask by 8,192 tokens, and six states, for each of the batch
    assert compute_bytes(SHAPE, 8_192, flash_attention=False) == max(logits, 4 * 512 * (10 * 8_192 + 6 * 576))
    assert compute_bytes(SHAPE, 8_192, flash_attention=False, outputs=1) == 4 * 512 * (10 * 8_192 + 6 * 576)


def test_a_vocabulary_with_merges_takes_more():
    assert (vocabulary_bytes(1_000, merges=True), vocabulary_bytes(1_000, merges=False)) == (350_000, 167_000)


@pytest.mark.parametrize(
    "wrong", [{"layers": 0}, {"vocabulary": 0}, {"windowed": 31}, {"windowed": -1}, {"window": -1}]
)
def test_a_shape_that_no_model_has_is_refused(wrong):
    with pytest.raises(ValueError, match="no layers"):
        dataclasses.replace(SHAPE, **wrong)
