"""A sync against a Hub on this machine, asked by the real client: what is written, and what is asked for it."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from pytest_slm.errors import NotAvailableError
from pytest_slm.handbook.featured import FeaturedList, FeaturedModel, TaskFilter

NOW = datetime(2026, 11, 30, 6, tzinfo=UTC)
SHA = "0123456789abcdef0123456789abcdef01234567"


def listed(*repos: str, filters: tuple[TaskFilter, ...] = ()) -> FeaturedList:
    return FeaturedList(models=tuple(FeaturedModel(repo=repo, tasks=("chat",)) for repo in repos), filters=filters)


CODE = TaskFilter(task="code", tags=("text-generation", "code"), most=5, max_parameters=3_300_000_000)


# -- what is written ------------------------------------------------------------------------------------------------


def test_what_the_hub_says_is_written(hub, place):
    hub.add("org/tiny")
    done = place.sync("org/tiny")
    assert (done.models, done.read, done.waiting, done.warnings) == (1, 1, 0, ())
    model = place.models["org/tiny"]
    assert (model.license, model.gated, model.languages, model.downloads) == ("apache-2.0", "no", ("en",), 12345)
    assert (model.parameters, model.dtypes, model.architecture) == (134_515_008, {"BF16": 134_515_008}, "llama")
    assert (model.created, model.modified, model.context_length) == ("2024-10-31", "2025-02-06", 8192)
    assert [(one.name, one.size) for one in model.quantizations] == [("Q4_K_M", 105454432), ("Q8_0", 144811360)]
    assert model.safetensors_bytes == 269_060_552
    assert [(one.repo, one.relation) for one in model.bases] == [("org/base", "finetune")]
    assert "README.md" not in {file.name for file in model.files}
    assert model.n_files == 6
    # 30 layers x 2 x 3 heads x 64 x 2 bytes
    assert model.attention.bytes_per_token == 23_040
    assert "repo: org/tiny" in place.texts["models.yaml"].decode()
    assert hub.log == ["/api/models/org/tiny", f"/org/tiny/resolve/{SHA}/config.json", "/api/models"]


def test_the_same_answers_give_the_same_bytes(hub, place):
    for name in ("org/b", "Org/A", "org/c"):
        hub.add(name)
    place.sync("org/b", "Org/A", "org/c")
    first = place.texts
    assert place.sync("org/c", "org/b", "Org/A").written == ()
    assert place.texts == first
    assert list(place.models) == ["Org/A", "org/b", "org/c"]


def test_what_the_hub_does_not_say_is_not_known(hub, place):
    bare = {"id": "org/bare", "sha": SHA, "siblings": [{"rfilename": "m-Q4_0.gguf"}]}
    hub.add("org/bare").facts = bare
    place.sync("org/bare")
    model = place.models["org/bare"]
    unknown = ("license", "gated", "parameters", "context_length", "attention", "downloads", "created", "total_bytes")
    assert {name: getattr(model, name) for name in unknown} == dict.fromkeys(unknown)
    assert model.quantizations[0].size is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("downloads", value) for value in ("many", -5, True, 10**18)),
        *(("gated", value) for value in ("perhaps", {}, 1)),
        *(
            ("safetensors", value)
            for value in ({"parameters": {"F32": "x"}, "total": -1}, {"parameters": [], "total": 0})
        ),
        *(("cardData", value) for value in ("text", ["list"], {"license": 5}, {"language": {"en": 1}})),
        *(("tags", value) for value in (None, "license:mit", [5, {}])),
        *(("config", value) for value in ("x", [1])),
    ],
)
def test_a_field_of_another_kind_is_not_known_and_hurts_no_other(hub, place, field, value):
    hub.add("org/odd", **{"safetensors": None, "tags": [], "cardData": {}, "downloads": None, field: value})
    assert place.sync("org/odd").warnings == ()
    model = place.models["org/odd"]
    assert (model.downloads, model.parameters, model.license, model.languages) == (None, None, None, ())
    assert model.gated == ("no" if field != "gated" else None)
    assert len(model.quantizations) == 2


def test_quantizations_elsewhere_are_listed_and_names_that_are_none_are_not(hub, place):
    hub.add("org/tiny")
    names = ("some/tiny-GGUF", "../../etc/passwd", "<b>/x", "org/tiny", "other/tiny-GGUF")
    tags = "base_model:quantized:org/tiny"
    hub.lists[tags] = [{"id": name, "downloads": 10 * n, "tags": []} for n, name in enumerate(names)]
    place.sync("org/tiny")
    found = place.models["org/tiny"].derived
    assert [(one.repo, one.downloads) for one in found] == [("other/tiny-GGUF", 40), ("some/tiny-GGUF", 0)]


def test_filters_add_the_models_that_are_small_enough(hub, place):
    sizes = {"org/small": 135_000_000, "org/huge": 70_000_000_000, "org/tiny": 1, "org/unknown": None}
    for name in sizes:
        hub.add(name)
    hub.lists["text-generation,code"] = [
        {"id": name, "safetensors": {"parameters": {}, "total": size} if size else None} for name, size in sizes.items()
    ] + [{"id": "a/../b"}]
    place.sync(featured=listed("org/tiny", filters=(CODE,)))
    assert {name: (model.tasks, model.featured) for name, model in place.models.items()} == {
        "org/small": (("code",), False),
        "org/tiny": (("chat", "code"), True),
    }
    assert {one.name: one.reason for one in place.stats.left_out} == {
        "org/huge": "more than 3300000000 parameters",
        "org/unknown": "its parameters are not counted",
        "a/../b": "no name of a repository",
    }


def test_a_model_that_leaves_the_lists_stays_while_it_is_on_the_hub(hub, place):
    hub.add("org/a")
    hub.add("org/b")
    place.sync("org/a", "org/b")
    place.sync("org/a", now=NOW + timedelta(days=1))
    assert [(name, model.featured) for name, model in place.models.items()] == [("org/a", True), ("org/b", False)]


def test_private_models_are_never_written(hub, place):
    hub.add("org/secret", private=True)
    hub.add("org/tiny")
    done = place.sync("org/secret", "org/tiny")
    assert "hub-private" in done.warnings[0]
    assert list(place.models) == ["org/tiny"]


def test_a_configuration_is_read_once_per_commit(hub, place):
    hub.add("org/tiny")
    place.sync("org/tiny")
    hub.log.clear()
    place.sync("org/tiny")
    assert not any("config.json" in line for line in hub.log)
    hub.repos["org/tiny"].facts["sha"] = "f" * 40
    place.sync("org/tiny")
    assert [line for line in hub.log if "config.json" in line] == [f"/org/tiny/resolve/{'f' * 40}/config.json"]


def test_a_gguf_repository_is_described_by_the_configuration_of_its_base(hub, place):
    hub.add("org/base")
    hub.add("org/base-GGUF", siblings=[{"rfilename": "m-Q8_0.gguf", "size": 5}], tags=["base_model:quantized:org/base"])
    place.sync("org/base-GGUF")
    assert place.models["org/base-GGUF"].attention.source == "org/base"
    assert "/org/base/resolve/main/config.json" in hub.log


# -- what is asked --------------------------------------------------------------------------------------------------


def test_a_hundred_models_are_at_most_300_questions(hub, place):
    names = [f"org/m{number:03}" for number in range(100)]
    for name in names:
        hub.add(name)
    done = place.sync(featured=listed(*names, filters=(CODE,)))
    assert len(hub.log) == done.asked <= 300
    assert (done.read, done.waiting) == (100, 1)  # the filter was a question, too


def test_redirections_are_questions_and_what_does_not_fit_is_asked_the_next_day(hub, place):
    # The real Hub redirects every question for a file.
    hub.redirects = True
    names = [f"org/m{number}" for number in range(6)]
    for name in names:
        hub.add(name)
    done = place.sync(*names, requests=18)
    assert (len(hub.log), done.asked, done.waiting) == (18, 18, 6)
    hub.log.clear()
    done = place.sync(*names, requests=18, now=NOW + timedelta(days=1))
    assert (len(hub.log), done.waiting) == (12, 0)
    assert all(model.attention for model in place.models.values())


def test_with_few_questions_the_rest_comes_later(hub, place):
    for name in ("org/a", "org/b"):
        hub.add(name)
    done = place.sync("org/a", "org/b", requests=1)
    assert (done.read, done.asked, len(hub.log)) == (1, 1, 1)
    assert "hub-budget" in done.warnings[-1]
    place.sync("org/a", "org/b")
    assert list(place.models) == ["org/a", "org/b"]


def test_a_busy_hub_is_waited_for_as_long_as_it_says(hub, place):
    busy = [(429, {"Retry-After": "7"}, b""), (429, {"RateLimit": '"api";r=0;t=9'}, b"")]
    repo = hub.add("org/tiny")
    repo.answers = [*busy, (200, {}, json.dumps(repo.facts).encode())]
    assert place.sync("org/tiny").read == 1
    assert place.waits == [7.0, 9.0]


def test_a_hub_that_wants_more_time_than_there_is_is_not_asked_again(hub, place):
    for name in ("org/a", "org/b"):
        hub.add(name)
    hub.repos["org/a"].answers = [(429, {"Retry-After": "3600"}, b"")]
    done = place.sync("org/a", "org/b", patience=60)
    assert "hub-wait" in done.warnings[-1]
    assert (done.asked, place.waits, done.written) == (1, [], ())


def test_a_date_is_a_time_to_wait_for_too():
    from pytest_slm.hub import wait_s

    assert wait_s({"Retry-After": "Thu, 01 Jan 1970 00:02:00 GMT"}, 60.0) == 60.0
    assert wait_s({"Retry-After": "Thu, 01 Jan 1970 00:00:10 GMT"}, 60.0) == 0.0
    assert wait_s({"Retry-After": "tomorrow"}, 60.0) is None
    assert wait_s({"RateLimit": '"api";r=5;t=55'}, 60.0) is None


def test_an_error_of_the_hub_is_asked_again_after_a_moment(hub, place):
    repo = hub.add("org/tiny")
    repo.answers = [(503, {}, b""), (200, {}, json.dumps(repo.facts).encode())]
    assert place.sync("org/tiny").read == 1
    assert place.waits == [1.0]


def test_a_list_that_fails_is_not_asked_again_and_again(hub, place):
    # The client by itself would, five times, with seconds in between.
    hub.add("org/tiny")
    hub.broken_lists = 100
    done = place.sync("org/tiny")
    assert hub.log.count("/api/models") == 3
    assert "it answered 500" in done.warnings[0]
    assert place.models["org/tiny"].derived is None


def test_the_token_is_that_of_the_environment_and_is_written_nowhere(hub, place, monkeypatch, tmp_path):
    from huggingface_hub import constants

    hub.add("org/tiny")
    (tmp_path / "stored").write_text("hf_stored")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "stored"))
    place.sync("org/tiny")
    assert hub.tokens == {None}
    monkeypatch.setenv("HF_TOKEN", "hf_verysecret")
    repo = hub.add("org/tiny", downloads=1)
    place.sync("org/tiny")
    assert hub.tokens == {None, "Bearer hf_verysecret"}
    repo.answers = [(401, {"X-Error-Message": "Bearer hf_verysecret is wrong"}, b"{}")]
    done = place.sync("org/tiny")
    assert "hub-token" in done.warnings[0]
    assert b"verysecret" not in b"".join(place.texts.values())


def test_without_the_client_it_says_how_to_get_it(place, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(NotAvailableError, match=r"pip install 'pytest-slm\[hub\]'.*hub-client-missing"):
        place.sync("org/tiny")


def test_a_client_that_cannot_be_counted_is_told(hub, place, monkeypatch):
    from huggingface_hub import utils

    monkeypatch.setattr(utils, "get_session", object)
    with pytest.raises(NotAvailableError, match="hub-client-old"):
        place.sync("org/tiny")


def test_the_client_is_as_it_was_afterwards(hub, place):
    from huggingface_hub.utils import get_session

    before = get_session().event_hooks
    hub.add("org/tiny")
    place.sync("org/tiny")
    assert get_session().event_hooks == before


# -- what is new ----------------------------------------------------------------------------------------------------


def test_what_is_new_and_what_has_changed_is_kept(hub, place):
    hub.add("org/tiny")
    place.sync("org/tiny")
    hub.repos["org/tiny"].facts |= {"cardData": {"license": "other"}, "gated": "manual", "downloads": 1}
    hub.repos["org/tiny"].facts["siblings"][4] = {"rfilename": "tiny-Q2_K.gguf", "size": 1}
    hub.add("org/new")
    place.sync("org/tiny", "org/new", now=NOW + timedelta(days=1))
    told = [(one.day[-2:], one.repo, one.kind, one.old, one.new) for one in place.stats.changes]
    assert told == [
        ("01", "org/new", "added", "", ""),
        ("01", "org/tiny", "gated", "no", "manual"),
        ("01", "org/tiny", "license", "apache-2.0", "other"),
        ("01", "org/tiny", "quantizations", "Q4_K_M", "Q2_K"),
        ("30", "org/tiny", "added", "", ""),
    ]


def test_each_month_is_counted_once_by_its_last_sync(hub, place):
    hub.add("org/a")
    hub.add("org/b", gated="auto", safetensors={"parameters": {}, "total": 4_000_000_000})
    place.sync("org/a")
    place.sync("org/a", "org/b")
    place.sync("org/a", "org/b", now=NOW + timedelta(days=1))
    assert [(one.month, one.models) for one in place.stats.months] == [("2026-11", 2), ("2026-12", 2)]
    last = place.stats.months[-1]
    assert (last.gated, last.with_gguf, last.downloads) == (1, 2, 24690)
    assert last.sizes == {"more than 3.3 B": 1, "up to 200 M": 1}


def test_a_file_that_is_not_ours_is_told_and_left_alone(hub, place):
    from pytest_slm.errors import ReportError

    place.folder.mkdir()
    (place.folder / "models.json").write_text('{"models": [{"repo": "../x"}]}')
    with pytest.raises(ReportError, match="hub-data"):
        place.sync("org/tiny")
    assert (place.folder / "models.json").read_text() == '{"models": [{"repo": "../x"}]}'
