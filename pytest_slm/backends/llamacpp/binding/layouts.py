"""How structures lie in memory that are handed over by value: such a layout changes from version to version, and a
field written to the wrong place is a number that nobody asked for. So a layout is believed only if the library's own
defaults are found where it has them, and, where the machine's calling convention lets us look, if it is as long.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

POINTER, BOOL, FLOAT, SIZE = ctypes.c_void_p, ctypes.c_bool, ctypes.c_float, ctypes.c_size_t
I32, U32 = ctypes.c_int32, ctypes.c_uint32

Field = tuple[str, Any, object]
"""Name, type, and the default that must be found there (None: it is not told, or differs from build to build)."""

ROOM = 256
"""Bytes behind the last field that is known. A library that has more of them reads and writes those: copying them back
and forth leaves them as they were."""


@dataclass(frozen=True)
class Layout:
    """The structures of one version. ``version`` says which, for people."""

    version: str
    model: tuple[Field, ...]
    context: tuple[Field, ...]
    quantize: tuple[Field, ...]


def structure(name: str, fields: Sequence[Field]) -> type[ctypes.Structure]:
    """A structure with these fields, and room behind them."""
    members = [*((field, kind) for field, kind, _ in fields), ("_room", ctypes.c_char * ROOM)]
    return type(name, (ctypes.Structure,), {"_fields_": members})


def mismatch(values: ctypes.Structure, fields: Sequence[Field]) -> str | None:
    """Where the defaults of a library are not where they should be, as ``field is 3, not 512``; None if all are."""
    for name, _, expected in fields:
        found = getattr(values, name)
        if expected is not None and found != expected:
            return f"{name} is {found!r}, not {expected!r}"
    return None


def length(fields: Sequence[Field]) -> int:
    """Bytes of the structure that these fields make, as a compiler lays them out."""
    return ctypes.sizeof(type("_", (ctypes.Structure,), {"_fields_": [(name, kind) for name, kind, _ in fields]}))


def written(library: ctypes.CDLL, function: str) -> int | None:
    """Bytes that a function without arguments writes as the structure that it returns; None where one cannot look.

    On x86-64 whoever calls it says in the first argument where a large structure goes, so that it can be put between
    bytes that are known. Padding at the end may be left out, so that fewer bytes than its length are seen.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return None
    call = ctypes.CFUNCTYPE(POINTER, POINTER)((function, library))
    ends = []
    for filling in (b"\xa5", b"\x5a"):  # a byte that the structure has too would be taken for an untouched one
        memory = ctypes.create_string_buffer(filling * 2048, 2048)
        call(ctypes.addressof(memory))
        ends.append(len(memory.raw.rstrip(filling)))
    return max(ends)


_MODEL_CALLBACKS: tuple[Field, ...] = (
    ("progress_callback", POINTER, None),
    ("progress_callback_user_data", POINTER, None),
    ("kv_overrides", POINTER, None),
)

_ROPE: tuple[Field, ...] = (
    ("rope_freq_base", FLOAT, 0.0),
    ("rope_freq_scale", FLOAT, 0.0),
    ("yarn_ext_factor", FLOAT, -1.0),
    ("yarn_attn_factor", FLOAT, -1.0),
    ("yarn_beta_fast", FLOAT, -1.0),
    ("yarn_beta_slow", FLOAT, -1.0),
    ("yarn_orig_ctx", U32, 0),
    ("defrag_thold", FLOAT, -1.0),
    ("cb_eval", POINTER, None),
    ("cb_eval_user_data", POINTER, None),
)

LLAMA_CPP = Layout(
    version="llama.cpp 0.5.0 (llama-cpp-python 0.3.36)",
    model=(
        ("devices", POINTER, None),
        ("tensor_buft_overrides", POINTER, None),
        ("n_gpu_layers", I32, None),
        ("split_mode", I32, 1),
        ("load_mode", I32, None),
        ("lazy_mode", I32, None),
        ("main_gpu", I32, 0),
        ("tensor_split", POINTER, None),
        *_MODEL_CALLBACKS,
        ("vocab_only", BOOL, False),
        ("check_tensors", BOOL, False),
        ("use_extra_bufts", BOOL, True),
        ("no_host", BOOL, False),
        ("no_alloc", BOOL, False),
        ("load_mtp", BOOL, None),
    ),
    context=(
        ("n_ctx", U32, 512),
        ("n_batch", U32, 2048),
        ("n_ubatch", U32, 512),
        ("n_seq_max", U32, 1),
        ("n_rs_seq", U32, 0),
        ("n_outputs_max", U32, 0),
        ("n_outputs_max_per_seq", U32, None),
        ("n_threads", I32, 4),
        ("n_threads_batch", I32, 4),
        ("ctx_type", I32, 0),
        ("rope_scaling_type", I32, -1),
        ("pooling_type", I32, -1),
        ("attention_type", I32, -1),
        ("flash_attn_type", I32, -1),
        *_ROPE,
        ("type_k", I32, 1),
        ("type_v", I32, 1),
        ("abort_callback", POINTER, None),
        ("abort_callback_data", POINTER, None),
        ("embeddings", BOOL, False),
        ("offload_kqv", BOOL, True),
        ("no_perf", BOOL, True),
        ("op_offload", BOOL, True),
        ("swa_full", BOOL, True),
        ("kv_unified", BOOL, False),
        ("samplers", POINTER, None),
        ("n_samplers", SIZE, 0),
        ("ctx_other", POINTER, None),
    ),
    quantize=(
        ("nthread", I32, 0),
        ("ftype", I32, None),
        ("output_tensor_type", I32, None),
        ("token_embedding_type", I32, None),
        ("allow_requantize", BOOL, False),
        ("quantize_output_tensor", BOOL, True),
        ("only_copy", BOOL, False),
        ("pure", BOOL, False),
        ("keep_split", BOOL, False),
        ("dry_run", BOOL, False),
        ("imatrix", POINTER, None),
        ("kv_overrides", POINTER, None),
        ("tt_overrides", POINTER, None),
        ("prune_layers", POINTER, None),
        ("max_buf_size", SIZE, None),
    ),
)

