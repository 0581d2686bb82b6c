"""CPU, hypervisor and container, as different systems write them."""

import os

import psutil
import pytest

from pytest_slm.core.record import jsonable
from pytest_slm.errors import BackendError
from pytest_slm.machine import hardware, processor, virtual

X86 = "processor\t: 0\nmodel name\t: {name}\nflags\t\t: fpu avx2 fma {flags}\n\nprocessor\t: 1\nmodel name\t: other"
ARM = "processor\t: 0\nFeatures\t: fp asimd asimddp\nCPU part\t: 0xd0b\n\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0"
CPU0 = "sys/devices/system/cpu/cpu0"
DMI = "sys/class/dmi/id"
CLOCK = "sys/devices/system/clocksource/clocksource0/available_clocksource"


@pytest.mark.parametrize(
    ("text", "name", "flag"),
    [
        (X86.format(name="Some CPU @ 2 GHz", flags=""), "Some CPU @ 2 GHz", "avx2"),
        (ARM, "Raspberry Pi 5 Model B Rev 1.0", "asimddp"),
    ],
)
def test_the_kernel_names_the_cpu(tree, text, name, flag):
    found, flags = processor.cpu_name_and_flags(tree({"proc/cpuinfo": text}))
    assert found == name
    assert flag in flags


def test_where_the_kernel_does_not_name_it_py_cpuinfo_is_asked(monkeypatch):
    # Graviton: features and part numbers, and no name
    cpuinfo = pytest.importorskip("cpuinfo")
    monkeypatch.setattr(processor, "read_text", lambda path: ARM.partition("Model")[0])
    monkeypatch.setattr(cpuinfo, "get_cpu_info", lambda: {"brand_raw": "Neoverse-N1", "flags": ["nonsense"]})
    assert processor.cpu_name_and_flags() == ("Neoverse-N1", {"fp", "asimd", "asimddp"})


def test_how_the_clock_is_governed(tree):
    root = tree({f"{CPU0}/cpufreq/scaling_governor": "powersave"})
    assert processor.governor(root) == "powersave"
    # one core of another kind is one too many for a benchmark, and must be seen
    tree({"sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "performance"})
    assert processor.governor(root) == "performance, powersave"
    assert processor.turbo(root) is None
    assert processor.turbo(tree({"sys/devices/system/cpu/cpufreq/boost": "0"})) is False
    assert processor.turbo(tree({"sys/devices/system/cpu/intel_pstate/no_turbo": "0"})) is True


@pytest.mark.parametrize(("online", "nodes"), [("0", 1), ("0-1", 2), ("0-3,8", 5), ("nonsense", None)])
def test_memories_of_different_distance_are_counted(tree, online, nodes):
    assert processor.numa_nodes(tree({"sys/devices/system/node/online": online})) == nodes


def test_caches_and_threads_of_a_core(tree):
    cache = f"{CPU0}/cache"
    files = {}
    for index, (level, kind, size) in enumerate(
        [(1, "Data", "32K"), (1, "Instruction", "64K"), (2, "Unified", "512K")]
    ):
        files |= {
            f"{cache}/index{index}/level": level,
            f"{cache}/index{index}/type": kind,
            f"{cache}/index{index}/size": size,
        }
    root = tree({**files, "sys/devices/system/cpu/smt/active": "1"})
    assert processor.caches(root) == {"L1d": 32 * 1024, "L1i": 64 * 1024, "L2": 512 * 1024}
    assert processor.smt(root) is True


@pytest.mark.parametrize(
    ("flags", "files", "name"),
    [
        ("", {}, "none"),
        # a metal instance: the cloud's name, and no hypervisor
        ("", {f"{DMI}/sys_vendor": "Amazon EC2"}, "none"),
        ("hypervisor", {f"{DMI}/sys_vendor": "Amazon EC2"}, "amazon"),
        (
            "hypervisor",
            {f"{DMI}/sys_vendor": "Microsoft Corporation", f"{DMI}/product_name": "Virtual Machine"},
            "hyperv",
        ),
        ("hypervisor", {f"{DMI}/sys_vendor": "QEMU", f"{DMI}/product_name": "KVM Virtual Machine"}, "kvm"),
        ("hypervisor", {"sys/hypervisor/type": "xen", f"{DMI}/sys_vendor": "Amazon EC2"}, "xen"),
        # Firecracker has no firmware
        ("hypervisor", {CLOCK: "tsc kvm-clock"}, "kvm"),
        ("hypervisor", {}, "hypervisor"),
    ],
)
def test_the_hypervisor_is_named_by_what_names_it(tree, flags, files, name):
    root = tree({"proc/cpuinfo": X86.format(name="x", flags=flags), **files})
    assert virtual.hypervisor(processor.cpu_name_and_flags(root)[1], root) == name


def test_arm_without_firmware_does_not_tell(tree):
    # its CPUs have no such flag: that nothing is said does not mean that there is none
    root = tree({"proc/cpuinfo": ARM})
    assert virtual.hypervisor(processor.cpu_name_and_flags(root)[1], root) is None
    tree({"proc/device-tree/hypervisor/compatible": "linux,kvm\0"})
    assert virtual.hypervisor(processor.cpu_name_and_flags(root)[1], root) == "kvm"


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({}, None),
        ({".dockerenv": ""}, "docker"),
        ({"run/.containerenv": ""}, "podman"),
        ({"run/systemd/container": "lxc", ".dockerenv": ""}, "lxc"),
        ({"proc/sys/kernel/osrelease": "5.15.0-microsoft-standard-WSL2"}, "wsl"),
    ],
)
def test_a_container_is_named(tree, files, name):
    assert virtual.container(tree(files)) == name


