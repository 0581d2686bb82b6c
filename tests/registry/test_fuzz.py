"""Whatever stands in one report, the others are built: 10,000 mutations of reports a night, 150 others in the gate."""

import json
import random
import signal
import sys
from dataclasses import replace

import pytest

from pytest_slm import files
from pytest_slm.comparing import compare, told
from pytest_slm.comparing.comparison import StoredRun
from pytest_slm.core.backend_info import HostInfo
from pytest_slm.core.types import MEASURED, AnswerCounts, RunReport
from pytest_slm.decoding import decoded
from pytest_slm.errors import ReportError
from pytest_slm.registry import build_what_can_be, find_reports, read_registry, read_samples, write_registry
from pytest_slm.registry.folder import check_registry
from pytest_slm.registry.store import Document, StoredReport
from pytest_slm.site.build import build_site, site_pages
from pytest_slm.site.report import render_report

NUMBERS = (
    *(0, -0.0, -1, 0.5, 1, 1e308, -1e308, 5e-324, -5e-324, 1e-300, 1e16, 1e100, 1e160, 2**31, 2**53 + 1, 2**63 - 1),
    *(-(2**63), 2**63, 10**300, 10**400),
)
TIMES = ("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "2026-11-01", "2026-11-01T10:00:00", "0000")
TEXTS = (
    *("", " ", "\0", "a\0b", "x" * 5_000, "\ud800", "\ud83d\ude00\ud83d", "\u202e", "\u2028", "../../x", "/etc/passwd"),
    *(
        "..",
        "C:\\x",
        "<script>",
        "{{ 7*7 }}",
        "NaN",
        "1e308",
        "通义",
        "-" * 300,
        "a/b",
        "con",
        "quick",
        "full",
        "passed",
    ),
)


def _deep(levels, leaf=1):
    for _ in range(levels):
        leaf = [leaf] if levels % 2 else {"a": leaf}
    return leaf


VALUES = (*NUMBERS, *TIMES, *TEXTS, None, True, False, [], {}, [None], {"": ""}, [[]] * 200, _deep(40), _deep(41))
RAW = ('"a": 1, "a": 2', "NaN", "-Infinity", "1e400", "9" * 400, "[" * 600 + "]" * 600, '{"a":' * 980 + "1" + "}" * 980)


def _places(value, path=()):
    yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(item, (*path, key))


def _at(document, path):
    for key in path:
        document = document[key]
    return document


def mutated(text, places, rng):
    """The text of a report in which one to four places are something else."""
    document = json.loads(text)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        *inside, last = rng.choice(places)
        try:
            holder = _at(document, inside)
            old = holder[last]
        except (LookupError, TypeError):
            continue  # gone with an earlier mutation
        if isinstance(holder, str):
            continue  # a text stands there now
        way = rng.randrange(12)
        if way < 3:
            holder[last] = rng.choice(VALUES)
        elif way < 6 or way > 9:  # the same kind of value
            numeric = type(old) in (int, float)
            same = NUMBERS if numeric else [v for v in VALUES if type(v) is type(old)] or VALUES
            holder[last] = rng.choice(same)
        elif way == 6 and isinstance(holder, dict):
            holder[rng.choice((*TEXTS, "new"))] = holder.pop(last)
        elif way == 7 and isinstance(old, list):
            extreme = rng.random() < 0.5 and {type(item) for item in old} <= {int, float}
            old[:] = [rng.choice(NUMBERS) for _ in old] if extreme else old + old[:1] * 3
        elif way == 8:
            holder[last] = _at(json.loads(text), rng.choice(places))
        else:
            del holder[last]
    text = json.dumps(document)
    if rng.random() < 0.1:
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice((*RAW, "", ",", "\\", '"', "}")) + text[at + rng.choice((0, 1, 20)) :]
    return text


@pytest.fixture(scope="module")
def runs(factory):
    """Small reports that have between them what reports can have."""
    one = factory.make_run("Q8_0", suites=("core", "rag", "safety"), modern=True, with_trouble=True)
    two = factory.make_run("Q4_0", mode="quick", suites=("coding", "function_calling"), limit=20)
    host = HostInfo(pid=1, capabilities=("chat",), load_s=1.0, start_s=2.0, thread_wait="passive")
    budget = {"asked_s": 60.0, "planned_s": 50.0, "took_s": 55.0, "planning_s": 1.0, "samples": {"a": 1}, "why": "so"}
    kept = replace(two.results[0], answers=AnswerCounts(asked=20, taken=3, notes=("n",)), answers_cut=2, clusters=7)
    two = replace(two, host=host, budget=budget, interrupted=True, results=(kept, *two.results[1:]))
    return _small(one), _small(two)


def _small(run):
    """So few results that a mutation of any field is likely: each kind of task once, and as many timings."""
    chosen = [result for number, result in enumerate(run.results) if result.outcome not in MEASURED or not number % 5]
    measured = [
        replace(result, measurements=tuple(replace(m, values=m.values[:3]) for m in result.measurements[:2]))
        for result in chosen[:6]
    ]
    return replace(run, results=tuple(measured), planned=tuple(result.id for result in measured))


class Impatience:
    """A limit for each mutation, where the system has one."""

    def __enter__(self):
        if sys.platform != "win32":
            self._before = signal.signal(signal.SIGALRM, self._waited)
        return self

    def _waited(self, *_):
        raise AssertionError("a mutation takes longer than 30 seconds")

    def start(self):
        if sys.platform != "win32":
            signal.alarm(30)

    def __exit__(self, *_):
        if sys.platform != "win32":
            signal.alarm(0)
            signal.signal(signal.SIGALRM, self._before)


def fuzz(folder, factory, runs, numbers):
    """What came of the mutations with these numbers: how many were refused, left out while building, and built."""
    good = _small(factory.make_run("F16", suites=("core",), slug="good", name="Good", hf_repo="org/good"))
    good = replace(good, results=good.results[:2])
    factory.store_run(folder / "good", good)
    twin = replace(runs[0], run_id="twin")  # of the same model
    factory.store_run(folder / "twin", twin)
    documents = []
    for run in runs:
        text = factory.store_run(folder / "made", run).read_text("utf-8")
        documents.append((text, [place for place in _places(json.loads(text)) if place[:1] == ("slm",)]))
    for path in (folder / "made").rglob("report.json"):
        path.unlink()
    path = folder / "made" / "report.json"
    came = {"refused": 0, "left out": 0, "built": 0}
    with Impatience() as impatience:
        for number in numbers:
            rng = random.Random(number)
            text, places = rng.choice(documents)
            path.write_text(mutated(text, places, rng), "utf-8")
            impatience.start()
            try:
                came[_through(folder, (good, twin), whole=number % 20 == 0)] += 1
            except Exception as error:
                error.add_note(f"mutation {number}, in {path}")
                raise
    return came


def _through(folder, others, *, whole):
    good, twin = others
    found, errors = find_reports(folder)
    assert len(found) + len(errors) == 3
    assert all("\n" not in str(error) and len(str(error)) < 1_000 for error in errors)
    if errors:
        assert [stored.run for stored in found] == [good, twin]
        return "refused"
    registry, left_out = build_what_can_be(found)
    assert "org--good" in [entry.id for entry in registry.models]
    write_registry(folder / "registry", registry)
    # What is written is read: by the types always, and by the schema, which takes longer, now and then.
    pages = site_pages(read_registry(folder / "registry"))
    if whole:
        assert check_registry(folder / "registry") == ()
    assert all(not name.startswith(("/", ".p/")) and ".." not in name for name in pages)
    (mine,) = (stored.run for stored in found if stored.path.startswith("made/"))
    if left_out:
        assert "\n" not in str(left_out[0])
        return "left out"
    render_report(mine, {})
    lines = []
    for one, other in ((good, mine), (twin, mine)):
        try:
            told(compare(*(StoredRun(path=folder, run=run, samples={}) for run in (one, other))))
        except ReportError as error:
            lines.append(str(error))
    assert all("\n" not in line for line in lines)
    return "built"


def test_a_report_of_anybody_never_stops_the_others(tmp_path, factory, runs):
    came = fuzz(tmp_path, factory, runs, range(150))
    assert came["refused"] > 15
    assert came["built"] > 15


def test_samples_of_anybody_are_shown_or_refused(tmp_path, factory):
    run = factory.make_run(suites=("core",))
    run = replace(run, results=run.results[:1], planned=())
    samples = factory.make_samples(run)
    folder = factory.store_run(tmp_path, run, samples).parent
    name = next(iter(samples))
    page = render_report(run, {})
    refused = 0
    with Impatience() as impatience:
        for number in range(100):
            rng = random.Random(number)
            line = {**samples[name][0], **{rng.choice((*samples[name][0], *TEXTS)): rng.choice(VALUES) for _ in "ab"}}
            text = json.dumps(line)
            (folder / name).write_text(text if rng.random() < 0.9 else text.replace("1", rng.choice(RAW), 1))
            impatience.start()
            try:
                assert len(render_report(run, read_samples(folder, run))) > len(page)
            except ReportError:
                refused += 1
    assert 5 < refused < 50


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(20))
def test_ten_thousand_reports_of_anybody(tmp_path, factory, runs, part):
    assert sum(fuzz(tmp_path, factory, runs, range(500 * part, 500 * (part + 1))).values()) == 500