_IK_LAYERS: tuple[Field, ...] = (
    ("type_k_first", I32, 1),
    ("type_k_last", I32, 1),
    ("type_v_first", I32, 1),
    ("type_v_last", I32, 1),
    ("n_k_first", I32, -1),
    ("n_k_last", I32, -1),
    ("n_v_first", I32, -1),
    ("n_v_last", I32, -1),
)

IK_LLAMA_CPP = Layout(
    version="ik_llama.cpp (ik-llama-cpp-python 0.1.5)",
    model=(
        ("devices", POINTER, None),
        ("n_gpu_layers", I32, None),
        ("mla", I32, None),
        ("split_mode", I32, 1),
        ("main_gpu", I32, 0),
        ("max_gpu", I32, 0),
        ("ncmoe", I32, 0),
        ("type_k", I32, 1),
        ("type_v", I32, 1),
        ("max_ctx_size", U32, 0),
        ("n_seq_max", I32, 1),
        ("n_ubatch", I32, 512),
        ("amb", I32, 0),
        ("fit_margin", I32, 0),
        ("fit", BOOL, False),
        ("worst_graph_tokens", I32, 0),
        *_IK_LAYERS,
        ("tensor_split", POINTER, None),
        ("rpc_servers", POINTER, None),
        *_MODEL_CALLBACKS,
        ("tensor_buft_overrides", POINTER, None),
        ("vocab_only", BOOL, False),
        ("use_mmap", BOOL, True),
        ("use_mlock", BOOL, False),
        ("check_tensors", BOOL, False),
        ("repack_tensors", BOOL, False),
        ("use_thp", BOOL, False),
        ("validate_quants", BOOL, False),
        ("merge_qkv", BOOL, False),
        ("merge_up_gate_exps", BOOL, False),
        ("mtp", BOOL, False),
        ("dry_run", BOOL, False),
        ("flash_attn", BOOL, True),
    ),
    context=(
        ("seed", U32, 0xFFFFFFFF),
        ("n_ctx", U32, 512),
        ("n_batch", U32, 2048),
        ("n_ubatch", U32, 512),
        ("n_seq_max", U32, 1),
        ("n_threads", U32, 4),
        ("n_threads_batch", U32, 4),
        ("max_extra_alloc", I32, None),
        ("worst_case_tokens", I32, 0),
        ("rope_scaling_type", I32, -1),
        ("pooling_type", I32, -1),
        ("attention_type", I32, -1),
        *_ROPE,
        ("type_k", I32, 1),
        ("type_v", I32, 1),
        ("type_reduce", I32, 1),
        *_IK_LAYERS,
        ("logits_all", BOOL, False),
        ("embeddings", BOOL, False),
        ("offload_kqv", BOOL, True),
        ("flash_attn", BOOL, True),
        ("mla_attn", I32, None),
        ("attn_max_batch", I32, 0),
        ("fused_moe_up_gate", BOOL, True),
        ("grouped_expert_routing", BOOL, False),
        ("fused_up_gate", BOOL, True),
        ("fused_mmad", BOOL, True),
        ("rope_cache", BOOL, False),
        ("graph_reuse", BOOL, True),
        ("min_experts", I32, -1),
        ("thresh_experts", FLOAT, 0.0),
        ("only_active_experts", BOOL, False),
        ("k_cache_hadamard", BOOL, False),
        ("v_cache_hadamard", BOOL, False),
        ("split_mode_graph_scheduling", BOOL, False),
        ("scheduler_async", BOOL, False),
        ("mtp", BOOL, False),
        ("mtp_op_type", I32, 0),
        ("abort_callback", POINTER, None),
        ("abort_callback_data", POINTER, None),
        ("offload_policy", POINTER, None),
        ("cuda_params", POINTER, None),
    ),
    quantize=(
        ("nthread", I32, 0),
        ("ftype", I32, None),
        *(
            (f"{tensor}_type", I32, None)
            for tensor in (
                *("output_tensor", "token_embedding", "attn_q", "attn_k", "attn_v", "attn_qkv", "attn_output"),
                *("ffn_gate", "ffn_down", "ffn_up", "ffn_gate_inp"),
            )
        ),
        ("allow_requantize", BOOL, False),
        ("quantize_output_tensor", BOOL, True),
        ("only_copy", BOOL, False),
        ("pure", BOOL, False),
        ("keep_split", BOOL, False),
        ("ignore_imatrix_rules", BOOL, False),
        ("only_repack", BOOL, False),
        ("dry_run", BOOL, False),
        ("partial_requant", BOOL, False),
        ("imatrix", POINTER, None),
        ("kv_overrides", POINTER, None),
        ("custom_quants", POINTER, None),
        ("repack_pattern", POINTER, None),
    ),
)
