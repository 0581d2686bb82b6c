"""`pytest-slm compare`: what it says of two runs, and with which code it ends."""

from __future__ import annotations

import json
import re

import pytest

from pytest_slm.cli.main import main


@pytest.fixture
def pair(tmp_path, factory):
    """The folders of two runs, the second one of a quantization that is faster."""
    runs = [factory.make_run(quantization, modern=True) for quantization in ("Q8_0", "Q4_0")]
    stored = [(factory.agreeing(run, samples := factory.make_samples(run)), samples) for run in runs]
    return [str(factory.store_run(tmp_path / "pair", *one).parent) for one in stored]


def test_compare_says_which_is_faster(pair, capsys):
    assert main(["compare", *pair]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"performance/decode\[500\] +decode_tps .* faster\n", printed)
    assert re.search(r"core/math .* not told apart\n", printed)
    assert "quantization: Q8_0 | Q4_0" in printed
    assert "ttft_tokenize" not in printed


def test_compare_in_json_has_the_same(pair, capsys):
    assert main(["compare", *reversed(pair), "--json", "--all"]) == 0
    found = json.loads(capsys.readouterr().out)
    (decode,) = [
        one for one in found["timings"] if (one["item"], one["quantity"]) == ("performance/decode[500]", "decode_tps")
    ]
    assert decode["ratio"] < 1
    assert decode["p_corrected"] >= decode["p"]
    assert "ttft_tokenize" in {one["quantity"] for one in found["timings"]}


def test_the_exit_code_says_whether_a_score_is_worse(tmp_path, factory, capsys):
    folders = []
    for name, lost in (("good", 0), ("same", 0), ("bad", 200)):
        run = factory.make_run(suites=("core",), slug=name)
        samples = factory.make_samples(run, 600)
        for lines in samples.values():
            for line in lines[:lost]:
                line["score"] = 0.0
        folders.append(str(factory.store_run(tmp_path, factory.agreeing(run, samples), samples).parent))
    good, same, bad = folders
    asked = ["--margin", "5", "--fail-if-worse"]
    assert main(["compare", good, same, *asked]) == 0
    assert "B is no worse than A: less than 5 points" in capsys.readouterr().out
    assert main(["compare", good, bad, *asked]) == 1
    assert "B is worse than A: core/" in capsys.readouterr().out
    assert main(["compare", good, same, "--margin", "0.1", "--fail-if-worse"]) == 2
    assert "not known whether B is worse by 0.1 points: core/" in capsys.readouterr().out
    # whoever cannot read a run does not know either: 1 would say that B is worse
    assert main(["compare", good, str(tmp_path / "none"), *asked]) == 2
    assert main(["compare", good, bad]) == 0
    capsys.readouterr()
    assert main(["compare", good, bad, "--json", "--flips", *asked]) == 1
    printed = capsys.readouterr()
    assert len(json.loads(printed.out)["scores"][0]["flips"]) > 100
    assert "B is worse" in printed.err
    assert main(["compare", good, bad, "--fail-if-worse"]) == 4
    assert "[compare-margin]" in capsys.readouterr().err


def test_compare_takes_the_smallest_difference_in_percent(pair, capsys):
    assert main(["compare", *pair, "--smallest", "99"]) == 0
    assert "faster" not in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        main(["compare", *pair, "--smallest", "-1"])
    assert stopped.value.code == 2


def test_compare_of_two_machines_is_one_line_and_code_1(tmp_path, factory, capsys):
    folders = []
    for name in ("m-1", "m-2"):
        run = factory.make_run(modern=True, suites=(), machine={"fingerprint": name, "ram_gib": name}, slug=name)
        folders.append(str(factory.store_run(tmp_path, run).parent))
    assert main(["compare", *folders]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "ram_gib is 'm-1' and 'm-2'" in error
    assert error.rstrip().endswith("[compare-nothing]")