def fuzz_registry(folder, factory, runs, numbers):
    """What came of mutations of a registry: how many sites were built, how many were refused with a line."""
    reports = [StoredReport(path=f"{n}/report.json", sha256="a" * 64, run=run) for n, run in enumerate(runs)]
    model = write_registry(folder / "registry", build_what_can_be(reports)[0]).models[0].id
    text = (folder / "registry" / "models" / f"{model}.json").read_text("utf-8")
    places = [place for place in _places(json.loads(text)) if place]
    came = {"built": 0, "refused": 0}
    with Impatience() as impatience:
        for number in numbers:
            factory.change_model(folder / "registry", mutated(text, places, random.Random(number)))
            impatience.start()
            try:
                build_site(folder / "registry", folder / "deep" / "site")
                came["built"] += 1
            except ReportError as error:
                came["refused"] += 1
                lines = str(error).splitlines()
                assert len(lines) == 1, number
    assert {path.name for path in folder.iterdir()} <= {"registry", "deep"}
    return came


def test_a_registry_of_anybody_is_a_site_or_a_line(tmp_path, factory, runs):
    came = fuzz_registry(tmp_path, factory, runs, range(30))
    assert came["built"] > 3
    assert came["refused"] > 10


@pytest.mark.nightly
def test_two_thousand_registries_of_anybody(tmp_path, factory, runs):
    assert sum(fuzz_registry(tmp_path, factory, runs, range(1_000, 3_000)).values()) == 2_000


def test_a_report_of_anybody_is_read_in_the_short_way_as_in_the_long_one(tmp_path, factory, runs):
    pytest.importorskip("msgspec", reason="the extra fast is not installed, so there is no short way")
    taken = left = 0
    for run in runs:
        text = factory.store_run(tmp_path, run).read_text("utf-8")
        places = [place for place in _places(json.loads(text)) if place[:1] == ("slm",)]
        for number in range(300):
            changed = mutated(text, places, random.Random(number))
            quick = decoded(Document, changed.encode())
            try:
                slow = RunReport.from_json(files.parse_json(changed)["slm"])
            except (ValueError, LookupError, TypeError):
                slow = None
            if quick is None:
                left += 1
            else:
                taken += 1
                assert repr(quick.slm) == repr(slow), number
    assert taken > 50
    assert left > 50
