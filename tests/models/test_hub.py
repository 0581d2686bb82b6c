"""The real client of the Hub against a small Hub on this machine: listings, downloads, and every way to be refused."""

import contextlib
import itertools
import multiprocessing
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("huggingface_hub", reason="needs `pip install 'pytest-slm[hub]'`")

SHA = "0123456789abcdef0123456789abcdef01234567"
Make = Callable[..., bytes]

# The client reads HF_ENDPOINT and HF_HOME when it is imported, so each question is asked by a new process. It is a fork
# of one that has imported all else: to begin with nothing would take it most of a second.
PROGRAM = """
import os
os.environ.clear()
os.environ.update(environment)
from pathlib import Path
from pytest_slm import hub
from pytest_slm.errors import SlmError
from pytest_slm.models import detect, locate, resolve, select

hub.TIMEOUT_S = order.get("timeout", hub.TIMEOUT_S)
offline = order.get("offline", False)
told = {}
try:
    submission = resolve(order["reference"], submissions=Path(order["folder"]), offline=offline)
    told["submission"] = submission.to_json()
    for quantization in select(submission, order["quant"]) if "quant" in order else ():
        path = locate(submission, quantization, offline=offline)
        told["path"], told["detected"] = str(path), detect(path).to_json()
except SlmError as error:
    told |= {"error": str(error), "slug": error.slug}
send.send(told)
"""
FORKS = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def processes() -> Any:
    """Makes processes that have imported everything but the client."""
    context = multiprocessing.get_context(FORKS)
    context.set_forkserver_preload(
        ["pytest_slm.hub", "pytest_slm.models", "pytest_slm.load", "httpx", "fsspec", "tqdm.auto"]
    )
    return context


