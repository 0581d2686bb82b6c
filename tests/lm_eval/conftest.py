"""lm-eval's tasks over the mirror: how they are asked, a model of which every likelihood is known, and their rows."""

import dataclasses
import hashlib
import json

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.core.request import LogLikelihood
from pytest_slm.data import mirror as mirrors
from pytest_slm.run.drive import measure
from pytest_slm.sandbox import image


@pytest.fixture(scope="session")
def lm_eval():
    """The package; the test is skipped without it or without datasets."""
    module = pytest.importorskip("lm_eval", reason="needs pip install 'pytest-slm[lm-eval]'")
    pytest.importorskip("datasets")
    return module


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    """Nothing that an earlier run left may help, but for the sandbox's interpreter: to compile it takes a minute."""
    folder, compiled = tmp_path_factory.mktemp("cache"), image.folder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image, "folder", lambda: compiled)
        patch.setattr(mirrors.platformdirs, "user_cache_dir", lambda name: str(folder / name))
        yield


@pytest.fixture
def arc(built_in):
    """ARC challenge, a task of the suite reasoning."""
    return built_in("reasoning/arc_challenge")


@pytest.fixture
def ask(lm_eval, context, fake, mirror, hashed):
    """``ask(task, limit=5)``: the result of the task over the mirror."""

    def run(task, backend=None, **settings):
        return measure(task, "", context(backend or fake(hashed), **{"data": str(mirror), **settings}))

    return run


@pytest.fixture(scope="session")
def rows(mirror):
    """The rows of ARC challenge's test split, read without lm-eval and without datasets."""
    parquet = pytest.importorskip("pyarrow.parquet")
    return parquet.read_table(mirror / "allenai" / "ai2_arc" / "ARC-Challenge" / "test.parquet").to_pylist()


class Hashed(Fake):
    """Likelihoods that look random and are the same every time; keeps the pairs it was asked for."""

    def __init__(self, spec):
        super().__init__(spec)
        self.pairs = []

    def loglikelihood(self, pairs, *progress):
        self.pairs += pairs
        return [LogLikelihood(logprob=self.likelihood(*pair), is_greedy=False, n_tokens=1) for pair in pairs]

    def likelihood(self, context, continuation):
        digest = hashlib.sha256(f"{context}|{continuation}".encode()).digest()
        return -1 - int.from_bytes(digest[:6], "big") / 2**42  # so fine that no two are equal


@pytest.fixture(scope="session")
def hashed():
    """The class of such models, to be opened with ``fake(hashed)``."""
    return Hashed


@pytest.fixture(scope="session")
def prompt():
    """What a row of ARC is asked with."""
    return lambda row: f"Question: {row['question']}\nAnswer:"


@pytest.fixture(scope="session")
def with_options():
    """``with_options(arc, num_fewshot=3)``: the task with other options."""
    return lambda arc, **changes: dataclasses.replace(arc, options={**arc.options, **changes})


@pytest.fixture
def nltk_data(tmp_path, monkeypatch):
    """A place of NLTK's data in which lm-eval finds what it looks for; none of these instructions opens it."""
    nltk = pytest.importorskip("nltk", reason="needs pip install 'pytest-slm[ifeval]'")
    for name in ("langdetect", "immutabledict"):
        pytest.importorskip(name, reason="needs pip install 'pytest-slm[ifeval]'")
    (tmp_path / "nltk" / "tokenizers" / "punkt_tab").mkdir(parents=True)
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "nltk")])
    return nltk


CARD = "---\nconfigs:\n- config_name: default\n  data_files:\n  - {split: train, path: train.jsonl}\n---\n"


@pytest.fixture
def ifeval_mirror(tmp_path):
    """``ifeval_mirror([(instructions, their options), ...])``: a mirror with these as IFEval's prompts, numbered. The
    data set itself is not in every mirror, and its checkers are what counts."""

    def make(rows):
        keys = ("relation", "num_words", "end_phrase")
        folder = tmp_path / "mirror" / "google" / "IFEval"
        folder.mkdir(parents=True)
        (folder / "README.md").write_text(CARD)
        lines = [
            {"key": n, "prompt": f"Prompt {n}.", "instruction_id_list": ids,
             "kwargs": [{key: one.get(key) for key in keys} for one in given]}
            for n, (ids, given) in enumerate(rows)
        ]  # fmt: skip
        (folder / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return str(tmp_path / "mirror")

    return make
