"""The C functions that we call, with the types of what they take and give, in llama.cpp's words; and what
ik_llama.cpp, which has left llama.cpp in 2024, calls them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

POINTER, TEXT, BOOL, FLOAT, SIZE = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_bool, ctypes.c_float, ctypes.c_size_t
I32, U32, U64, TOKEN = ctypes.c_int32, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_int32
MODEL, CONTEXT, QUANTIZE = "model", "context", "quantize"
"""Structures whose layout depends on the library."""


class Batch(ctypes.Structure):
    """Tokens of one step; the room holds what ik_llama.cpp has besides."""

    _fields_ = (
        ("n_tokens", I32),
        ("token", ctypes.POINTER(TOKEN)),
        ("embd", ctypes.POINTER(FLOAT)),
        ("pos", ctypes.POINTER(I32)),
        ("n_seq_id", ctypes.POINTER(I32)),
        ("seq_id", ctypes.POINTER(ctypes.POINTER(I32))),
        ("logits", ctypes.POINTER(ctypes.c_int8)),
        ("_room", ctypes.c_char * 64),
    )


class TokenData(ctypes.Structure):
    """A token that may come next."""

    _fields_ = (("id", TOKEN), ("logit", FLOAT), ("p", FLOAT))


class Candidates(ctypes.Structure):
    """Those among which a grammar chooses."""

    _fields_ = (
        ("data", ctypes.POINTER(TokenData)),
        ("size", SIZE),
        ("selected", ctypes.c_int64),
        ("sorted", BOOL),
    )


LOG = ctypes.CFUNCTYPE(None, I32, TEXT, POINTER)
"""Who is told what the engine has to say: (level, text, data)."""

_PIECE = (POINTER, TOKEN, TEXT, I32, I32, BOOL)

FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "llama_log_set": (None, (LOG, POINTER)),
    "llama_backend_init": (None, ()),
    "llama_print_system_info": (TEXT, ()),
    "llama_supports_gpu_offload": (BOOL, ()),
    # models
    "llama_model_default_params": (MODEL, ()),
    "llama_model_load_from_file": (POINTER, (TEXT, MODEL)),
    "llama_model_free": (None, (POINTER,)),
    "llama_model_desc": (I32, (POINTER, TEXT, SIZE)),
    "llama_model_size": (U64, (POINTER,)),
    "llama_model_n_params": (U64, (POINTER,)),
    "llama_model_n_ctx_train": (I32, (POINTER,)),
    "llama_model_n_embd": (I32, (POINTER,)),
    "llama_model_n_layer": (I32, (POINTER,)),
    "llama_model_is_recurrent": (BOOL, (POINTER,)),
    "llama_model_is_hybrid": (BOOL, (POINTER,)),
    "llama_model_meta_val_str": (I32, (POINTER, TEXT, TEXT, SIZE)),
    "llama_split_path": (I32, (TEXT, SIZE, TEXT, I32, I32)),
    "llama_split_prefix": (I32, (TEXT, SIZE, TEXT, I32, I32)),
    "llama_model_quantize_default_params": (QUANTIZE, ()),
    "llama_model_quantize": (U32, (TEXT, TEXT, POINTER)),
    # the vocabulary
    "llama_model_get_vocab": (POINTER, (POINTER,)),
    "llama_vocab_n_tokens": (I32, (POINTER,)),
    "llama_vocab_bos": (TOKEN, (POINTER,)),
    "llama_vocab_eos": (TOKEN, (POINTER,)),
    "llama_vocab_get_add_bos": (BOOL, (POINTER,)),
    "llama_vocab_get_add_eos": (BOOL, (POINTER,)),
    "llama_vocab_is_control": (BOOL, (POINTER, TOKEN)),
    "llama_vocab_is_eog": (BOOL, (POINTER, TOKEN)),
    "llama_tokenize": (I32, (POINTER, TEXT, I32, ctypes.POINTER(TOKEN), I32, BOOL, BOOL)),
    "llama_token_to_piece": (I32, _PIECE),
    # contexts
    "llama_context_default_params": (CONTEXT, ()),
    "llama_init_from_model": (POINTER, (POINTER, CONTEXT)),
    "llama_free": (None, (POINTER,)),
    "llama_n_threads": (I32, (POINTER,)),
    "llama_batch_init": (Batch, (I32, I32, I32)),
    "llama_batch_free": (None, (Batch,)),
    "llama_decode": (I32, (POINTER, Batch)),
    "llama_synchronize": (None, (POINTER,)),
    "llama_get_logits_ith": (ctypes.POINTER(FLOAT), (POINTER, I32)),
    # what is in memory
    "llama_get_memory": (POINTER, (POINTER,)),
    "llama_memory_clear": (None, (POINTER, BOOL)),
    "llama_memory_seq_rm": (BOOL, (POINTER, I32, I32, I32)),
    "llama_memory_seq_cp": (None, (POINTER, I32, I32, I32, I32)),
    "llama_memory_seq_pos_max": (I32, (POINTER, I32)),
}

OPTIONAL: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "llama_max_devices": (SIZE, ()),
    "llama_adapter_lora_init": (POINTER, (POINTER, TEXT)),
    "llama_set_adapters_lora": (I32, (POINTER, ctypes.POINTER(POINTER), SIZE, ctypes.POINTER(FLOAT))),
    "llama_set_adapter_lora": (I32, (POINTER, POINTER, FLOAT)),
    "llama_lora_adapter_init": (POINTER, (POINTER, TEXT)),
    "llama_lora_adapter_set": (I32, (POINTER, POINTER, FLOAT)),
    "llama_model_n_head": (I32, (POINTER,)),
    "llama_model_n_head_kv": (I32, (POINTER,)),
    "ggml_backend_load_all_from_path": (None, (TEXT,)),
    "ggml_backend_dev_count": (SIZE, ()),
    "ggml_backend_dev_get": (POINTER, (SIZE,)),
    "ggml_backend_dev_name": (TEXT, (POINTER,)),
    "ggml_backend_dev_description": (TEXT, (POINTER,)),
    "ggml_backend_dev_type": (I32, (POINTER,)),
    "ggml_backend_dev_memory": (None, (POINTER, ctypes.POINTER(SIZE), ctypes.POINTER(SIZE))),
}
"""Functions that may be missing: None then."""

IK_NAMES = {
    "llama_model_free": "llama_free_model",
    "llama_model_n_ctx_train": "llama_n_ctx_train",
    "llama_model_n_layer": "llama_n_layer",
    # Its functions of the vocabulary take the model.
    "llama_vocab_n_tokens": "llama_n_vocab",
    "llama_vocab_bos": "llama_token_bos",
    "llama_vocab_eos": "llama_token_eos",
    "llama_vocab_is_control": "llama_token_is_control",
    "llama_vocab_is_eog": "llama_token_is_eog",
    # Its functions of the memory take the context.
    "llama_memory_seq_rm": "llama_kv_cache_seq_rm",
    "llama_memory_seq_cp": "llama_kv_cache_seq_cp",
    "llama_memory_seq_pos_max": "llama_kv_cache_seq_pos_max",
}
"""ik_llama.cpp's names of what takes and gives the same."""

