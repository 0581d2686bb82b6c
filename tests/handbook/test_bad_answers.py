"""A Hub that misbehaves hurts the one model that it misbehaves about: its last good state stays, and nothing breaks."""

import json
from datetime import UTC, datetime, timedelta

import pytest

NOW = datetime(2026, 11, 30, 6, tzinfo=UTC)
SHA = "0123456789abcdef0123456789abcdef01234567"
HTML = b"<!doctype html><title>Please log in</title><script>alert(1)</script>"
DEEP = b'{"id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


def facts(**changes):
    return json.dumps({"id": "org/tiny", "sha": SHA, "siblings": [], **changes}).encode()


BAD = {
    "401": ((401, {"X-Error-Code": "RepoNotFound"}, b"{}"), "gone", "hub-not-found"),
    "404": ((404, {"X-Error-Code": "RepoNotFound"}, b"{}"), "gone", "hub-not-found"),
    "403": ((403, {"X-Error-Code": "GatedRepo"}, b"{}"), "unread", "hub-gated"),
    "403 without a reason": ((403, {}, b""), "unread", "hub-unreachable"),
    "429": ((429, {}, b""), "unread", "hub-busy"),
    "500": ((500, {}, b""), "unread", "hub-unreachable"),
    "garbage": ((200, {}, bytes(range(256))), "unread", "hub-answer"),
    "nothing": ((200, {}, b""), "unread", "hub-answer"),
    "html": ((200, {"Content-Type": "text/html"}, HTML), "unread", "hub-answer"),
    "cut JSON": ((200, {}, facts()[:-9]), "unread", "hub-answer"),
    "a list": ((200, {}, b"[1, 2]"), "unread", "hub-answer"),
    "deep JSON": ((200, {}, DEEP), "unread", "hub-answer"),
    "no commit": ((200, {}, facts(sha="main")), "unread", "hub-answer"),
    "no files": ((200, {}, facts(siblings=None)), "unread", "hub-answer"),
    "files of another form": ((200, {}, facts(siblings=[{"name": "x"}])), "unread", "hub-answer"),
    "a date that is none": ((200, {}, facts(createdAt="yesterday")), "unread", "hub-answer"),
    "became private": ((200, {}, facts(private=True)), "gone", "hub-private"),
}


@pytest.mark.parametrize("case", BAD)
def test_the_last_good_state_stays_and_the_others_are_read(hub, place, case):
    answer, kind, slug = BAD[case]
    for name in ("org/tiny", "org/well"):
        hub.add(name)
    place.sync("org/tiny", "org/well")
    before = place.models["org/tiny"]
    hub.repos["org/tiny"].answers = [answer]
    hub.repos["org/well"].facts["downloads"] = 1
    for day in (1, 2):
        done = place.sync("org/tiny", "org/well", now=NOW + timedelta(days=day))
        assert slug in done.warnings[0]
    model = place.models["org/tiny"]
    assert (model.trouble.kind, model.trouble.since, model.trouble.slug) == (kind, "2026-12-01", slug)
    assert (model.revision, model.quantizations, model.license) == (SHA, before.quantizations, "apache-2.0")
    assert place.models["org/well"].downloads == 1
    hub.repos["org/tiny"].answers = []
    place.sync("org/tiny", "org/well", now=NOW + timedelta(days=3))
    assert place.models["org/tiny"].trouble is None
    kinds = [one.kind for one in place.stats.changes if one.repo == "org/tiny"]
    assert kinds == (["back", "gone", "added"] if kind == "gone" else ["added"])


def test_a_listed_model_that_was_never_read_is_left_out_with_its_reason(hub, place):
    hub.add("org/tiny")
    place.sync("org/none", "org/tiny")
    assert list(place.models) == ["org/tiny"]
    assert [(one.name, one.reason) for one in place.stats.left_out] == [("org/none", "not read: hub-not-found")]


def test_a_model_that_nobody_listed_is_forgotten_a_month_after_it_is_gone(hub, place):
    for name in ("org/a", "org/b"):
        hub.add(name)
    place.sync("org/a", "org/b")
    del hub.repos["org/b"]
    for day, models in ((1, ["org/a", "org/b"]), (31, ["org/a", "org/b"]), (32, ["org/a"])):
        place.sync("org/a", now=NOW + timedelta(days=day))
        assert list(place.models) == models
    assert place.stats.changes[0].kind == "dropped"


