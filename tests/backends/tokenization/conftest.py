"""Text becomes the ids that transformers and lm-eval's HFLM make of it; the differences are listed one by one.

The reference is the tokenizer that SmolLM2 was published with. A GGUF has its vocabulary and merges, but of its
pre-tokenizer only the name, ``smollm``, which transformers 5.23 does not know: it falls back to GPT-2's, and splits
numbers otherwise. So ``published`` is what transformers reads from the GGUF, with the pre-tokenizer put back; see
docs/tokenization.md. HFLM's own code is run, without a network behind it: ``_model_call`` keeps what it is given.
"""

import contextlib
import copy
import shutil

import pytest


@pytest.fixture(scope="session", autouse=True)
def packages():
    """What every comparison here needs: the reference, and the engine."""
    pytest.importorskip("transformers", reason="needs transformers and torch, as lm-eval's HFLM does")
    pytest.importorskip("lm_eval", reason="needs lm-eval: pip install 'pytest-slm[lm-eval]'")
    pytest.importorskip("torch", reason="needs torch, as lm-eval's HFLM does")
    pytest.importorskip("llama_cpp", reason="needs llama-cpp-python: pip install 'pytest-slm[gguf]'")


@pytest.fixture(scope="session")
def im_start():
    """The id of ``<|im_start|>``, which is BOS too."""
    return 1


@pytest.fixture(scope="session")
def im_end():
    """The id of ``<|im_end|>``."""
    return 2


def read_with_transformers(path):
    """The tokenizer that transformers makes of a GGUF's metadata. AutoTokenizer would need the package ``gguf``."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(str(path.parent), gguf_file=path.name)


def as_published(tokenizer, **attributes):
    """A copy that splits as SmolLM2's tokenizer.json says: every digit by itself, then GPT-2's byte-level splitting."""
    from tokenizers import pre_tokenizers

    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    for name, value in attributes.items():
        setattr(tokenizer, name, value)
    return tokenizer


@pytest.fixture(scope="session")
def gguf_route(real_model):
    """The tokenizer as transformers reads it from the GGUF."""
    return read_with_transformers(real_model)


@pytest.fixture(scope="session")
def published(gguf_route):
    """The tokenizer as SmolLM2 was published with it."""
    return as_published(gguf_route)


@pytest.fixture(scope="session")
def literal(gguf_route):
    """The published tokenizer, for which a special token's spelling is text like any other."""
    return as_published(gguf_route, split_special_tokens=True)


@pytest.fixture(scope="session")
def bos_file(real_model, tmp_path_factory):
    """The same model, asking for BOS: one byte of the header is changed."""
    path = tmp_path_factory.mktemp("bos") / "bos.gguf"
    shutil.copyfile(real_model, path)
    key = b"tokenizer.ggml.add_bos_token"
    with path.open("r+b") as file:
        file.seek(file.read(1 << 16).index(key) + len(key) + 4)  # between key and value stands the type, four bytes
        file.write(b"\x01")
    yield path
    path.unlink()


@pytest.fixture(scope="session")
def literal_with_bos(bos_file):
    """The literal tokenizer of the file that asks for BOS."""
    return as_published(read_with_transformers(bos_file), split_special_tokens=True)


@pytest.fixture(scope="session")
def opened():
    """``with opened(path) as model:`` what llama.cpp reads from a GGUF."""
    from pytest_slm.backends.llamacpp.binding.installed import library
    from pytest_slm.backends.llamacpp.model import Model

    @contextlib.contextmanager
    def open_(path):
        model = Model(str(path), library())
        yield model
        model.close()

    return open_


@pytest.fixture(scope="session")
def model(real_model, opened):
    """The real model, which asks for no BOS."""
    with opened(real_model) as model:
        yield model


@pytest.fixture(scope="session")
def with_bos(bos_file, opened):
    """The model that asks for BOS."""
    with opened(bos_file) as model:
        yield model


@pytest.fixture(scope="session")
def plain():
    """``plain(model, string)``: the ids of a text by itself."""

    def tokenize(model, string):
        return model.tokenize(string, add_special=False, parse_special=False)

    return tokenize


@pytest.fixture(scope="session")
def hflm():
    """lm-eval's HFLM around a tokenizer: ``asked`` are the (context, continuation) ids, ``shown`` what a model sees."""
    import torch
    from lm_eval.api.model import LM
    from lm_eval.models.huggingface import HFLM

    def make(tokenizer, *, max_length=8192):
        class Recorder(HFLM):
            def __init__(self):
                LM.__init__(self)
                self.tokenizer, self._max_length = tokenizer, max_length
                self.add_bos_token, self.enable_thinking = None, None
                self.backend, self.custom_prefix_token_id, self.logits_cache = "causal", None, True
                self.batch_size_per_gpu, self._device, self.softmax_dtype = 1, torch.device("cpu"), None
                self.asked, self.shown = [], []

            def _loglikelihood_tokens(self, requests, disable_tqdm=False, override_bs=None):
                self.asked += [(list(head), list(tail)) for _, head, tail in requests]
                return super()._loglikelihood_tokens(requests, disable_tqdm=True, override_bs=override_bs)

            def _model_call(self, inps, **_):
                self.shown += inps.tolist()
                return torch.zeros(*inps.shape, 1).expand(-1, -1, len(tokenizer))

        return Recorder()

    return make
