"""The user's own settings of texts and of the engine: they are heeded, told, part of what a run is, and refused where
they cannot be meant."""

import json

import pytest

QUESTIONS = {"one": [("capital of France", "Paris"), ("capital of Norway", "Oslo")]}
CHOICES = "kind: choices\ndescription: d\nmetrics: [acc]\noptions: {samples: data/pick.jsonl}\n"
QUESTION = {"id": "q", "category": "c", "question": "2 + 2?", "options": ["4", "5"], "answer": "A", "rationale": "sum"}
RULES = [{"contains": "France", "text": "Paris"}, {"contains": "Norway", "text": ["Bergen", "Oslo"]}]
WHOLE = "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}"


@pytest.fixture
def samples(pytester):
    """The lines of the item geo/one, of the newest run."""

    def read(name="geo.one", run_id="*"):
        (path,) = pytester.path.glob(f"reports/*/*/{run_id}/samples/{name}.jsonl")
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]

    return read


@pytest.fixture
def pick(suite):
    """A suite with a question to write about, one whose conversation has a system message, and one of likelihoods."""
    folder = suite(**QUESTIONS, own=[])
    said = [{"role": "system", "content": "Answer in capitals."}, {"role": "user", "content": "capital of France"}]
    (folder / "data" / "own.jsonl").write_text(json.dumps({"id": "o", "input": said, "target": "Paris"}))
    (folder / "data" / "pick.jsonl").write_text(json.dumps(QUESTION))
    (folder / "pick.yaml").write_text(CHOICES)
    (folder / "suite.yaml").write_text("suite: geo\ntitle: geo\ntasks: [one, own, pick]\n")
    return folder


def test_they_are_in_the_requests_the_report_and_the_summary(run, pick, report, results, samples):
    asked = ("--slm-temperature=0.5", "--slm-top-p=0.9", "--slm-max-tokens=3", "--slm-system=Be brief.")
    done = run("suites", *asked, "--slm-set", "top_k=7", "--slm-set=min_p=0.1", "--slm-fewshot=2", rules=RULES)
    done.assert_outcomes(passed=3)
    (first, _) = samples()
    seed = first["request"].pop("seed")
    assert first["request"] == {
        **{"kind": "generate", "max_tokens": 3, "temperature": 0.5, "top_p": 0.9, "top_k": 7, "min_p": 0.1}
    }
    assert seed != 1234  # of the question, not of all of them
    # 3 words of the pretended template for each of two messages: the system message is there
    assert (first["n_prompt"], samples("geo.own")[0]["n_prompt"]) == (2 + 3 + 3 + 3, 3 + 3 + 3 + 3)
    told = report()["slm"]
    said = {"temperature": 0.5, "top_p": 0.9, "top_k": 7, "min_p": 0.1, "max_tokens": 3, "system": "Be brief."}
    assert {name: value for name, value in told["generation"].items() if value is not None} == said | {"fewshot": 2}
    found = results(report())
    assert found["geo/one"]["provenance"]["settings"] == said
    assert found["geo/one"]["provenance"]["sampling"] == "temperature 0.5, top_p 0.9, top_k 7, min_p 0.1"
    assert found["geo/one"]["without_effect"] == {"fewshot": "the task has no examples"}
    assert found["geo/own"]["without_effect"]["system"] == "its conversations have a system message of their own"
    assert "sampling" not in found["geo/pick"]["provenance"]
    assert set(found["geo/pick"]["without_effect"]) == set(said) | {"fewshot"}
    done.stdout.fnmatch_lines(
        [
            "fake 1, *temperature=0.5, top_p=0.9, top_k=7, min_p=0.1, max_tokens=3, *system='Be brief.', *took *",
            "fewshot has no meaning for geo/one, geo/own, geo/pick: the task has no examples",
            "system has no meaning for geo/own: its conversations have a system message of their own",
            "temperature, top_p, top_k, min_p, max_tokens have no meaning for geo/pick: nothing is written, *",
        ],
    )


def test_a_question_that_is_asked_several_times_is_one_cluster(run, pick, report, results, samples):
    run("suites", "--slm-temperature=1", "--slm-repeats=8", rules=RULES).assert_outcomes(passed=3)
    lines = samples()
    assert [(line["doc_id"], line["repeat"], line["cluster"]) for line in lines] == [
        (name, time, name) for name in "01" for time in range(8)
    ]
    assert len({line["request"]["seed"] for line in lines}) == 16
    right = sum(line["response"] == "Oslo" for line in lines[8:])
    assert 0 < right < 8, "the script's second text must be drawn sometimes for this to say anything"
    found = results(report())["geo/one"]
    metrics = {metric["name"]: metric for metric in found["metrics"]}
    assert metrics["exact_match"]["value"] == (8 + right) / 16
    assert (metrics["exact_match"]["n"], found["clusters"], found["n_scored"]) == (16, 2, 16)
    passes = 1 - (8 - right) * (7 - right) / (8 * 7)
    assert metrics["pass@2"]["value"] == pytest.approx((1 + passes) / 2)
    assert metrics["pass@8"]["value"] == 1.0
    assert metrics["pass@8"]["n"] == 2
    majority = 0.5 if right == 4 else float(right > 4)
    assert metrics["majority"]["value"] == (1 + majority) / 2
    assert [name for name in metrics if "@" in name] == ["pass@2", "pass@4", "pass@8"]
    alone = results(report())["geo/pick"]
    assert alone["n_scored"] == 1
    assert [metric["name"] for metric in alone["metrics"]] == ["acc"]
    assert "nothing is written" in alone["without_effect"]["repeats"]