def test_without_proc_and_sys_facts_are_null_and_not_zero(tree):
    # macOS and Windows; what psutil knows it knows there too
    facts = hardware.describe_machine(tree({}))
    unknown = {key for key, value in facts.items() if value is None}
    assert unknown >= {"cpu", "governor", "turbo", "smt", "numa_nodes", "caches", "virtualization", "container"}
    assert unknown >= {"cgroup_memory_bytes", "cgroup_cpus"}
    assert facts["ram_bytes"] > 0


def test_the_recipe_of_the_fingerprint_is_that_of_older_reports():
    # a change of it would make every report one of another machine: give it a version then
    facts = {
        **{"cpu": "AMD EPYC", "cpu_flags": ["avx", "avx2", "f16c", "fma"], "cores_physical": 2, "cores_logical": 2},
        **{"ram_gib": 24, "cgroup_cpus": None, "system": "Linux", "machine": "x86_64"},
    }
    assert hardware.fingerprint(facts) == "7fee2b27dfa0047f"


def test_cores_that_a_process_may_not_use_make_another_machine():
    facts = {"cores_logical": 16, "cores_usable": 16}
    pinned = {**facts, "cores_usable": 1}
    assert hardware.fingerprint(facts) == hardware.fingerprint({"cores_logical": 16})
    assert hardware.fingerprint(pinned) not in (
        hardware.fingerprint(facts),
        hardware.fingerprint({**pinned, "cores_usable": 2}),
    )


def test_what_is_known_is_json_and_has_a_fingerprint():
    facts = hardware.describe_machine()
    jsonable(facts)
    assert facts["ram_bytes"] == psutil.virtual_memory().total
    assert facts["cores_logical"] == os.cpu_count()
    assert len(facts["fingerprint"]) == 16


def test_the_fingerprint_ignores_what_changes_by_itself():
    facts = hardware.describe_machine()
    assert hardware.fingerprint({**facts, "load_average": [9, 9, 9], "frequency_mhz": 1}) == facts["fingerprint"]


@pytest.mark.parametrize("key", hardware.FINGERPRINT)
def test_the_fingerprint_changes_with_what_changes_speed(key):
    facts = hardware.describe_machine()
    assert hardware.fingerprint({**facts, key: "other"}) != facts["fingerprint"]


def test_versions_are_of_what_is_installed():
    versions = hardware.installed_versions(["pytest", "no-such-distribution"])
    assert versions["pytest"] == pytest.__version__
    assert "no-such-distribution" not in versions


def test_more_threads_than_can_be_meant_are_refused(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert (hardware.threads(None), hardware.threads(32)) == (hardware.usable_cores(), 32)
    with pytest.raises(BackendError, match="threads=33: this machine has 4 processors; at most 32 threads are taken"):
        hardware.threads(33)
    monkeypatch.setattr(os, "cpu_count", lambda: 256)  # ggml ends the process beyond 512
    with pytest.raises(BackendError, match="at most 512 threads"):
        hardware.threads(513)
