"""What engines say that they can compute on: listed, and never more than they say."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from pytest_slm.backends.llamacpp.binding import functions
from pytest_slm.backends.llamacpp.binding.devices import computing, devices
from pytest_slm.backends.llamacpp.binding.log import EngineLog
from pytest_slm.cli import devices as command
from pytest_slm.cli.main import main
from pytest_slm.core.backend_info import BackendInfo, Device, machine_id

GIB = 2**30
TWO = [(b"CUDA0", b"NVIDIA T4", 1, (15 * GIB, 14 * GIB)), (b"CPU", b"Some CPU", 0, (8 * GIB, 8 * GIB))]


def engine(told, missing=(), *, gpu=False):
    """A library that tells of these devices (name, description, number of its kind, memory), without some functions."""

    def memory(device, free, total):
        total._obj.value, free._obj.value = told[device][3]

    c = dict.fromkeys(functions.OPTIONAL) | {
        "ggml_backend_dev_count": lambda: len(told),
        "ggml_backend_dev_get": lambda number: number,
        "ggml_backend_dev_name": lambda device: told[device][0],
        "ggml_backend_dev_description": lambda device: told[device][1],
        "ggml_backend_dev_type": lambda device: told[device][2],
        "ggml_backend_dev_memory": memory,
        "llama_supports_gpu_offload": lambda: gpu,
    }
    return SimpleNamespace(start=lambda: None, c=SimpleNamespace(**c | dict.fromkeys(missing)))


def test_devices_are_told_with_kind_and_memory():
    gpu, cpu = devices(engine(TWO))
    assert gpu == Device(
        name="CUDA0",
        kind="GPU",
        description="NVIDIA T4",
        memory_total=15 * GIB,
        memory_free=14 * GIB,
        driver=gpu.driver,
    )
    # the engine says of the CPU that all is free, and has not looked
    assert cpu == Device(name="CPU", kind="CPU", description="Some CPU", memory_total=8 * GIB)
    assert (gpu.apart, cpu.apart) == (True, False)


@pytest.mark.parametrize(
    ("missing", "field"),
    [
        ("ggml_backend_dev_type", "kind"),
        ("ggml_backend_dev_description", "description"),
        ("ggml_backend_dev_memory", "memory_total"),
    ],
)
def test_what_a_library_has_no_function_for_is_not_told(missing, field):
    assert getattr(devices(engine(TWO, [missing]))[0], field) is None
    assert getattr(devices(engine(TWO))[0], field) is not None


@pytest.mark.parametrize(("field", "value"), [("memory_total", (0, 0)), ("kind", 17), ("description", b"")])
def test_nothing_is_no_number(field, value):
    odd = dict(zip(("name", "description", "kind", "memory_total"), TWO[0], strict=True)) | {field: value}
    assert getattr(devices(engine([tuple(odd.values())]))[0], field) is None


def test_an_engine_without_such_functions_computes_on_the_cpu_or_on_a_gpu_without_a_name():
    none = [name for name in functions.OPTIONAL if name.startswith("ggml_backend_dev")]
    assert [one.name for one in devices(engine(TWO, none))] == ["CPU"]
    assert [one.kind for one in devices(engine(TWO, none, gpu=True))] == ["CPU", "GPU"]


def test_a_name_that_is_no_text_ends_nothing():
    assert devices(engine([(b"\xff\x00", None, 1, (1, 1))]))[0].name


def test_the_engines_here_are_listed(capsys):
    pytest.importorskip("llama_cpp")
    assert main(["devices", "--engine=llama.cpp", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["engines"]
    assert found["engine"] == "llama.cpp"
    assert "CPU" in [device["kind"] for device in found["devices"]]


def test_in_lines_what_is_not_told_is_said_so(capsys, monkeypatch):
    told = {"engine": "e", "version": "1", "library": "l", "devices": [Device(name="X").to_json()]}
    monkeypatch.setattr(command, "_listed", lambda engine, path: told)
    assert main(["devices", "--engine=ik"]) == 0
    assert "X: kind not told, not described, memory not told\n" in capsys.readouterr().out


def test_an_engine_that_dies_is_one_line(capsys, monkeypatch):
    monkeypatch.setattr(command, "LISTER", "no_such_module")
    assert main(["devices", "--engine=ik"]) == 1
    assert "ended with code 1 while it was asked" in capsys.readouterr().err


def test_a_file_that_is_no_library_is_one_line_and_code_4(capsys, tmp_path):
    assert main(["devices", f"--engine-lib={tmp_path / 'x.so'}"]) == 4
    assert "engine-library" in capsys.readouterr().err


def logged(*lines):
    log = EngineLog()
    for line in lines:
        log._keep(2, line.encode(), None)
    return log


def test_memory_is_told_for_each_device():
    log = logged(
        "load_tensors:   CPU_Mapped model buffer size =   100.00 MiB",
        "load_tensors:        CUDA0 model buffer size =   300.00 MiB",
        "load_tensors:          CPU buffer size =     1.00 MiB",  # ik_llama.cpp's
        "llama_kv_cache:    Vulkan1 KV buffer size =    22.50 MiB",
        "llama_context:  CUDA_Host  output buffer size =     0.25 MiB",
        "sched_reserve: MTL0_Mapped compute buffer size =     2.00 MiB",
    )
    mib = 2**20
    assert log.places == {"CUDA0", "Vulkan1", "MTL0"}
    assert log.buffer_sizes() == {
        "weights": 401 * mib,
        "weights@CUDA0": 300 * mib,
        "kv_cache": 22.5 * mib,
        "kv_cache@Vulkan1": 22.5 * mib,
        "outputs": mib // 4,
        "compute_buffers": 2 * mib,
        "compute_buffers@MTL0": 2 * mib,
    }


def test_those_compute_on_which_the_engine_has_opened_a_buffer():
    found = engine(TWO)
    found.log = EngineLog()
    assert [one.name for one in computing(found)] == ["CPU"]
    found.log.places |= {"CUDA0", "Vulkan3"}
    assert [one.name for one in computing(found)] == ["CUDA0", "CPU", "Vulkan3"]
    assert all(one.memory_free is None for one in computing(found))


def test_a_device_beside_the_cpu_makes_another_machine():
    def machine(*found):
        info = BackendInfo(name="x", engine_version="1", n_ctx=1, engine_build="b", devices=found)
        return machine_id({"fingerprint": "f" * 16}, info)

    cpu, gpu = Device(name="CPU", kind="CPU"), Device(name="CUDA0", kind="GPU", memory_total=GIB)
    alone = machine(cpu, Device(name="BLAS", kind="accelerator"))
    assert alone == machine() == "f" * 16
    assert len({alone, machine(cpu, gpu), machine(cpu, replace(gpu, memory_total=2 * GIB))}) == 3
