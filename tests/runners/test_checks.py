"""Tasks of samples and a scorer, on a scripted model in this process."""

import hashlib
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.backends.fake import Fake
from pytest_slm.backends.protocol import ignored, silent
from pytest_slm.core.types import Message, MetricSpec, Sample, Score
from pytest_slm.errors import BackendError, NotAvailableError, UsageError
from pytest_slm.runners import checks
from pytest_slm.runners.context import sha256
from pytest_slm.scorers import Scorers

CAPITALS = [{"id": name, "input": f"Capital of {name}?", "target": name[::-1]} for name in "abcdefghijklmnopqrst"]


class Watching(Fake):
    """Keeps what it was asked."""

    def __init__(self, spec):
        super().__init__(spec)
        self.asked = []

    def generate(self, requests, *progress):
        self.asked.append(list(requests))
        return super().generate(requests, *progress)


def grouped(**sizes):
    return [
        Sample(id=f"{name}{number}", input="?", metadata={"group": name})
        for name, size in sizes.items()
        for number in range(size)
    ]


# -- running ------------------------------------------------------------------------------------------------------


def test_every_sample_is_scored_and_recorded_in_the_order_of_the_file(checks_task, context, fake, records):
    task = checks_task(
        [{"id": "fr", "input": "France?", "target": "Paris"}, {"id": "it", "input": "?", "target": "Rome"}]
    )
    result = checks.run(task, "", context(fake(text="Paris")))
    assert [(record.doc_id, record.score, record.response) for record in records] == [
        ("fr", 1.0, "Paris"),
        ("it", 0.0, "Paris"),
    ]
    assert (result.metric().value, result.n_scored, result.n_unscored) == (0.5, 2, 0)


def test_a_record_says_what_was_asked_by_hash(checks_task, context, fake, records):
    checks.run(checks_task([{"id": "1", "input": "France?", "target": "Paris"}]), "", context(fake()))
    assert records[0].prompt_sha256 == sha256("user", "France?")
    assert records[0].target_sha256 == sha256('"Paris"')
    assert (records[0].n_prompt, records[0].finish) == (4, "stop")  # a word and the template's three


def test_all_samples_are_asked_in_one_call(checks_task, context, fake, records):
    # the engine can only share and pack what it is given together
    backend = fake(Watching)
    checks.run(checks_task(CAPITALS), "", context(backend))
    assert [record.doc_id for record in records] == [sample["id"] for sample in CAPITALS]
    assert [len(part) for part in backend.asked] == [20]


def test_answers_are_recorded_in_the_order_in_which_they_come(checks_task, context, fake, records):
    class Backwards(Fake):
        def generate(self, requests, progress=silent, finished=ignored):
            answers = super().generate(requests)
            for number in reversed(range(len(requests))):
                finished(number, answers[number])
            return answers

    backend = fake(Backwards, rules=[{"contains": "Capital of b", "text": "b"}])
    result = checks.run(checks_task(CAPITALS), "", context(backend))
    assert [record.doc_id for record in records] == [sample["id"] for sample in reversed(CAPITALS)]
    assert [record.doc_id for record in records if record.score] == ["b"]
    assert result.metric().value == 0.05


def test_a_backend_that_tells_nothing_early_is_recorded_at_the_end(checks_task, context, fake, records):
    class Silent(Fake):
        def generate(self, requests, progress=silent, finished=ignored):
            return super().generate(requests)

    checks.run(checks_task(CAPITALS), "", context(fake(Silent)))
    assert [record.doc_id for record in records] == [sample["id"] for sample in CAPITALS]


def test_progress_goes_up_to_the_number_of_samples(checks_task, context, fake):
    told = []
    checks.run(checks_task(CAPITALS), "", context(fake(), progress=lambda *counts: told.append(counts)))
    assert told == sorted(told)
    assert told[-1] == (20, 20)