@pytest.fixture
def ask(hub: Any, tmp_path: Path, processes: Any) -> Ask:
    """Resolve (and with ``quant`` locate and detect) a reference in a new process with an empty cache of its own."""

    def ask(reference: str, *, environment: Mapping[str, str] | None = None, **order: Any) -> dict[str, Any]:
        kept = {key: text for key, text in os.environ.items() if not key.startswith(("HF_", "TRANSFORMERS_"))}
        told = {
            **{"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_TELEMETRY": "1"},
            **{"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "NO_PROXY": "*", "no_proxy": "*"},
            **(environment or {}),
        }
        receive, send = processes.Pipe(duplex=False)
        order |= {"reference": reference, "folder": str(tmp_path)}
        names = {"order": order, "environment": kept | told, "send": send}
        process = processes.Process(target=exec, args=(PROGRAM, names))
        process.start()
        send.close()
        assert receive.poll(60)
        answer: dict[str, Any] = receive.recv()
        process.join(60)
        assert process.exitcode == 0
        assert "\n" not in answer.get("error", "")
        return answer

    return ask


# -- what is found --------------------------------------------------------------------------------------------------


def test_a_repo_becomes_a_submission_without_a_download(ask: Ask, hub: Any) -> None:
    submission = ask("org/tiny")["submission"]
    assert (submission["slug"], submission["name"], submission["hf_repo"]) == ("org--tiny", "tiny", "org/tiny")
    assert (submission["revision"], submission["license"], submission["architecture"]) == (SHA, "mit", "llama")
    assert {item["name"]: item["file"] for item in submission["quantizations"]} == {
        **{"F16": "tiny-F16.gguf", "Q8_0": "tiny-Q8_0.gguf"}
    }
    assert hub.log == ["GET /api/models/org/tiny"]


def test_a_quantization_is_downloaded_at_the_listed_commit(ask: Ask, hub: Any, make_gguf: Make) -> None:
    answer = ask("org/tiny", quant="q8_0")
    assert Path(answer["path"]).read_bytes() == make_gguf()
    assert answer["detected"]["parameters"] == 128
    assert any(line == f"GET /org/tiny/resolve/{SHA}/tiny-Q8_0.gguf" for line in hub.log)
    assert not any("F16" in line for line in hub.log)


def test_what_is_cached_at_a_pinned_commit_is_used_without_asking(ask: Ask, hub: Any) -> None:
    first = ask(f"org/tiny@{SHA}", quant="q8_0")
    hub.log.clear()
    again = ask(f"org/tiny@{SHA}", quant="q8_0")
    assert again == first
    assert hub.log == [f"GET /api/models/org/tiny/revision/{SHA}"]  # the listing; no file


def test_a_gguf_of_the_same_precision_as_the_folder_keeps_the_name_of_its_file(
    ask: Ask, hub: Any, make_gguf: Make, make_safetensors: Make
) -> None:
    files = {
        "config.json": b'{"model_type": "llama"}',
        "model.safetensors": make_safetensors({"w": ("BF16", (4, 4))}),
        "tiny-BF16.gguf": make_gguf({"general.file_type": (4, 32)}),
        "tiny-Q8_0.gguf": make_gguf(),
    }
    hub.add("org/both", files, safetensors={"parameters": {"BF16": 16}, "total": 16})
    offered = ask("org/both")["submission"]["quantizations"]
    assert {item["name"]: item["format"] for item in offered} == {
        **{"BF16": "safetensors", "tiny-BF16": "gguf", "Q8_0": "gguf"}
    }
    assert ask("org/both", quant="tiny-bf16")["path"].endswith("/tiny-BF16.gguf")
    assert ask("org/both", quant="bf16")["detected"]["format"] == "safetensors"


def test_declared_safetensors_that_a_repo_does_not_hold_are_told(ask: Ask, tmp_path: Path) -> None:
    entry = "{name: BF16, format: safetensors}"
    (tmp_path / "tiny.yml").write_text(f"model: {{hf_repo: org/tiny, quantizations: [{entry}]}}")
    answer = ask("tiny", quant="all")
    assert answer["slug"] == "hub-not-found"
    assert "org/tiny: holds no safetensors" in answer["error"]


def test_a_split_gguf_is_downloaded_whole(ask: Ask, hub: Any, make_gguf: Make) -> None:
    split = {"split.count": (4, 2)}
    hub.add(
        "org/split",
        {
            "Q8_0/m-00001-of-00002.gguf": make_gguf(split),
            "Q8_0/m-00002-of-00002.gguf": make_gguf(split, [("more", (32,), 0)]),
        },
    )
    answer = ask("org/split", quant="all")
    assert [item["name"] for item in answer["submission"]["quantizations"]] == ["Q8_0"]
    assert answer["path"].endswith("Q8_0/m-00001-of-00002.gguf")
    assert answer["detected"]["parameters"] == 160


def safe_files(hf_folder: Path) -> dict[str, bytes]:
    files = {path.name: path.read_bytes() for path in hf_folder.iterdir()}
    return files | {"modeling_tiny.py": b"raise SystemExit", "pytorch_model.bin": b"pickle"}


def test_safetensors_are_downloaded_with_their_tokenizer_but_without_code(ask: Ask, hub: Any, hf_folder: Path) -> None:
    hub.add("org/safe", safe_files(hf_folder), safetensors={"parameters": {"F32": 8, "BF16": 80}, "total": 88})
    answer = ask("org/safe", quant="bf16")
    assert {path.name for path in Path(answer["path"]).iterdir()} == {
        *("config.json", "tokenizer_config.json", "model.safetensors")
    }
    assert (answer["detected"]["parameters"], answer["detected"]["quantization"]) == (88, "BF16")


def test_without_a_count_the_dtype_is_read_from_the_header_alone(ask: Ask, hub: Any, hf_folder: Path) -> None:
    hub.add("org/safe", safe_files(hf_folder))
    (quantization,) = ask("org/safe")["submission"]["quantizations"]
    assert (quantization["name"], quantization["format"]) == ("BF16", "safetensors")


def test_a_submission_that_names_only_its_repo_gets_what_is_there(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "tiny.yml").write_text("model: {hf_repo: org/tiny, license: apache-2.0}")
    submission = ask("tiny")["submission"]
    assert (submission["slug"], submission["revision"], submission["license"]) == ("tiny", SHA, "apache-2.0")
    assert len(submission["quantizations"]) == 2


@pytest.mark.parametrize(("source", "asked"), [("other/quants@v1", "/revision/v1"), ("other/quants", "")])
def test_the_revision_of_a_submission_pins_its_own_repo_only(
    ask: Ask, hub: Any, tmp_path: Path, make_gguf: Make, source: str, asked: str
) -> None:
    hub.add("other/quants", {"m-Q8_0.gguf": make_gguf()})
    entry = f"{{name: Q8_0, format: gguf, source: {source}}}"
    (tmp_path / "tiny.yml").write_text(f"model: {{hf_repo: org/tiny, revision: unknown, quantizations: [{entry}]}}")
    assert ask("tiny", quant="all")["path"].endswith("m-Q8_0.gguf")
    assert f"GET /api/models/other/quants{asked}" in hub.log


# -- offline --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{"offline": True}, {"environment": {"HF_HUB_OFFLINE": "1"}}])
def test_offline_what_was_downloaded_is_used_and_nobody_is_asked(ask: Ask, hub: Any, how: dict[str, Any]) -> None:
    online = ask("org/tiny", quant="q8_0")
    hub.log.clear()
    answer = ask("org/tiny", quant="q8_0", **how)
    assert answer["path"] == online["path"]
    assert answer["submission"]["revision"] == SHA
    assert [item["name"] for item in answer["submission"]["quantizations"]] == ["Q8_0"]  # F16 is not here
    assert hub.log == []


def test_offline_safetensors_are_used(ask: Ask, hub: Any, hf_folder: Path) -> None:
    hub.add("org/safe", safe_files(hf_folder))
    online = ask("org/safe", quant="all")
    assert ask("org/safe", quant="all", offline=True)["detected"] == online["detected"]


def test_offline_what_was_not_downloaded_is_told_with_the_remedy(ask: Ask, hub: Any) -> None:
    answer = ask("org/tiny", offline=True)
    assert answer["slug"] == "hub-offline"
    assert "hf download org/tiny" in answer["error"]
    assert hub.log == []


def test_offline_another_revision_is_not_taken_instead(ask: Ask) -> None:
    ask("org/tiny", quant="q8_0")
    assert ask("org/tiny@v1", offline=True)["slug"] == "hub-offline"


# -- what is refused ------------------------------------------------------------------------------------------------


def test_a_repo_that_is_not_there(ask: Ask) -> None:
    answer = ask("org/none")
    assert answer["slug"] == "hub-not-found"
    assert "org/none" in answer["error"]


def test_a_revision_that_is_not_there(ask: Ask) -> None:
    answer = ask("org/tiny@nope")
    assert answer["slug"] == "hub-not-found"
    assert "'nope'" in answer["error"]


def test_a_file_that_is_not_there_names_the_nearest(ask: Ask, tmp_path: Path) -> None:
    entry = "{name: Q8_0, format: gguf, file: tiny-q8.gguf}"
    (tmp_path / "tiny.yml").write_text(f"model: {{hf_repo: org/tiny, quantizations: [{entry}]}}")
    answer = ask("tiny", quant="all")
    assert answer["slug"] == "hub-not-found"
    assert "Did you mean 'tiny-Q8_0.gguf'?" in answer["error"]


def test_a_gated_repo_names_the_page_with_the_terms(ask: Ask, hub: Any) -> None:
    hub.repos["org/tiny"].gated = True
    answer = ask("org/tiny", quant="q8_0")
    assert answer["slug"] == "hub-gated"
    assert f"{hub.url}/org/tiny" in answer["error"]


def test_pickled_weights_are_refused_with_the_reason(ask: Ask, hub: Any) -> None:
    hub.add("org/old", {"config.json": b"{}", "pytorch_model.bin": b"\x80"})
    answer = ask("org/old")
    assert answer["slug"] == "pickle-refused"
    assert "can run code" in answer["error"]


def test_a_repo_without_weights(ask: Ask, hub: Any) -> None:
    hub.add("org/text", {"README.md": b"#"})
    assert ask("org/text")["slug"] == "hub-no-weights"


def test_a_truncated_download_is_refused(ask: Ask, hub: Any, make_gguf: Make) -> None:
    hub.add("org/cut", {"m-Q8_0.gguf": make_gguf()[:-40]})
    assert ask("org/cut", quant="all")["slug"] == "gguf-truncated"


def test_a_hub_in_trouble_is_told_with_its_status(ask: Ask, hub: Any) -> None:
    hub.repos["org/tiny"].status = 503
    answer = ask("org/tiny")
    assert answer["slug"] == "hub-unreachable"
    assert "503" in answer["error"]


def test_no_hub_at_all_is_told(ask: Ask) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, but nobody listens: connections are refused
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
        answer = ask("org/tiny", quant="q8_0", environment={"HF_ENDPOINT": endpoint})
    assert answer["slug"] == "hub-unreachable"
    assert endpoint in answer["error"]
    assert "--slm-offline" in answer["error"]


class Silent:
    """A Hub that takes every connection and says nothing."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def connections(self) -> int:
        """How many there were."""
        self._socket.setblocking(False)
        for number in itertools.count():
            try:
                self._socket.accept()[0].close()
            except BlockingIOError:
                return number
        raise AssertionError

    def close(self) -> None:
        self._socket.close()


def test_a_hub_that_never_answers_is_asked_once(ask: Ask) -> None:
    with contextlib.closing(Silent()) as silent:
        answer = ask("org/tiny", timeout=1, environment={"HF_ENDPOINT": silent.endpoint})
        assert answer["slug"] == "hub-unreachable"
        assert silent.connections() == 1


def test_a_pinned_model_that_is_not_cached_is_not_waited_for(ask: Ask, tmp_path: Path) -> None:
    # Left to itself the client would try the download again and again.
    entry = "{name: Q8_0, format: gguf, file: m.gguf}"
    (tmp_path / "tiny.yml").write_text(f"model: {{hf_repo: org/tiny, revision: {SHA}, quantizations: [{entry}]}}")
    with contextlib.closing(Silent()) as silent:
        answer = ask("tiny", quant="all", timeout=1, environment={"HF_ENDPOINT": silent.endpoint})
        assert answer["slug"] == "hub-unreachable"
        assert silent.connections() == 1