def test_the_same_seed_writes_the_same_and_another_one_other_texts(run, suite, samples):
    suite(**QUESTIONS)
    texts = {"text": [str(n) for n in range(97)]}
    asked = ("suites", "--slm-temperature=1", "--slm-repeats=3")
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(*asked, f"--slm-run-id={name}", f"--slm-seed={seed}", **texts)
    a, b, c = ([line["response"] for line in samples(run_id=name)] for name in "abc")
    assert a == b
    assert a != c
    assert len(set(a)) > 3  # no two questions draw the same numbers


def test_a_run_with_repeats_is_resumed_and_scored_again(run, session, suite, pytester, samples):
    suite(**QUESTIONS)
    suite("other", two=[("boom", "x")])
    script = {"rules": [*RULES, {"contains": "boom", "action": "error"}]}
    asked = ("suites", "--slm-temperature=1", "--slm-repeats=4")
    run(*asked, "--slm-run-id=first", **script).assert_outcomes(passed=1, errors=1)
    before = samples()
    done = run("suites", "--slm-temperature=1", "--slm-repeats=3", "--slm-resume", "--slm-plan", **script)
    other = run(*asked[:-1], "--slm-repeats=3", "--slm-resume", "--slm-run-id=first", **script)
    other.stderr.fnmatch_lines(["*but it has --slm-repeats 4, not 3: give the same options as then*resume-other*"])
    done = run(*asked, "--slm-resume", "--slm-run-id=first", **script)
    done.stdout.fnmatch_lines(["resumed: 8 of 8 answers*"])
    assert samples() == before
    (folder,) = pytester.path.glob("reports/*/*/first")
    again = ("-p", "no:cacheprovider", f"--slm-rescore={folder}", "suites", "-k", "one")
    session(*again, "--slm-run-id=second").assert_outcomes(passed=1, deselected=1)
    assert samples(run_id="second") == before
    refused = session(*again, "--slm-repeats=2", "--slm-temperature=1")
    refused.stderr.fnmatch_lines(["*repeats=2: the run that is scored again has 4; leave the option out*"])


TEMPLATES = {"chatml": None, "none": None, "own.jinja": WHOLE}


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_model_without_a_template_is_asked_in_one_that_is_given(run, suite, pytester, report, samples, template):
    suite(**QUESTIONS)
    if TEMPLATES[template]:
        (pytester.path / template).write_text(TEMPLATES[template])
    base = {"capabilities": ["generate", "loglikelihood", "tokens"], "text": "Paris\nQuestion: and<|im_end|>Oslo"}
    skipped = run("suites", "--slm-run-id=without", **base)
    skipped.stdout.fnmatch_lines(["*it has no chat template: --slm-chat-template=chatml (or a FILE) gives it one, *"])
    skipped.assert_outcomes(skipped=1)
    run("suites", f"--slm-chat-template={template}", "--slm-run-id=with", **base).assert_outcomes(passed=1)
    (path,) = pytester.path.glob("reports/*/*/with/report.json")
    told = json.loads(path.read_text("utf-8"))["slm"]
    assert told["generation"]["chat_template"].startswith(template)
    assert told["backend"]["chat_template_sha256"]
    ended = {"chatml": "Paris\nQuestion: and", "none": "Paris", "own.jinja": "Paris\nQuestion: and<|im_end|>Oslo"}
    assert samples(run_id="with")[0]["response"] == ended[template]


