"""What is said of a process that was ended by a signal."""

import signal

import pytest

from pytest_slm.hosts import failures
from pytest_slm.hosts.process import _ending

X86 = frozenset({"sse4_2", "avx", "f16c", "fma", "avx2", "bmi2"})


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (X86, "it lacks avx_vnni, avx512f, avx512bw, avx512_vnni, avx512_bf16, amx_int8"),
        (frozenset({"sse4_2"}), "it lacks avx, f16c, fma, avx2, bmi2, avx_vnni"),
        (frozenset({"asimd", "asimdhp"}), "it lacks asimddp, i8mm, sve, bf16"),
    ],
)
def test_an_unknown_instruction_names_the_flags_that_are_missing(monkeypatch, flags, told):
    monkeypatch.setattr(failures, "cpu_name_and_flags", lambda: ("some processor", flags))
    said = _ending(-signal.SIGILL, "", "")
    assert said.startswith("was ended by SIGILL: its library is built for another processor")
    assert told in said


def test_where_the_processor_tells_nothing_nothing_is_said_to_be_missing(monkeypatch):
    monkeypatch.setattr(failures, "cpu_name_and_flags", lambda: (None, frozenset()))
    assert "lacks" not in _ending(-signal.SIGILL, "", "")


def test_a_crash_on_a_processor_with_amx_names_the_compiler_that_makes_it(monkeypatch):
    monkeypatch.setattr(failures, "cpu_name_and_flags", lambda: ("some processor", X86 | {"amx_int8"}))
    assert "CXXFLAGS=-mno-amx-int8" in _ending(-signal.SIGSEGV, "", "")
    assert _ending(-signal.SIGABRT, "", "") == "was ended by SIGABRT"


def test_other_signals_are_named(monkeypatch):
    monkeypatch.setattr(failures, "cpu_name_and_flags", lambda: ("some processor", X86))
    assert _ending(-signal.SIGSEGV, "", "") == "was ended by SIGSEGV"
    assert _ending(3, "", "") == "ended with exit code 3"
