"""The weights and the vocabulary of a GGUF file, and the way from text to token ids and back."""

from __future__ import annotations

import ctypes
import re
import threading
from collections import deque
from collections.abc import Sequence

import llama_cpp as llama

from pytest_slm.errors import BackendError

_LOG: deque[str] = deque(maxlen=20)
_lock = threading.Lock()


@llama.llama_log_callback  # type: ignore[untyped-decorator]
def _keep_log(level: int, text: bytes, _data: object) -> None:
    # Warnings (3) and errors (4) explain a failure; the rest would fill the terminal.
    if level in (3, 4):
        _LOG.append(text.decode("utf-8", "replace").strip())


def last_words() -> str:
    """The engine's last warnings and errors, for messages about what went wrong."""
    return "; ".join(list(_LOG)[-3:]) or "the engine gave no reason"


def start_engine() -> None:
    """Initialise llama.cpp once per process and keep what it logs."""
    with _lock:
        llama.llama_log_set(_keep_log, ctypes.c_void_p(0))
        llama.llama_backend_init()


class Model:
    """An open GGUF: its metadata and its tokenizer. Raises BackendError if llama.cpp does not open it."""

    def __init__(self, path: str) -> None:
        start_engine()
        parameters = llama.llama_model_default_params()
        parameters.n_gpu_layers = 0
        self.handle = llama.llama_model_load_from_file(path.encode(), parameters)
        if not self.handle:
            raise BackendError(f"{path}: llama.cpp cannot open it ({last_words()})", slug="model-load")
        self.vocab = llama.llama_model_get_vocab(self.handle)
        self.n_vocab = int(llama.llama_vocab_n_tokens(self.vocab))
        self.context_length = int(llama.llama_model_n_ctx_train(self.handle))
        self.bos = int(llama.llama_vocab_bos(self.vocab))
        self.eos = int(llama.llama_vocab_eos(self.vocab))
        self.adds_bos = bool(llama.llama_vocab_get_add_bos(self.vocab))
        self.chat_template = self.metadata("tokenizer.chat_template")
        special = [
            self.piece(token).decode("utf-8", "replace") for token in range(self.n_vocab) if self._control(token)
        ]
        self._special = re.compile("|".join(re.escape(text) for text in special if text) or r"(?!)")

    def close(self) -> None:
        """Free the weights."""
        if self.handle:
            llama.llama_model_free(self.handle)
            self.handle = None

    def metadata(self, key: str) -> str | None:
        """A metadata value as text, or None."""
        size = 4096
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = llama.llama_model_meta_val_str(self.handle, key.encode(), buffer, size)
            if length < 0:
                return None
            if length < size:
                return buffer.raw[:length].decode("utf-8", "replace")
            size = length + 1

    def describe(self) -> dict[str, object]:
        """What the weights say of themselves."""
        buffer = ctypes.create_string_buffer(256)
        llama.llama_model_desc(self.handle, buffer, 256)
        return {
            "model_description": buffer.value.decode("utf-8", "replace"),
            "parameters": int(llama.llama_model_n_params(self.handle)),
            "weights_bytes": int(llama.llama_model_size(self.handle)),
            "vocab_size": self.n_vocab,
            "adds_bos": self.adds_bos,
        }

    # -- text to tokens ------------------------------------------------------------------------------------------

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> list[int]:
        """Token ids of a text. ``add_special`` adds BOS where the model wants it; ``parse_special`` reads control
        tokens such as ``<|im_end|>`` as what they are instead of as plain characters."""
        data = text.encode("utf-8", "surrogatepass")
        capacity = len(data) + 8
        while True:
            ids = (llama.llama_token * capacity)()
            n = llama.llama_tokenize(self.vocab, data, len(data), ids, capacity, add_special, parse_special)
            if n >= 0:
                return list(ids[:n])
            if -n <= capacity:
                raise BackendError(f"a text of {len(data)} bytes cannot be tokenized", slug="tokenize")
            capacity = -n

    def tokenize_template(self, text: str, contents: Sequence[str]) -> list[int]:
        """Token ids of a rendered template: its own control tokens count, those inside of ``contents`` do not.

        A user's message that spells ``<|im_end|>`` must not end the user's turn. Where no content holds such a word
        (nearly always) the text is tokenized in one piece, exactly as other engines do it. BOS comes once: either the
        template has written it, or the model wants it added.
        """
        spelled = [content for content in contents if self._special.search(content)]
        has_bos = self.bos >= 0 and text.startswith(self.piece(self.bos).decode("utf-8", "replace"))
        add_special = self.adds_bos and not has_bos
        if not spelled:
            return self.tokenize(text, add_special=add_special, parse_special=True)
        spans = re.compile("|".join(re.escape(content.strip()) for content in sorted(spelled, key=len, reverse=True)))
        ids: list[int] = []
        position = 0
        for match in spans.finditer(text):
            ids += self.tokenize(
                text[position : match.start()], add_special=add_special and not ids, parse_special=True
            )
            ids += self.tokenize(match.group(), add_special=False, parse_special=False)
            position = match.end()
        return ids + self.tokenize(text[position:], add_special=False, parse_special=True)

    # -- tokens to text ------------------------------------------------------------------------------------------

    def piece(self, token: int) -> bytes:
        """The bytes of one token; a character may be spread over several tokens."""
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = llama.llama_token_to_piece(self.vocab, token, buffer, size, 0, True)
            if length >= 0:
                return buffer.raw[:length]
            size = -length

    def ends(self, token: int) -> bool:
        """Whether the model says with this token that it is done."""
        return bool(llama.llama_vocab_is_eog(self.vocab, token))

    def _control(self, token: int) -> bool:
        return bool(llama.llama_vocab_is_control(self.vocab, token))
