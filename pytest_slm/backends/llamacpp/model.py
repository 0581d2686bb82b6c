"""The weights and the vocabulary of a GGUF file, and the way from text to token ids and back."""

from __future__ import annotations

import ctypes
import functools
import os
from pathlib import Path
from typing import Any

from pytest_slm.backends.control import ControlTokens, end_of_turn
from pytest_slm.backends.llamacpp.beside.gpu import place
from pytest_slm.backends.llamacpp.beside.lora import Lora
from pytest_slm.backends.llamacpp.binding.library import Library
from pytest_slm.core.types import EngineSettings
from pytest_slm.errors import BackendError


class Model:
    """An open GGUF: its metadata and its tokenizer. Raises BackendError if the engine does not open it."""

    def __init__(self, path: str, library: Library, settings: EngineSettings = EngineSettings()) -> None:
        library.start()
        self.library = library
        self._c, log = library.c, library.log
        llama = self._c
        self.path, self._path = path, os.fsencode(path)
        parameters = library.params("model")
        kept = place(library, parameters, settings)
        log.buffer_sizes(forget=True)
        self.handle = llama.llama_model_load_from_file(self._path, parameters)
        del kept  # the engine has read it
        if not self.handle:
            raise BackendError(f"{path}: {library.engine} cannot open it ({log.last_words()})", slug="model-load")
        self.buffers = log.buffer_sizes(forget=True)
        self.lora = None if settings.adapter is None else Lora(library, self.handle, path, *settings.adapter)
        self.vocab = llama.llama_model_get_vocab(self.handle)
        self.n_vocab = int(llama.llama_vocab_n_tokens(self.vocab))
        self.context_length = int(llama.llama_model_n_ctx_train(self.handle))
        self.bos = int(llama.llama_vocab_bos(self.vocab))
        self.eos = int(llama.llama_vocab_eos(self.vocab))
        self.adds_bos = bool(llama.llama_vocab_get_add_bos(self.vocab))
        self._adds_eos = bool(llama.llama_vocab_get_add_eos(self.vocab))
        self.chat_template = self.metadata("tokenizer.chat_template")
        self.tool_template = self.metadata("tokenizer.chat_template.tool_use")
        self.control = ControlTokens(self.spelled(token) for token in range(self.n_vocab) if self._control(token))

    @functools.cached_property
    def _turn_end(self) -> int | None:
        """Found when the first text is written, not when the model is opened: a template is rendered for it."""
        return end_of_turn(self)

    @property
    def start(self) -> int:
        """What stands before the first token of a text: BOS, or EOS in models without one."""
        return self.bos if self.bos >= 0 else self.eos

    def close(self) -> None:
        """Free the weights."""
        if self.handle:
            self._c.llama_model_free(self.handle)
            self.handle = None

    def metadata(self, key: str) -> str | None:
        """A metadata value as text, or None."""
        size = 4096
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = self._c.llama_model_meta_val_str(self.handle, key.encode(), buffer, size)
            if length < 0:
                return None
            if length < size:
                return buffer.raw[:length].decode("utf-8", "replace")
            size = length + 1

    def files(self) -> list[Path]:
        """The file, or all parts of a split model, as the engine names them."""
        n = int(self.metadata("split.count") or 0)
        size = len(self._path) + 100  # of buffers: a part's name is as long as that of the first
        prefix, part = ctypes.create_string_buffer(size), ctypes.create_string_buffer(size)
        if n < 2 or self._c.llama_split_prefix(prefix, size, self._path, 0, n) <= 0:
            return [Path(os.fsdecode(self._path))]
        found = []
        for number in range(n):
            self._c.llama_split_path(part, size, prefix.value, number, n)
            found.append(Path(os.fsdecode(part.value)))
        return found

    def describe(self) -> dict[str, Any]:
        """What the weights say of themselves."""
        buffer = ctypes.create_string_buffer(256)
        self._c.llama_model_desc(self.handle, buffer, 256)
        return {
            "model_description": buffer.value.decode("utf-8", "replace"),
            "parameters": int(self._c.llama_model_n_params(self.handle)),
            "weights_bytes": int(self._c.llama_model_size(self.handle)),
            "vocab_size": self.n_vocab,
            "adds_bos": self.adds_bos,
        }

    def heads(self) -> tuple[int, int]:
        """Heads of attention, and those of keys and values, in the first layer."""
        llama = self._c
        if llama.llama_model_n_head is not None:
            return max(1, int(llama.llama_model_n_head(self.handle))), int(llama.llama_model_n_head_kv(self.handle))
        # Where the engine does not tell: a number for all layers, or a list that it does not read.
        architecture = self.metadata("general.architecture") or ""
        heads = int(self.metadata(f"{architecture}.attention.head_count") or 1)
        return heads, int(self.metadata(f"{architecture}.attention.head_count_kv") or heads)

    # -- text to tokens ------------------------------------------------------------------------------------------

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> list[int]:
        """Token ids of a text. ``add_special`` adds BOS where the model wants it, and never EOS: what is asked goes on.
        ``parse_special`` reads control tokens such as ``<|im_end|>`` as what they are instead of as plain characters.
        """
        data = text.encode("utf-8", "surrogatepass")
        capacity = len(data) + 8
        while True:
            ids = (ctypes.c_int32 * capacity)()
            n = self._c.llama_tokenize(self.vocab, data, len(data), ids, capacity, add_special, parse_special)
            if n >= 0:
                ends = add_special and self._adds_eos and ids[n - 1 : n] == [self.eos]
                return list(ids[: n - 1 if ends else n])
            if -n <= capacity:
                raise BackendError(f"a text of {len(data)} bytes cannot be tokenized", slug="tokenize")
            capacity = -n

    def continued(self, text: str) -> list[int]:
        """Token ids of plain text that stands behind a control token: as at the beginning of a text."""
        return self.tokenize(text, add_special=False, parse_special=False)

    # -- tokens to text ------------------------------------------------------------------------------------------

    def piece(self, token: int) -> bytes:
        """The bytes of one token; a character may be spread over several tokens."""
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = self._c.llama_token_to_piece(self.vocab, token, buffer, size, 0, True)
            if length >= 0:
                return buffer.raw[:length]
            size = -length

    def spelled(self, token: int) -> str:
        """How a special token is written in templates; empty for a token that the model does not have."""
        return self.piece(token).decode("utf-8", "replace") if token >= 0 else ""

    def ends(self, token: int) -> bool:
        """Whether the model says with this token that it is done."""
        return token == self._turn_end or bool(self._c.llama_vocab_is_eog(self.vocab, token))

    def _control(self, token: int) -> bool:
        return bool(self._c.llama_vocab_is_control(self.vocab, token))
