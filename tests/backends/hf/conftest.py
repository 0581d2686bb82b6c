"""Tiny models of random weights, of every kind of memory that the backend knows, and lm-eval's way to score them."""

import pytest

from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.types import EngineSettings
from pytest_slm.errors import BackendError

SMALL = {"hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
# A spread that is far from transformers' own 0.02: with that, every token is about as likely as any other, and a model
# that looks at the wrong tokens would hardly be noticed.
SPREAD = {"initializer_range": 0.4}
GROUPED = {"num_key_value_heads": 2, "max_position_embeddings": 128}
DYNAMIC = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10_000.0}
CONFIGS = {
    "llama": ("LlamaConfig", {**SMALL, **GROUPED}),
    "gpt2": ("GPT2Config", {"n_embd": 24, "n_layer": 2, "n_head": 4, "n_positions": 128}),
    # learns no positions: a token's distance is a bias on attention, computed from the two-dimensional mask
    "bloom": ("BloomConfig", {"hidden_size": 24, "n_layer": 2, "n_head": 4}),
    "dynamic": ("LlamaConfig", {**SMALL, **GROUPED, "rope_parameters": DYNAMIC}),
    "sliding": ("MistralConfig", {**SMALL, **GROUPED, "sliding_window": 6}),
    "recurrent": ("MambaConfig", {"hidden_size": 24, "state_size": 4, "num_hidden_layers": 2}),
}

SHOTS = "Water is wet. Fire is hot. Ice is cold.\n\n"
QUESTION = "Question: What is the capital of France?\nAnswer:"
CHOICES = ("Paris", "London, in the rain", "12 34", "Paris and more", "Paris")
PAIRS = [
    *((QUESTION, f" {choice}") for choice in CHOICES),
    *((f"{SHOTS}Snow is", f" {choice}") for choice in "ABCD"),
    *((f"{SHOTS}Sand is", f" {choice}") for choice in "ABCD"),
    ("White space moves to the continuation \n ", "so that words stay whole"),
    ("Hello wor", "ld and all"),
    ("", "Once upon a time"),
    ("one", " two three four five six seven eight nine ten eleven twelve thirteen fourteen"),
]


@pytest.fixture(scope="session")
def torch():
    """The package, with one thread: tiny networks gain nothing from more, and would wait for other tests."""
    found = pytest.importorskip("torch", reason="needs torch: pip install 'pytest-slm[hf]'")
    found.set_num_threads(1)
    return found


@pytest.fixture(scope="session")
def transformers(torch):
    return pytest.importorskip("transformers", reason="needs transformers: pip install 'pytest-slm[hf]'")


@pytest.fixture(params=CONFIGS)
def architecture(request):
    """Each of them in turn."""
    return request.param


@pytest.fixture
def pairs():
    """Contexts and continuations with common beginnings, equal ones, and borders within words."""
    return list(PAIRS)


@pytest.fixture(scope="session")
def tokenizer(real_model, transformers):
    """SmolLM2's tokenizer, as the backend makes it of the GGUF."""
    from pytest_slm.backends.hf.model import _load_tokenizer

    return _load_tokenizer(real_model)


@pytest.fixture(scope="session")
def folder(tokenizer, torch, transformers, tmp_path_factory):
    """Makes a folder with a tiny model of some architecture, once a session."""
    made = {}

    def make(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            torch.manual_seed(1)
            kind, shape = CONFIGS[name]
            config = getattr(transformers, kind)(**shape, **SPREAD)
            config.update({"vocab_size": len(tokenizer), "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2})
            transformers.AutoModelForCausalLM.from_config(config).save_pretrained(made[name])
            tokenizer.save_pretrained(made[name])
        return made[name]

    return make


@pytest.fixture(scope="session")
def opened(folder):
    """Opens a tiny model, once a session for each way."""
    from pytest_slm.backends.hf import Transformers

    open_ones = {}

    def open_(name="llama", exact=False, thinking="off", **engine):
        key = (name, exact, thinking, *sorted(engine.items()))
        if key not in open_ones:
            chosen = EngineSettings(threads=1, device="cpu", **engine)
            open_ones[key] = Transformers(
                ModelSpec(path=str(folder(name)), format="safetensors", settings=chosen, exact=exact, thinking=thinking)
            )
        return open_ones[key]

    return open_


@pytest.fixture
def open_folder(transformers):
    """Opens what lies at a path."""
    from pytest_slm.backends.hf import Transformers

    def open_(path, **engine):
        settings = EngineSettings(threads=1, **engine)
        return Transformers(ModelSpec(path=str(path), format="safetensors", settings=settings))

    return open_


@pytest.fixture
def refused(open_folder):
    """The error that ends the opening of what lies at a path; it names the path."""

    def refused(path, **engine):
        with pytest.raises(BackendError) as caught:
            open_folder(path, **engine)
        assert str(path) in str(caught.value) or engine
        return caught.value

    return refused


@pytest.fixture
def hflm():
    """lm-eval's own way to score, with the same network and the same tokenizer."""
    models = pytest.importorskip(
        "lm_eval.models.huggingface", reason="needs lm-eval: pip install 'pytest-slm[lm-eval]'"
    )

    def wrap(backend, **options):
        model = backend._model
        return models.HFLM(
            pretrained=model.network, tokenizer=model.tokenizer._source, backend="causal", batch_size=4, **options
        )

    return wrap
