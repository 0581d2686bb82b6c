"""Names and answers from weights, files and models: whatever they hold, they are shown and no terminal obeys them."""

import re
import struct

import pytest

from pytest_slm.cli import main
from pytest_slm.comparing import compare, read_run, told
from pytest_slm.core.types import ItemId
from pytest_slm.errors import SlmError, TaskError, lines_shown
from pytest_slm.terminal.failures import show
from pytest_slm.terminal.progress import LiveLine
from pytest_slm.terminal.table import aligned

HOSTILE = "a\x1b]0;title\x07\x1b[2J\x1b[8m\r\u202egpj.exe\u2066\u200b\u2028b\x9b31m\x00\ud800"
STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def test_errors_are_shown_whatever_they_quote():
    for error in (SlmError(f"x: {HOSTILE}\nnext"), TaskError("t.yaml", [("key", HOSTILE), (HOSTILE, "b\nc")])):
        assert not STEERS.search(str(error))
    assert len(str(SlmError(HOSTILE)).splitlines()) == 1


def test_text_of_many_lines_keeps_them():
    assert lines_shown("a\n\tb\x1b\u202e") == "a\n\tb\\x1b\\u202e"


def test_the_live_line_and_tables_show_names():
    item = ItemId.from_json({"suite": "s", "task": "t", "variant": "v", "quantization": "q"})
    for name in ("suite", "task", "variant", "quantization"):
        object.__setattr__(item, name, HOSTILE)  # however it came there
    line = LiveLine(None, None, rewrites=False)
    line.start(item)
    assert not STEERS.search(line.text())
    assert not any(map(STEERS.search, aligned([(str(item), HOSTILE)])))


def test_a_comparison_and_an_error_of_the_command_show_names(tmp_path, factory, capsys):
    path = factory.store_run(tmp_path / "a", factory.make_run())
    folder = path.parent.rename(tmp_path / "b\x1b[2J\u202e")
    path = folder / "report.json"
    assert not STEERS.search(told(compare(read_run(path), read_run(path))))
    assert main.main(["compare", str(path), str(folder)]) == 0
    assert main.main(["compare", str(path), str(tmp_path / HOSTILE.replace("\0", "").replace("\ud800", ""))]) == 1
    assert main.main(["report", str(folder)]) == 0
    out, err = capsys.readouterr()
    assert r"\x1b[2J\u202e" in out
    assert r"\x1b[2J" in err
    assert not STEERS.search(out + err)


def test_a_header_with_a_hostile_name_is_shown(tmp_path, capsys):
    def text(value):
        data = value.encode()
        return struct.pack("<Q", len(data)) + data

    name = HOSTILE.replace("\ud800", "")
    path = tmp_path / "model.gguf"
    tensor = text(name) + struct.pack("<IQIQ", 1, 32, 99, 0)  # a type that nobody knows
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + tensor)
    assert main.main(["detect", str(path)]) == 4
    assert not STEERS.search(capsys.readouterr().err)


def test_what_pytest_tells_of_a_failure_is_shown(pytester):
    pytester.makeconftest(
        """
        import pytest
        from pytest_slm.terminal.failures import show
        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            show(report)
            return report
        """
    )
    pytester.makepyfile(
        f"""
        import pytest
        ANSWER = {HOSTILE!r}
        def test_prints_and_raises():
            print(ANSWER.replace("\\ud800", ""))
            raise ValueError(ANSWER)
        def test_compares():
            assert ANSWER == "Paris"
        def test_fails():
            pytest.fail(ANSWER)
        def test_skips():
            pytest.skip(ANSWER)
        """
    )
    done = pytester.runpytest_inprocess("-p", "no:faulthandler", "-p", "no:slm", "-rA", "--color=no")
    done.assert_outcomes(failed=3, skipped=1)
    told = done.stdout.str()
    assert "Captured stdout" in told
    assert r"\x1b]0;title\x07" in told
    assert not STEERS.search(told), STEERS.search(told)


def test_a_session_shows_answers_and_names(pytester, script):
    pytester.makepyfile(
        test_mine="""
        import pytest
        from pytest_slm.core.types import Metric, Request, Message
        @pytest.mark.slm_task("mine")
        def test_mine(slm_backend, slm_result):
            request = Request(messages=(Message(role="user", content="?"),), max_tokens=8)
            raise ValueError(slm_backend.generate([request])[0].text)
        """
    )
    reference = script(text=HOSTILE)
    done = pytester.runpytest_inprocess("-p", "no:faulthandler", f"--slm-model={reference}", "test_mine.py")
    assert "title" in done.stdout.str()
    assert not STEERS.search(done.stdout.str() + done.stderr.str())


@pytest.mark.parametrize("text", ["plain", "é", "通义", "👩\u200d🔬"])
def test_ordinary_names_stay_as_they_are(text):
    assert str(SlmError(text)).startswith(text)
    report = type("Report", (), {"sections": [("a", text)], "longrepr": text})()
    show(report)
    assert (report.longrepr, report.sections) == (text, [("a", text)])