def test_two_files_of_one_name_are_two_templates(run, suite, pytester):
    suite(**QUESTIONS)
    suite("other", two=[("boom", "x")])
    script = {"rules": [*RULES, {"contains": "boom", "action": "error"}]}
    (pytester.path / "own.jinja").write_text(WHOLE)
    run("suites", "--slm-chat-template=own.jinja", **script).assert_outcomes(passed=1, errors=1)
    (pytester.path / "own.jinja").write_text(WHOLE + "!")
    done = run("suites", "--slm-chat-template=own.jinja", "--slm-resume", **script)
    done.stdout.fnmatch_lines(["slm: run * is not finished, but it has --slm-chat-template 'own.jinja (*"])


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"{% for m in messages %}", "*--slm-chat-template=own.jinja: line 1: *; correct the file, or *chat-template*"),
        (b"{{ messages[7].content }}", "*--slm-chat-template=own.jinja: *chat-template*"),
        (b"{{ messages | length }}", "*--slm-chat-template=own.jinja: of a conversation of 1 messages it leaves out*"),
        (b"\xff\xfe", "*own.jinja: it is no text of UTF-8; expected a file, chatml or none*chat-template*"),
        (b"x" * 300_000, "*--slm-chat-template=own.jinja: 300000 bytes, and at most 262144 are read*"),
        (None, "*--slm-chat-template=own.jinja: No such file or directory; expected a file, chatml or none*"),
    ],
)
def test_a_template_that_cannot_be_used_is_one_line_before_anything_runs(run, suite, pytester, content, line):
    suite(**QUESTIONS)
    if content is not None:
        (pytester.path / "own.jinja").write_bytes(content)
    done = run("suites", "--slm-chat-template=own.jinja")
    assert done.ret == 4
    done.stderr.fnmatch_lines([line])
    assert len(done.errlines) < 4


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--slm-repeats=4"], "--slm-repeats needs chance, and answers are greedy: give a temperature too*"),
        (["--slm-repeats=4", "--slm-temperature=0"], "--slm-repeats needs chance*"),
        (["--slm-top-p=0.9"], "--slm-top-p needs chance*"),
        (["--slm-set", "top_k=4"], "--slm-set top_k needs chance*"),
        (["--slm-temperature=-1"], "--slm-temperature=-1.0: temperature must be at least 0 (greedy), not -1*"),
        (["--slm-temperature=nan"], "--slm-temperature=nan: temperature: expected a finite number*"),
        (["--slm-temperature=inf"], "--slm-temperature=inf: temperature: expected a finite number*"),
        (["--slm-temperature=1", "--slm-top-p=0"], "--slm-top-p=0.0: top_p must be above 0 and at most 1*"),
        (["--slm-max-tokens=0"], "--slm-max-tokens=0: max_tokens must be at least 1, not 0*"),
        (["--slm-max-tokens=" + "9" * 25], "--slm-max-tokens=9*: max_tokens: expected an integer of 64 bits*"),
        (["--slm-repeats=0"], "--slm-repeats=0: repeats must be at least 1, not 0*"),
        (["--slm-fewshot=-1"], "--slm-fewshot=-1: fewshot must be at least 0, not -1*"),
        (["--slm-fewshot=1001"], "--slm-fewshot=1001: fewshot must be at most 1000, not 1001*"),
        (["--slm-temperature=1", "--slm-repeats=10001"], "--slm-repeats=10001: repeats must be at most 10000*"),
        (["--slm-threads=1000000"], "threads=1000000: this machine has * processors; at most * threads are taken*"),
        (["--slm-system="], "--slm-system=: an empty name; say a value, or leave the option out*"),
        (["--slm-system=a", "--slm-system=b"], "--slm-system is given twice*"),
        (["--slm-set", "n_bach=2"], "--slm-set n_bach=2: unknown setting 'n_bach'. Did you mean 'n_batch'?*"),
        (["--slm-set", "threads=2", "--slm-threads=2"], "--slm-set threads=2: --slm-threads says threads already*"),
    ],
)
def test_what_cannot_be_meant_is_one_line(run, suite, arguments, line):
    suite(**QUESTIONS)
    done = run("suites", *arguments)
    assert done.ret == 4
    done.stderr.fnmatch_lines([f"*{line}"])
    assert len(done.errlines) < 4


def test_a_setting_of_another_engine_is_refused(session, suite, pytester):
    suite(**QUESTIONS)
    done = session("suites", "--slm-model=fake", "--slm-backend=llamacpp", "--slm-set=dtype=float32")
    done.stderr.fnmatch_lines(
        ["*--slm-set dtype: a setting of transformers, and llama.cpp computes here; leave it out*"]
    )


def test_an_adapter_with_a_broken_header_is_told_before_an_engine_reads_it(session, suite, pytester):
    suite(**QUESTIONS)
    (pytester.path / "law.gguf").write_bytes(b"GGUF\x03\0\0\0" + b"\xff" * 16)
    done = session("suites", "--slm-model=fake", "--slm-set=lora=law.gguf:0.5")
    assert done.ret == 4
    done.stderr.fnmatch_lines(["ERROR: *law.gguf*"])
    assert len(done.errlines) < 4


def test_the_engine_is_set_by_the_command_line_before_the_submission(pytester):
    from pytest_slm.core.config import RunConfig
    from pytest_slm.core.types import EngineSettings, Quantization, Submission
    from pytest_slm.extensions import Extensions
    from pytest_slm.run.session import Run

    own = Quantization(name="q", format="gguf", engine=EngineSettings(n_batch=2, n_seq=2))
    run = Run(
        config=RunConfig(model="m", engine=EngineSettings(n_batch=3)),
        submission=Submission(
            slug="m", name="m", quantizations=(own,), engine=EngineSettings(n_batch=1, n_seq=1, kv_cells=1)
        ),
        quantizations=(own,),
        extensions=Extensions(),
    )
    assert run.settings("q") == EngineSettings(n_batch=3, n_seq=2, kv_cells=1)
