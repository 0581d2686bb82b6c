"""What the comparison with llama-bench makes of its rounds."""

import json

import pytest

pytest.importorskip("llama_cpp", reason="needs llama-cpp-python: pip install 'pytest-slm[gguf]'")

from benchmarks import vs_llama_bench as bench


def entry(round_, by, pp, tg):
    loops = {"pp_loop": 0.001, "tg_loop": 0.01 * (1 + round_)} if by == bench.OURS else {}
    return {"round": round_, "quantization": "Q8_0", "by": by, "pp": pp, "tg": tg, **loops}


def test_ratios_are_of_medians_of_the_same_round():
    rounds = [
        entry(0, bench.OURS, [100, 110, 500], [10, 10, 10]),
        entry(0, bench.THEIRS, [100, 100, 100], [10, 10, 10]),
        entry(1, bench.THEIRS, [50, 50, 50], [20, 20, 20]),
        entry(1, bench.OURS, [45, 1, 46], [22, 22, 22]),
    ]
    pp, tg = bench.summary(rounds, ["Q8_0"])
    assert pp["ratio"] == {"median": pytest.approx(1.0), "min": 0.9, "max": 1.1, "n": 2}
    assert tg["ratio"]["max"] == pytest.approx(1.1)
    assert tg["loop"] == pytest.approx(0.02)
    assert pp["apart"] == pytest.approx((110 - 45) / 77.5)


def test_llama_bench_is_asked_for_our_settings(tmp_path):
    binary = tmp_path / "llama-bench"
    answer = json.dumps([{"samples_ts": [1.0]}])
    binary.write_text(f"#!/bin/sh\necho \"$@\" >> {tmp_path}/asked\necho '{answer}'\n")
    binary.chmod(0o755)
    settings = {"flash_attention": {"pp": True, "tg": False}, "kv_type": "F16"}
    found = bench._theirs(binary, tmp_path / "m.gguf", 2, (512, 128, 0, 5), settings)
    assert found == {"pp": [1.0], "tg": [1.0]}
    prompt, single = (tmp_path / "asked").read_text().splitlines()
    assert "-p 512 -n 0 -d 0 -r 5 -t 2 -b 2048 -ub 512 -o json -fa on -ctk f16 -ctv f16" in prompt
    assert "-p 0 -n 128 -d 0 -r 5 -t 2 -b 2048 -ub 512 -o json -fa off -ctk f16 -ctv f16" in single


def test_ours_are_rounds_of_the_engine(real_model):
    found = bench.engine_rounds(str(real_model), 1, (32, 8, 0, 2))
    assert [len(found[name]) for name in ("pp", "tg")] == [2, 2]
    assert 0 <= found["tg_loop"] < 0.5
    assert found["settings"]["threads"] == 1