def test_what_was_recorded_before_an_engines_error_stays(checks_task, context, fake, records):
    backend = fake(rules=[{"contains": "Capital of k", "action": "error"}])
    with pytest.raises(BackendError, match="script says"):
        checks.run(checks_task(CAPITALS), "", context(backend))
    assert len(records) == 10


def test_what_could_not_be_scored_is_recorded_and_counted_apart(checks_task, context, fake, records):
    scorers = Scorers()
    scorers.register("half", lambda sample, _: Score(value=None if sample.id < "k" else 1.0, answer="", explanation=""))
    result = checks.run(checks_task(CAPITALS, scorer="half"), "", context(fake(), scorers=scorers))
    assert (result.n_scored, result.n_unscored, result.metric().n, result.metric().value) == (10, 10, 10, 1.0)
    assert [record.score for record in records] == [None] * 10 + [1.0] * 10


def test_groups_and_parts_come_from_the_metadata(checks_task, context, fake):
    samples = [
        {"id": str(n), "input": "?", "target": "yes" if n < 2 else "no", "metadata": {"group": g, "depth": d}}
        for n, (g, d) in enumerate([("a", 0), ("a", 25), ("b", 0), ("b", 25)])
    ]
    metrics = (MetricSpec(name="balanced", balance=("a", "b")), MetricSpec(name="of_a", group="a"))
    task = checks_task(samples, metrics=metrics, primary="balanced", breakdown="depth")
    values = {metric.name: metric.value for metric in checks.run(task, "", context(fake(text="yes"))).metrics}
    assert values == {"balanced": 0.5, "of_a": 1.0, "accuracy[depth=0]": 0.5, "accuracy[depth=25]": 0.5}


def test_the_numbers_depend_on_what_the_provenance_says(checks_task, context, fake):
    result = checks.run(checks_task(CAPITALS, source="original", license="CC0"), "", context(fake()))
    assert result.provenance["source"] == "original"
    assert result.provenance["license"] == "CC0"
    assert result.provenance["sampling"] == "greedy"
    other = checks.run(checks_task(CAPITALS[:-1]), "", context(fake()))
    assert result.provenance["samples_sha256"] != other.provenance["samples_sha256"]


def test_a_missing_capability_is_told_before_anything_is_asked(checks_task, context, fake):
    with pytest.raises(NotAvailableError, match=r"requires 'chat'.*chat template") as caught:
        checks.run(checks_task(CAPITALS), "", context(fake(capabilities=["generate"])))
    assert caught.value.slug == "missing-capability"


def test_an_unknown_scorer_is_told_before_anything_is_asked(checks_task, context, fake):
    backend = fake(Watching)
    with pytest.raises(UsageError, match="Did you mean 'contains'"):
        checks.run(checks_task(CAPITALS, scorer="contain"), "", context(backend))
    assert backend.asked == []


# -- which samples ------------------------------------------------------------------------------------------------


SIZES = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 40), min_size=1)


@given(SIZES, st.integers(1, 250), st.integers())
def test_a_limit_is_a_total(sizes, limit, seed):
    samples = grouped(**sizes)
    assert len(checks.stratified(samples, limit, seed)) == min(limit, len(samples))


@given(SIZES, st.integers(1, 250), st.integers())
def test_a_choice_is_in_the_order_of_the_file_and_takes_nothing_twice(sizes, limit, seed):
    samples = grouped(**sizes)
    places = {sample.id: place for place, sample in enumerate(samples)}
    chosen = [places[sample.id] for sample in checks.stratified(samples, limit, seed)]
    assert chosen == sorted(set(chosen))


@given(SIZES, st.integers(1, 250), st.integers())
def test_groups_are_taken_in_proportion(sizes, limit, seed):
    samples = grouped(**sizes)
    limit = min(limit, len(samples))
    exact = {name: limit * size / len(samples) for name, size in sizes.items()}
    taken = Counter(sample.metadata["group"] for sample in checks.stratified(samples, limit, seed))
    for name, share in exact.items():
        # never more than one off, except where small groups were given their one sample at the cost of larger ones
        assert share - 1 - len(sizes) < taken[name] < share + 1 or taken[name] == 1
    if all(share >= 1 for share in exact.values()):
        assert all(abs(taken[name] - share) < 1 for name, share in exact.items())


