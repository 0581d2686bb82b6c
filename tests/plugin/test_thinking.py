"""``--slm-thinking``: what a model thinks is no part of its answers, is limited, counted, and never mixed up."""

import json

import pytest

from pytest_slm.errors import UsageError
from pytest_slm.plugin.options import thinking

FUNCTION = {
    "type": "function",
    "function": {
        "name": "move",
        "description": "",
        "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
    },
}
TASK = """\
kind: checks
description: {name}
scorer: {scorer}
metrics: [accuracy]
requires: [chat]
options: {{samples: data/{name}.jsonl, max_tokens: {most}{more}}}
"""
# What is thought is wrong and what is answered is right, except of the capital.
SAID = {
    "capital": ("contains", "Rome", "Is it Rome? Turin is colder, so Turin.", "Turin", 0.0),
    "sum": ("number", "31", "30? No. 32? The answer is 32? No.", "It is 31 now.", 1.0),
    "call": (
        "tool_calls",
        [{"name": "move", "arguments": {"n": [7]}}],
        'Not <tool_call>{"name": "move", "arguments": {"n": 6}}</tool_call>, it was 7.',
        '<tool_call>{"name": "move", "arguments": {"n": 7}}</tool_call>',
        1.0,
    ),
    "nothing": ("tool_calls", [], "Shall I move?", "There is nothing to do.", 1.0),
}
WAYS = {
    "own": "<think>\n{}\n</think>\n\n{}",
    "prefilled": "{}\n</think>\n\n{}",
    "brackets": "[THINK]{}[/THINK]{}",
    "seed": "<seed:think>{}</seed:think>{}",
    "words": "<reasoning>\n{}\n</reasoning>\n{}",
    "control": "<|START_THINKING|>{}<|END_THINKING|><|START_RESPONSE|>{}<|END_RESPONSE|>",
    "channel": "<|channel|>analysis<|message|>{}<|end|><|start|>assistant<|channel|>final<|message|>{}",
    "twice": "<think>{}</think>\n<think>Well.</think>\n\n{}",
}
SAID_BEFORE = "{% for m in messages %}{{ m.content }}{% endfor %}"
QWEN = SAID_BEFORE + "{% if enable_thinking %}<think>\n{% else %}<think>\n\n</think>\n\n{% endif %}"


@pytest.fixture
def tasks(pytester):
    """Writes a suite of samples with tools: ``tasks(most=64, capital=[(question, target)])``."""

    def write(most=64, more="", **questions):
        folder = pytester.path / "suites" / "thought"
        (folder / "data").mkdir(parents=True)
        (folder / "suite.yaml").write_text(
            f"suite: thought\ntitle: thought\ndescription: d\ntasks: [{', '.join(questions)}]\n"
        )
        for name, asked in questions.items():
            scorer = SAID[name][0]
            (folder / f"{name}.yaml").write_text(
                f"task: {name}\n" + TASK.format(name=name, scorer=scorer, most=most, more=more)
            )
            tools = [FUNCTION] if scorer == "tool_calls" else []
            lines = [{"id": key, "input": text, "target": target, "tools": tools} for key, text, target in asked]
            (folder / "data" / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    return write


@pytest.fixture
def samples(pytester):
    """The lines of an item: ``samples("capital")``."""

    def read(task, run_id="*"):
        (path,) = pytester.path.glob(f"reports/*/*/{run_id}/samples/thought.{task}.jsonl")
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]

    return read


def test_whoever_opens_it_and_whatever_its_marks_are(run, tasks, report, results, samples):
    tasks(**{name: [(way, f"{name}-{way}:", SAID[name][1]) for way in WAYS] for name in SAID})
    rules = [
        {"contains": f"{name}-{way}:", "text": form.format(thought, answer)}
        for way, form in WAYS.items()
        for name, (_, _, thought, answer, _) in SAID.items()
    ]
    done = run("suites", rules=rules)
    done.assert_outcomes(passed=len(SAID))
    found = results(report())
    assert {name: found[f"thought/{name}"]["metrics"][0]["value"] for name in SAID} == {
        name: value for name, (*_, value) in SAID.items()
    }
    for name, (_, _, thought, answer, _) in SAID.items():
        counts = found[f"thought/{name}"]["thinking"]
        assert (counts["answers"], counts["censored"]) == (len(WAYS), 0)
        assert counts["tokens"] > len(WAYS)
        for line in samples(name):
            assert (line["response"], line["reasoning"].split("\n\n")[0]) == (answer, thought)
            assert 0 < line["n_reasoning"] < line["n_output"]
    done.stdout.fnmatch_lines(["thinking: before 32 answers, * tokens"])


ASKED = [("a", "first", "Turin"), ("b", "second", "Turin")]
LONG = {"reasoning": "Is it Rome? Rome is warm. " * 4, "text": "Turin it is."}


@pytest.mark.parametrize(("value", "answers"), [("off", 0), ("on", 2), ("30", 2), ("0", 0)])
def test_a_switch_in_the_system_message_is_set(run, tasks, report, results, value, answers):
    tasks(capital=ASKED)
    source = SAID_BEFORE + "{% if 'detailed thinking on' in messages[0].content %}<think>\n{% endif %}"
    run("suites", f"--slm-thinking={value}", text="Turin", reasoning="Is it Rome?", chat_template=source)
    result = results(report())["thought/capital"]
    assert (result["thinking"]["answers"], result["metrics"][0]["value"]) == (answers, 1.0)


def test_off_is_told_to_the_template_and_on_too(run, tasks, report, results):
    tasks(capital=ASKED)
    run("suites", chat_template=QWEN, **LONG).assert_outcomes(passed=1)
    off = report()["slm"]
    assert (off["backend"]["thinking"], off["results"][0]["thinking"]["answers"]) == ("off", 0)