def test_a_hub_that_is_not_there_leaves_every_file_as_it_was(hub, place, monkeypatch):
    names = [f"org/m{number}" for number in range(8)]
    for name in names:
        hub.add(name)
    place.sync(*names)
    before = place.texts
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    done = place.sync(*names, now=NOW + timedelta(days=1))
    assert (done.read, done.written, done.asked) == (0, (), 5)
    assert "hub-lost" in done.warnings[-1]
    assert place.texts == before


def test_offline_nothing_is_asked(hub, place, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.add("org/tiny")
    done = place.sync("org/tiny")
    assert (done.read, hub.log) == (0, [])
    assert "hub-unreachable" in done.warnings[0]


@pytest.mark.parametrize(
    "config",
    [
        *(
            None,
            b"",
            HTML,
            DEEP,
            b'{"num_hidden_layers": 30',
            b"[]",
            b'{"a": 1, "a": 2}',
            {"num_hidden_layers": "many"},
        ),
        b" " * (5 << 20),
    ],
)
def test_a_configuration_that_is_none_says_nothing_and_is_not_asked_for_again(hub, place, config):
    hub.add("org/tiny", config)
    place.sync("org/tiny")
    model = place.models["org/tiny"]
    assert (model.attention, model.context_length, model.configured) == (None, None, True)
    hub.log.clear()
    place.sync("org/tiny")
    assert not any("config.json" in line for line in hub.log)


def test_a_card_of_ten_megabytes_is_read_and_kept_small(hub, place):
    hub.add("org/tiny", cardData={"license": "mit", "license_name": "x" * 10_000_000})
    place.sync("org/tiny")
    assert place.models["org/tiny"].license == "mit"
    assert len(place.texts["models.json"]) < 5_000


def test_names_that_steer_or_hide_are_shown_as_what_they_are(hub, place):
    hostile = "good\u202egnp.exe\x1b[31m\nlicense: mit\u0000\ud83d"
    hub.add(
        "org/tiny",
        library_name=hostile,
        pipeline_tag=hostile,
        cardData={"license": hostile},
        tags=[hostile, "a\u200bb"],
    )
    place.sync("org/tiny")
    model = place.models["org/tiny"]
    for text in (model.library, model.pipeline, model.license, *model.tags):
        assert text.isprintable()
    assert model.license == "good?gnp.exe?[31m?license: mit??"


@pytest.mark.parametrize("name", ["../../../etc/passwd", "/etc/passwd", "C:\\x.gguf", "a/../../b.gguf", "x\x00.gguf"])
def test_files_that_lead_out_of_a_repository_are_none_of_it(hub, place, name):
    hub.add("org/tiny", siblings=[{"rfilename": name, "size": 1}, {"rfilename": "m-Q8_0.gguf", "size": 2}])
    place.sync("org/tiny")
    model = place.models["org/tiny"]
    assert [file.name for file in model.files] == ["m-Q8_0.gguf"]
    assert (model.n_files, model.total_bytes) == (1, 2)


def index(*metrics, dataset="MMLU"):
    result = {"task": {"type": "text-generation"}, "dataset": {"name": dataset, "type": "m"}, "metrics": list(metrics)}
    return [{"name": "tiny", "results": [result]}]


def test_scores_of_the_card_are_kept_as_claims_whatever_they_claim(hub, place):
    metrics = [{"type": "acc", "value": value} for value in (1e9, 45.3, "99", None, True, float("nan"), 10**400, [5])]
    hub.add("org/tiny", **{"model-index": index(*metrics)})
    place.sync("org/tiny")
    model = place.models["org/tiny"]
    assert [(one.benchmark, one.metric, one.value) for one in model.reported] == [
        ("MMLU", "acc", 45.3),
        ("MMLU", "acc", 1e9),
    ]
    assert model.reported_odd == 6


@pytest.mark.parametrize(
    "odd", ["x", 5, [5], [{"results": 5}], [{"results": [5]}], [{"results": [{"metrics": {"a": 1}}]}]]
)
def test_an_index_of_another_form_is_no_claim(hub, place, odd):
    hub.add("org/tiny", **{"model-index": odd, "cardData": {"model-index": odd, "license": "mit"}})
    place.sync("org/tiny")
    assert (place.models["org/tiny"].reported, place.models["org/tiny"].license) == ((), "mit")


def test_scores_inside_of_the_card_are_found_too(hub, place):
    hub.add(
        "org/tiny", cardData={"license": "mit", "model-index": index({"type": "acc", "value": 12.5}, dataset="ARC")}
    )
    place.sync("org/tiny")
    assert [(one.benchmark, one.value) for one in place.models["org/tiny"].reported] == [("ARC", 12.5)]