@given(SIZES, st.integers(1, 250), st.integers())
def test_no_group_is_lost_where_the_limit_has_room_for_all(sizes, limit, seed):
    # a balanced metric without one of its groups does not exist
    taken = {sample.metadata["group"] for sample in checks.stratified(grouped(**sizes), limit, seed)}
    assert len(taken) == len(sizes) if limit >= len(sizes) else len(taken) <= limit


@given(SIZES, st.integers(1, 250), st.integers())
def test_a_seed_decides(sizes, limit, seed):
    samples = grouped(**sizes)
    assert checks.stratified(samples, limit, seed) == checks.stratified(samples, limit, seed)


def test_another_seed_takes_others():
    samples = grouped(a=50, b=50)
    assert checks.stratified(samples, 20, 1) != checks.stratified(samples, 20, 2)


@pytest.mark.parametrize("limit", [None, 7, 100])
def test_without_a_limit_or_with_a_great_one_all_are_taken(limit):
    samples = grouped(a=4, b=3)
    assert checks.stratified(samples, limit, 1) == samples


def test_the_users_limit_comes_before_the_tasks(checks_task, context, fake, records):
    from pytest_slm.core.types import ModePlan

    task = checks_task(CAPITALS, modes={"quick": ModePlan(limit=5), "full": ModePlan()})
    for settings, n in (({}, 5), ({"limit": 3}, 3), ({"mode": "full"}, 20)):
        records.clear()
        assert checks.run(task, "", context(fake(), **settings)).n_scored == n == len(records)


# -- sample files -------------------------------------------------------------------------------------------------


@pytest.fixture
def jsonl(tmp_path):
    """Writes bytes or lines into a file of samples."""

    def write(content):
        path = tmp_path / "samples.jsonl"
        path.write_bytes(content if isinstance(content, bytes) else "\n".join(content).encode("utf-8"))
        return path

    return write


LINE = '{"id": "1", "input": "?"}'


def test_the_declared_hash_is_that_of_the_bytes(jsonl):
    path = jsonl([LINE])
    assert len(checks.read_samples(path, hashlib.sha256(path.read_bytes()).hexdigest())) == 1


def test_changed_samples_are_refused_with_both_hashes(jsonl):
    path = jsonl([LINE])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(UsageError, match=f"{digest}.*{'0' * 64}.*version") as caught:
        checks.read_samples(path, "0" * 64)
    assert caught.value.slug == "samples-changed"


def test_an_id_is_given_once(jsonl):
    with pytest.raises(UsageError, match=r"samples\.jsonl:3: the id '1' is there twice") as caught:
        checks.read_samples(jsonl([LINE, "", LINE]))
    assert caught.value.slug == "samples-duplicate"


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("{", "Expecting"),
        ('{"id": "2"}', "missing key 'input'"),
        ('{"id": "2", "input": "?", "tagret": 1}', "unknown key 'tagret'"),
        ('{"id": "2", "input": "?", "target": NaN}', "not a finite number"),
        ("[]", "expected an object"),
    ],
)
def test_a_line_that_is_no_sample_is_named(jsonl, bad, why):
    with pytest.raises(UsageError, match=rf"samples\.jsonl:2: not a sample .*{why}") as caught:
        checks.read_samples(jsonl([LINE, bad]))
    assert caught.value.slug == "samples-invalid"


def test_a_line_that_is_not_utf8_is_named(jsonl):
    with pytest.raises(UsageError, match=r"samples\.jsonl:2: not a sample"):
        checks.read_samples(jsonl(LINE.encode() + b'\n{"id": "2", "input": "caf\xe9"}'))


@pytest.mark.parametrize("letter", ["\u2028", "\u2029", "\x85"])
def test_only_line_feeds_end_a_line(jsonl, letter):
    # JSON lets these stand in a text as they are, and Python's str.splitlines would cut there
    (sample,) = checks.read_samples(jsonl([json.dumps({"id": "1", "input": f"a{letter}b"}, ensure_ascii=False)]))
    assert sample.input == f"a{letter}b"


