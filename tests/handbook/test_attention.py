"""What the KV cache is made of, from configurations as they are on the Hub, with the numbers worked out by hand."""

import pytest

from pytest_slm.handbook.sync.reading import attention

LLAMA = {"num_hidden_layers": 30, "hidden_size": 576, "num_attention_heads": 9, "num_key_value_heads": 3}


@pytest.mark.parametrize(
    ("changes", "per_token", "cache_of_8192"),
    [
        # 30 x 2 x 3 x 64 x 2 bytes
        ({}, 23_040, 23_040 * 8192),
        # heads of their own size (Qwen3, Gemma)
        ({"head_dim": 128}, 46_080, 46_080 * 8192),
        # no key-value heads: as many as heads
        ({"num_key_value_heads": None}, 69_120, 69_120 * 8192),
        # GPT-2's names
        ({"num_hidden_layers": None, "n_layer": 12, "num_attention_heads": None, "n_head": 12, "hidden_size": None,
          "n_embd": 768, "num_key_value_heads": None}, 36_864, 36_864 * 8192),
        # Gemma 3: every sixth layer keeps everything, the others 512 tokens; a batch of 512 comes on top
        ({"sliding_window": 512, "sliding_window_pattern": 6}, 3_840, 3_840 * 8192 + 25 * 768 * 1024),
        ({"sliding_window": 512, "layer_types": ["sliding_attention"] * 25 + ["full_attention"] * 5},
         3_840, 3_840 * 8192 + 25 * 768 * 1024),
        # LFM2: convolutions keep a state that does not grow
        ({"layer_types": ["conv"] * 20 + ["full_attention"] * 10}, 7_680, 7_680 * 8192),
    ],
)  # fmt: skip
def test_the_cache_is_that_of_the_layers(changes, per_token, cache_of_8192):
    found = attention({**LLAMA, **changes}, "org/tiny")
    assert found is not None
    assert found.bytes_per_token == per_token
    assert found.cache_bytes(8192) == cache_of_8192


def test_room_is_made_in_steps_of_256_tokens():
    found = attention(LLAMA, "org/tiny")
    assert found is not None
    assert found.cache_bytes(1) == found.cache_bytes(256) == 256 * 23_040


@pytest.mark.parametrize(
    ("changes", "at_most"),
    [
        ({"sliding_window": 4096}, True),  # which layers have it is not said
        ({"sliding_window": 32768, "use_sliding_window": False}, False),
        ({"sliding_window": None}, False),
    ],
)
def test_a_window_of_unknown_layers_makes_it_an_upper_bound(changes, at_most):
    found = attention({**LLAMA, **changes}, "org/tiny")
    assert found is not None
    assert found.at_most is at_most


@pytest.mark.parametrize(
    "changes",
    [
        {"kv_lora_rank": 512},  # DeepSeek: latents
        {"mamba_d_state": 16},
        {"full_attention_interval": 4},
        {"full_attn_idxs": [2, 5]},
        {"num_key_value_heads": [4, 4, 2]},  # one number per layer
        {"hidden_size": 577},
        {"num_hidden_layers": 10**9},
        {"num_attention_heads": None},
        {"layer_types": ["full_attention"] * 29},
        {"layer_types": ["sliding_attention"] * 30},  # of which window?
    ],
)
def test_what_a_configuration_does_not_say_is_not_known(changes):
    assert attention({**LLAMA, **changes}, "org/tiny") is None