def test_on_lets_it_think(run, tasks, report, samples):
    tasks(capital=ASKED)
    done = run("suites", "--slm-thinking=on", chat_template=QWEN, **LONG)
    on = report()["slm"]
    # 24 words, and the closing mark
    assert on["results"][0]["thinking"] == {"answers": 2, "tokens": 2 * 25, "censored": 0}
    assert on["backend"]["thinking"] == "on"
    assert [line["response"] for line in samples("capital")] == ["Turin it is."] * 2
    done.stdout.fnmatch_lines(["*, thinking on*", "thinking: before 2 answers, 50 tokens"])


def test_so_many_tokens_and_no_more(run, tasks, report, samples):
    tasks(capital=ASKED, most=8)
    run("suites", "--slm-thinking=7", chat_template=QWEN, **LONG).assert_outcomes(passed=1)
    told = report()["slm"]
    assert (told["backend"]["thinking"], told["results"][0]["metrics"][0]["value"]) == (7, 1.0)
    assert [(line["response"], line["reasoning"], line["n_reasoning"]) for line in samples("capital")] == [
        ("Turin it is.", "Is it Rome? Rome is warm. Is", 8)
    ] * 2


@pytest.mark.parametrize("more", ["", ", opening_only: true"])
def test_cut_off_while_thinking_is_no_answer_even_where_nothing_was_wanted(run, tasks, report, samples, more):
    tasks(nothing=[("a", "first", []), ("b", "second", []), ("c", "third", [])], most=4, more=more)
    rules = [{"contains": "first", "text": "No."}, {"contains": "second", "text": "I will not do that."}]
    done = run("suites", rules=rules, text="<think> Shall I call a function or not? </think> No.")
    (result,) = report()["slm"]["results"]
    assert result["thinking"] == {"answers": 1, "tokens": 4, "censored": 1}
    assert result["answers_cut"] == (None if more else 1)
    cut = 0 if more else 1 / 3
    assert result["metrics"][0]["cuts"] == pytest.approx(
        {"cut": cut, "censored": 1 / 3, "lower": 2 / 3 - cut, "upper": 1.0}
    )
    assert [(line["response"], line["score"]) for line in samples("nothing")][-1] == ("", 0.0)
    told = "" if more else "1 (33 %) cut off, "
    low = "66.7" if more else "33.3"
    done.stdout.fnmatch_lines([f"thought/nothing: {told}1 (33 %) cut off while thinking, so {low} – 100.0 %"])


def test_both_texts_are_there_again_when_a_run_is_resumed(run, tasks, report, samples, suite):
    tasks(capital=ASKED)
    suite("other", one=[("boom", "x")])
    script = {"rules": [{"contains": "boom", "action": "error"}], "chat_template": QWEN, **LONG}
    run("suites", "--slm-thinking=7", **script).assert_outcomes(passed=1, errors=1)
    before, lines = report()["slm"], samples("capital")
    done = run("suites", "--slm-thinking=7", "--slm-resume", **script)
    done.stdout.fnmatch_lines(["resumed: 2 of 2 answers*"])
    after = report()["slm"]
    assert samples("capital") == lines
    assert lines[0]["reasoning"]
    assert [r["thinking"] for r in after["results"] if r["task"] == "capital"] == [
        r["thinking"] for r in before["results"] if r["task"] == "capital"
    ]


def test_a_run_with_thinking_is_not_gone_on_with_without(run, tasks, suite):
    tasks(capital=ASKED)
    suite("other", one=[("boom", "x")])
    script = {"rules": [{"contains": "boom", "action": "error"}], "chat_template": QWEN, **LONG}
    run("suites", "--slm-thinking=on", **script)
    done = run("suites", "--slm-resume", **script)
    done.stdout.fnmatch_lines(["slm: run * is not finished, but it has --slm-thinking 'on', not 'off'*"])


def test_scored_again_they_are_what_they_were(run, session, tasks, pytester, samples, results):
    tasks(nothing=[("a", "first", []), ("b", "second", [])], most=4)
    rules = [{"contains": "first", "text": "<think>Or?</think> No."}]
    run(
        "suites", "--slm-run-id=first", "--slm-thinking=on", rules=rules, text="<think> Shall I call a function or not?"
    )
    (folder,) = pytester.path.glob("reports/*/*/first")
    done = session("-p", "no:cacheprovider", f"--slm-rescore={folder}", "--slm-run-id=second", "suites")
    done.assert_outcomes(passed=1)
    (path,) = pytester.path.glob("reports/*/*/second/report.json")
    first, second = (json.loads(one.read_text("utf-8"))["slm"] for one in (folder / "report.json", path))
    assert samples("nothing", "first") == samples("nothing", "second")
    for key in ("thinking", "metrics", "answers_cut"):
        assert first["results"][0][key] == second["results"][0][key]
    refused = session("-p", "no:cacheprovider", f"--slm-rescore={folder}", "--slm-thinking=7", "suites")
    refused.stderr.fnmatch_lines(["*--slm-thinking=7: the run that is scored again has on; leave the option out*"])


def test_what_is_no_number_of_tokens_is_told(run):
    done = run("--slm-thinking=yes")
    done.stderr.fnmatch_lines(["*--slm-thinking=yes: expected off, on, or a number of tokens*option-value*"])


@pytest.mark.parametrize("value", ["", "-1", "1.5", "1e3", "9" * 20, "٣", "ON"])
def test_what_is_a_number_of_tokens(value):
    with pytest.raises(UsageError, match="expected off, on, or a number of tokens from 0"):
        thinking(value)
    assert [thinking(text) for text in ("off", "on", "0", "007")] == ["off", "on", 0, 7]
