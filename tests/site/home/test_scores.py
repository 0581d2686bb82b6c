"""What files are ordered by: the lower end of the interval, and only beside files that did the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_slm.registry import build_registry
from pytest_slm.registry.rows import entry_rows
from pytest_slm.registry.rows.placing import Place
from pytest_slm.registry.rows.standings import Placement
from pytest_slm.registry.store import StoredReport
from pytest_slm.site.facts.wide import wide_of
from pytest_slm.site.home.columns import BY_KEY, COLUMNS, SHOWN
from pytest_slm.site.home.scores import scales
from pytest_slm.site.home.view import file_table, home_view, near, shown_columns


@pytest.fixture
def looked_at():
    """``looked_at(*runs)``: the files of the runs, and the scales by name."""

    def look(*runs):
        found = [StoredReport(path=f"{n}/report.json", sha256="a" * 64, run=run) for n, run in enumerate(runs)]
        wide = wide_of(build_registry(found))
        return wide.files, {scale.name: scale for scale in scales(wide)}

    return look


def of(factory, name, right, n, *, mode="full", suite="rag", task="niah", **changes):
    """A run of one model with one score."""
    result = factory.scored(suite, task, "1024", "Q8_0", mode, factory.share("exact_match", right, n))
    return factory.make_run(slug=name, name=name, hf_repo=f"org/{name}", mode=mode, results=[result], **changes)


def test_a_score_of_a_few_samples_does_not_win_by_luck(factory, looked_at):
    files, found = looked_at(of(factory, "lucky", 9, 10), of(factory, "sure", 340, 400), of(factory, "bad", 90, 400))
    assert [row.name for row in found["rag"].ordered(files)] == ["sure", "lucky", "bad"]


def test_scores_of_other_tasks_or_kinds_of_run_stand_in_groups_of_their_own(factory, looked_at):
    files, found = looked_at(
        of(factory, "little", 400, 400, suite="reasoning", task="mmlu"),
        of(factory, "quick", 99, 100, mode="quick"),
        of(factory, "other", 100, 400),
        factory.make_run(slug="all", name="all", hf_repo="org/all", quality=0.3),
    )
    scale = found["marketplace"]
    ordered = scale.ordered(files)
    # Widest coverage first: a wonderful score in a part of the profile says nothing about the rest.
    assert ordered[0].name == "all"
    assert {row.name for row in ordered[1:3]} == {"little", "other"}
    assert ordered[3].name == "quick"
    assert [scale.marks[row.id].group for row in ordered] == [0, 1, 2, 3]
    table = file_table("Files", scale, ordered, "", ())
    assert [row.group.partition(",")[0] for row in table.rows] == [*["Full runs"] * 3, "Quick runs"]
    assert all(row.group.endswith("; not comparable with other groups") for row in table.rows)
    assert (table.rows[3].quick, table.rows[0].quick) == ("quick", "")


def test_machines_do_not_part_scores(factory, looked_at):
    far = {"cpu": "Ryzen", "fingerprint": "m-9"}
    files, found = looked_at(of(factory, "here", 200, 400), of(factory, "there", 300, 400, machine=far))
    assert [row.name for row in found["rag"].ordered(files)] == ["there", "here"]
    assert len(found["rag"].groups) == 1


def test_chance_stands_beside_the_score(factory, looked_at):
    metric = replace(factory.share("acc", 60, 100), chance=0.25)
    result = factory.scored("reasoning", "mmlu", "", "Q8_0", "full", metric)
    files, found = looked_at(factory.make_run(results=[result]))
    assert found["reasoning"].marks[files[0].id].chance == 25
    (row,) = file_table("Files", found["reasoning"], files, "", ()).rows
    assert (row.plot.chance, row.plot.text.endswith(", chance 25")) == (25, True)
    assert row.note == "n 100 · 1 of 2 tasks · part of the data"


def test_a_file_without_a_score_stands_last_and_says_so(factory, looked_at):
    speed = factory.rounds("decode", "500", "Q8_0", "full", {"decode_tps": ("tok/s", (100.0, 101.0))})
    timed = factory.make_run(slug="0", name="0", hf_repo="org/0", results=[speed])
    files, found = looked_at(of(factory, "z", 1, 100), timed)
    ordered = found["rag"].ordered(files)
    assert [row.name for row in ordered] == ["z", "0"]
    last = file_table("Files", found["rag"], ordered, "", ()).rows[-1]
    assert (last.score, last.plot, last.note) == ("–", None, "no score measured")


def test_a_quick_speed_is_there_with_its_length_and_a_noisy_one_says_so(factory, looked_at):
    values = {"decode_tps": ("tok/s", (100.0, 150.0))}
    files, _ = looked_at(
        factory.make_run(results=[factory.rounds("decode", "100", "Q8_0", "full", values, noise="steal")])
    )
    assert BY_KEY["tps"].cell(files[0]).note == "noisy, 100\xa0tokens"
    assert BY_KEY["ttft"].cell(files[0]).text == "–"


def test_memory_is_rounded_up_so_that_nothing_seems_to_fit(factory, looked_at):
    run = factory.make_run(modern=True)
    (entry,) = build_registry([StoredReport(path="report.json", sha256="a" * 64, run=run)]).models
    (row,) = entry_rows(entry)
    files, _ = looked_at(run)
    value, note = BY_KEY["peak"].told(files[0])
    assert 0 <= value * 1000 - row.peak.value < 1000
    assert note == "2\u202f048\xa0tokens"


def test_the_machine_is_a_column_where_there_are_several(factory, looked_at):
    one, _ = looked_at(factory.make_run())
    two, _ = looked_at(factory.make_run(), factory.make_run("Q4_0", machine={"fingerprint": "m-9"}))
    assert tuple(column.key for column in shown_columns(one)) == SHOWN
    assert shown_columns(two)[-1].key == "machine"


def test_every_column_leads_to_a_place_of_the_methodology(factory, looked_at):
    from pytest_slm.site.build import site_pages

    text = site_pages(build_registry([]))["methodology.html"]
    assert [column.key for column in COLUMNS if f'id="{column.anchor}"' not in text] == []


def test_a_page_of_the_table_leads_to_its_neighbours_and_to_both_ends():
    paths = [f"files/{number}.html" for number in range(1, 21)]
    found = near(paths, 5)
    assert [number for number, path in found if path] == [1, 4, 5, 6, 20]
    assert [number for number, path in found if not path] == [3, 7]
    assert dict(found)[6] == "files/6.html"
    assert near(paths[:1], 1) == [(1, "files/1.html")]
    assert near([], 1) == []


def test_files_can_be_ordered_by_each_profile_that_something_was_measured_of(factory, looked_at):
    _, found = looked_at(of(factory, "m", 300, 400, suite="reasoning", task="mmlu"))
    assert list(found)[:2] == ["marketplace", "general"]
    assert (found["marketplace"].title, found["general"].title) == ("Overall score", "General score")
    # The general profile has no rag: nobody can choose a scale without a score.
    _, found = looked_at(of(factory, "m", 300, 400))
    assert list(found) == ["marketplace", "rag"]


def test_a_profile_is_no_use_case_with_a_page_of_its_own(factory):
    from pytest_slm.site.build import site_pages

    run = of(factory, "m", 300, 400, suite="reasoning", task="mmlu")
    pages = site_pages(build_registry([StoredReport(path="report.json", sha256="a" * 64, run=run)]))
    assert '<option value="general">General score</option>' in pages["index.html"]
    assert ("use/general.html" in pages, "use/reasoning.html" in pages) == (False, True)


def test_a_profile_and_a_use_case_of_one_name_are_two_scales(factory):
    run = of(factory, "m", 300, 400, suite="reasoning", task="mmlu")
    wide = wide_of(build_registry([StoredReport(path="report.json", sha256="a" * 64, run=run)]))
    (file,) = wide.files
    same = file._replace(scores={**file.scores, "general": file.scores["reasoning"]})
    summary = replace(wide.summary, titles={**wide.summary.titles, "general": ("general", "General")})
    models = tuple(model._replace(files=(same,)) for model in wide.models)
    found = scales(replace(wide, summary=summary, models=models))
    assert len({scale.name for scale in found}) == len(found) == 4
    assert [scale.title for scale in found[1:3]] == ["General score", "General"]
    assert found[1].marks[file.id].score == file.totals["general"].score


def test_a_rank_is_told_in_the_scale_of_its_own_profile(factory, looked_at):
    # Without RAG and function calling no rank overall, and one in the general profile.
    whole = factory.make_run(slug="m", name="m", hf_repo="org/m")
    kept = tuple(one for one in whole.results if one.suite in ("reasoning", "coding"))
    tasks = {"math": ("gsm8k", "mathqa"), "language": ("boolq", "piqa", "winogrande")}
    more = tuple(
        factory.scored(suite, task, "", whole.quantization, "full", factory.share("acc", 300, 400))
        for suite, names in tasks.items()
        for task in names
    )
    (file,), found = looked_at(factory.make_run(slug="m", name="m", hf_repo="org/m", results=kept + more))
    assert found["general"].marks[file.id].note == "rank 1 of 1"
    assert not found["marketplace"].marks[file.id].note.startswith("rank")


@pytest.mark.parametrize(
    ("modes", "ranked", "told"),
    [
        (("quick", "quick"), (), "All overall scores so far are from quick runs"),
        (("quick", "full"), (), "No file is ranked by its overall score"),
        (("quick", "quick"), ("general",), "Ranked so far: the General score."),
        (("quick", "full"), ("general", "marketplace"), ""),
    ],
)
def test_the_home_page_says_what_is_ranked(factory, modes, ranked, told):
    runs = [of(factory, f"m{place}", 300, 400, mode=mode) for place, mode in enumerate(modes)]
    found = [StoredReport(path=f"{n}/report.json", sha256="a" * 64, run=run) for n, run in enumerate(runs)]
    wide = wide_of(build_registry(found))
    (file, *_) = wide.files
    place = Placement(Place(rank=1, rank_interval=(1, 1), tier=1, corrected=None), 1, "")
    places = {(file.model, file.quantization, file.machine, profile): place for profile in ranked}
    wide = replace(wide, places=places)
    state = home_view(wide, wide.files, scales(wide), ["index.html"]).state
    assert told in state
    assert bool(told) == bool(state)
    assert ("Ranked so far" in state) == (ranked == ("general",))