Find = Callable[[str, Any, tuple[Any, ...]], Any]
"""(symbol, result, arguments) to the function of a library."""


def llama_adapters(find: Find) -> dict[str, Any]:
    """Grammars, as both dialects are asked about them: ``grammar_apply(grammar, context, candidates)``."""
    apply = find("llama_sampler_apply", None, (POINTER, ctypes.POINTER(Candidates)))
    accept = find("llama_sampler_accept", None, (POINTER, TOKEN))
    return {
        "grammar_open": find("llama_sampler_init_grammar", POINTER, (POINTER, TEXT, TEXT)),
        "grammar_apply": lambda grammar, _context, candidates: apply(grammar, candidates),
        "grammar_accept": lambda grammar, _context, token: accept(grammar, token),
        "grammar_free": find("llama_sampler_free", None, (POINTER,)),
    }


def ik_adapters(find: Find) -> dict[str, Any]:
    """What ik_llama.cpp has with other arguments. Its vocabulary is asked for by way of the model, its memory by way of
    the context: so the one stands for the other."""
    vocabulary = find("llama_model_get_vocab", POINTER, (POINTER,))
    adds_bos = find("llama_vocab_get_add_bos", BOOL, (POINTER,))
    adds_eos = find("llama_vocab_get_add_eos", BOOL, (POINTER,))
    clear = find("llama_kv_cache_clear", None, (POINTER,))
    grammar = find("llama_sampler_init_grammar", POINTER, (POINTER, TEXT, TEXT))
    apply = find("llama_sample_grammar", None, (POINTER, ctypes.POINTER(Candidates), POINTER))
    return {
        "llama_get_memory": lambda context: context,
        "llama_memory_clear": lambda context, _data: clear(context),
        "llama_model_get_vocab": lambda model: model,
        "llama_vocab_get_add_bos": lambda model: adds_bos(vocabulary(model)),
        "llama_vocab_get_add_eos": lambda model: adds_eos(vocabulary(model)),
        "grammar_open": lambda model, text, root: grammar(vocabulary(model), text, root),
        "grammar_apply": lambda rules, context, candidates: apply(context, candidates, rules),
        "grammar_accept": find("llama_grammar_accept_token", None, (POINTER, POINTER, TOKEN)),
        "grammar_free": find("llama_grammar_free", None, (POINTER,)),
    }