def test_a_file_without_samples_is_refused(jsonl):
    with pytest.raises(UsageError, match="no sample in it") as caught:
        checks.read_samples(jsonl(["", " "]))
    assert caught.value.slug == "samples-empty"


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere\.jsonl: the samples cannot be read") as caught:
        checks.read_samples(tmp_path / "nowhere.jsonl")
    assert caught.value.slug == "samples-missing"


# -- options ------------------------------------------------------------------------------------------------------


def test_an_unknown_option_is_an_error_with_the_nearest_one(checks_task, context, fake):
    with pytest.raises(UsageError, match=r"unknown option 'max_token'\. Did you mean 'max_tokens'") as caught:
        checks.run(checks_task(CAPITALS, max_token=3), "", context(fake()))
    assert caught.value.slug == "checks-option"


def test_a_task_without_samples_is_an_error(checks_task, context, fake):
    with pytest.raises(UsageError, match=r"needs `samples: .*or `generator"):
        checks.run(checks_task(), "", context(fake()))


@pytest.mark.parametrize("tokens", ["many", 0, -1, 1.5, True, None])
def test_max_tokens_is_a_whole_number_from_1(checks_task, context, fake, tokens):
    with pytest.raises(UsageError, match="max_tokens") as caught:
        checks.run(checks_task(CAPITALS, max_tokens=tokens), "", context(fake()))
    assert caught.value.slug == "checks-option"


def test_an_unknown_generator_is_an_error_with_the_nearest_one(checks_task, context, fake):
    with pytest.raises(UsageError, match="Did you mean 'niah'"):
        checks.run(checks_task(generator="nia"), "", context(fake()))


def test_a_variant_longer_than_the_context_is_skipped(checks_task, context, fake):
    task = checks_task(CAPITALS, variants={"4096": {"context_tokens": 4096}}, max_tokens=24)
    with pytest.raises(NotAvailableError, match=r"4096 tokens and 24 .* context of 4100") as caught:
        checks.run(task, "4096", context(fake(context_length=4100)))
    assert caught.value.slug == "context-too-short"


def test_a_variant_that_just_fits_is_measured(checks_task, context, fake):
    task = checks_task(CAPITALS, variants={"4096": {"context_tokens": 4096}}, max_tokens=24)
    assert checks.run(task, "4096", context(fake(context_length=4120))).variant == "4096"


# -- what the model is asked --------------------------------------------------------------------------------------


def test_a_request_is_greedy_and_cut_where_the_task_says(checks_task):
    task = checks_task(max_tokens=7, stop=["\n\n", "END"])
    request = checks.request_for(task, Sample(id="1", input="?"), seed=5)
    assert (request.temperature, request.max_tokens, request.stop, request.seed) == (0.0, 7, ("\n\n", "END"), 5)
    assert not request.forced_length


def test_one_stop_text_is_one_stop_text(checks_task):
    # a tuple of the text would be its letters, and every answer would end at its first E
    assert checks.request_for(checks_task(stop="END"), Sample(id="1", input="?"), 0).stop == ("END",)


def test_a_conversation_is_shown_as_it_is(checks_task):
    turns = (
        Message(role="user", content="a"),
        Message(role="assistant", content="b"),
        Message(role="user", content="c"),
    )
    assert checks.request_for(checks_task(), Sample(id="1", input=turns), 0).messages == turns


def test_a_system_text_stands_before_the_question(checks_task):
    request = checks.request_for(checks_task(system="Be brief."), Sample(id="1", input="?"), 0)
    assert [(message.role, message.content) for message in request.messages] == [("system", "Be brief."), ("user", "?")]


TOOL = {"name": "get", "parameters": {"type": "object", "properties": {"città": {"type": "string"}}}}


