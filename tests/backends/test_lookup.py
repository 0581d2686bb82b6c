"""Finding the engine for a format, and saying what to install."""

import pytest

from pytest_slm.backends.lookup import Backends
from pytest_slm.core.types import EngineSettings
from pytest_slm.errors import UsageError


def test_gguf_is_opened_by_llama_cpp():
    assert Backends().find("gguf").name == "llamacpp"


def test_a_registered_backend_wins_its_format():
    backends = Backends()
    backends.register("mine", "my_package:Mine", formats=("gguf",))
    assert backends.find("gguf").name == "mine"
    assert backends.find("gguf", "llamacpp").name == "llamacpp"


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(UsageError, match="Did you mean 'llamacpp'"):
        Backends().find("gguf", "llamacp")


def test_an_unknown_format_lists_the_known_ones():
    with pytest.raises(UsageError, match=r"'onnx'.*gguf"):
        Backends().find("onnx")


def test_two_plugins_cannot_take_one_name():
    with pytest.raises(UsageError, match="two plugins"):
        Backends().register("fake", "other:Fake", formats=())


def test_a_target_names_module_and_class():
    with pytest.raises(UsageError, match="module:Class"):
        Backends().register("x", "package.Class", formats=())


@pytest.mark.parametrize(
    ("here", "chosen", "remedy"),
    [
        ([], None, r"pip install 'pytest-slm\[ik\]' or pip install 'pytest-slm\[gguf\]'"),
        (["ik_llama_cpp"], "llama.cpp", r"--slm-engine=llama.cpp: not installed: pip install 'pytest-slm\[gguf\]'"),
        (["llama_cpp"], "ik", r"--slm-engine=ik: not installed: pip install 'pytest-slm\[ik\]'"),
    ],
)
def test_an_engine_that_is_not_installed_names_its_extra(monkeypatch, here, chosen, remedy):
    monkeypatch.setattr("pytest_slm.backends.lookup._importable", lambda module: module in [*here, "numpy"])
    with pytest.raises(UsageError, match=remedy):
        Backends().find("gguf").check_installed(EngineSettings(engine=chosen))


@pytest.mark.parametrize("here", [["llama_cpp"], ["ik_llama_cpp"], ["llama_cpp", "ik_llama_cpp"]])
def test_one_engine_is_enough(monkeypatch, here):
    monkeypatch.setattr("pytest_slm.backends.lookup._importable", lambda module: module in [*here, "numpy"])
    Backends().find("gguf").check_installed()


def test_a_missing_engine_names_the_extra():
    backends = Backends()
    backends.register("x", "m:C", formats=("x",), needs=("no_such_module_anywhere",), extra="gguf")
    with pytest.raises(UsageError, match=r"pip install 'pytest-slm\[gguf\]'"):
        backends.find("x").check_installed()