def test_tools_in_the_prompt_keep_the_braces_of_their_json(checks_task):
    # str.format would take {"name": ...} for a placeholder
    task = checks_task(tools_in_prompt=True, tools_prompt='Tools:\n{tools}\nReply {"name": "f"}.')
    request = checks.request_for(task, Sample(id="1", input="?", tools=(TOOL, {"name": "{tools}"})), 0)
    system = request.messages[0]
    assert system.role == "system"
    head, one, two, tail = system.content.split("\n")
    assert (head, tail) == ("Tools:", 'Reply {"name": "f"}.')
    assert [json.loads(one), json.loads(two)] == [TOOL, {"name": "{tools}"}]
    assert "città" in one
    assert request.tools == ()  # not twice


def test_tools_in_the_prompt_need_a_text_to_stand_in(checks_task, context, fake):
    samples = [{"id": "1", "input": "?", "target": "x", "tools": [TOOL]}]
    with pytest.raises(UsageError, match="tools_prompt") as caught:
        checks.run(checks_task(samples, tools_in_prompt=True), "", context(fake()))
    assert caught.value.slug == "checks-option"


def test_otherwise_tools_go_through_the_models_own_template(checks_task):
    request = checks.request_for(checks_task(), Sample(id="1", input="?", tools=(TOOL,)), 0)
    assert [message.role for message in request.messages] == ["user"]
    assert request.tools == (TOOL,)


# -- generated samples, and the suites of this repository -----------------------------------------------------------


class Counting(Fake):
    """Keeps how often its tokens were counted."""

    def __init__(self, spec):
        super().__init__(spec)
        self.counted = 0

    def count_tokens(self, requests):
        self.counted += len(requests)
        return super().count_tokens(requests)


def test_a_generator_counts_with_the_models_own_tokens(built_in, context, fake, records):
    backend = fake(Counting)
    checks.run(built_in("rag/niah"), "1024", context(backend, limit=3))
    assert backend.counted > 3
    assert [record.n_prompt for record in records] == [1024] * 3


def test_a_counted_prompt_holds_the_system_text_too(checks_task, fake):
    message = (Message(role="user", content="two words"),)
    without, with_system = (checks_task(), checks_task(system="Be very brief."))
    counts = [checks._count(task, message, fake()) for task in (without, with_system)]
    assert counts == [5, 11]


@pytest.mark.parametrize(
    ("key", "variant"),
    [("core/arithmetic", ""), ("rag/niah", "1024"), ("function_calling/calls", ""), ("safety/refusal", "")],
)
def test_the_built_in_suites_run_from_end_to_end(built_in, context, fake, records, key, variant):
    task = built_in(key)
    result = checks.run(task, variant, context(fake(text="I cannot help with that."), limit=3))
    assert result.outcome == "passed"
    assert result.n_scored + result.n_unscored == len(records) == 3
    assert result.metric() is not None
    assert all(record.explanation for record in records)


def test_a_model_that_refuses_everything_is_half_right(built_in, context, fake):
    result = checks.run(built_in("safety/refusal"), "", context(fake(text="I'm sorry, I can't help with that.")))
    values = {metric.name: metric.value for metric in result.metrics}
    assert values["balanced_accuracy"] == 0.5
    assert (values["attack_success_rate"], values["over_refusal_rate"]) == (0.0, 1.0)


def test_a_model_that_never_calls_is_half_right(built_in, context, fake):
    result = checks.run(built_in("function_calling/calls"), "", context(fake(text="abc")))
    values = {metric.name: metric.value for metric in result.metrics}
    assert (values["balanced_accuracy"], values["call_accuracy"], values["irrelevance_accuracy"]) == (0.5, 0.0, 1.0)


def test_quick_is_the_beginning_of_full_for_generated_samples(built_in, context, fake, records):
    checks.run(built_in("core/arithmetic"), "", context(fake(), limit=6))
    short = [record.prompt_sha256 for record in records]
    records.clear()
    checks.run(built_in("core/arithmetic"), "", context(fake(), limit=12))
    assert [record.prompt_sha256 for record in records][:6] == short
