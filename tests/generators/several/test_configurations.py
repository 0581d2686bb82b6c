"""Rows of several configurations: those that are there, in their order, and which are missing."""

import dataclasses

import pytest

from pytest_slm.core.record import RecordError
from pytest_slm.errors import BackendError, NotAvailableError
from pytest_slm.generators.several.configurations import CONFIGURATIONS_OF, ConfigurationsOptions

ROWS = {
    "law": [{"q": "Who?", "o": ["a", "b"], "a": 1}, {"q": "Why?", "o": ["A b", "a  B"], "a": 0}],
    "art": [{"q": "What?", "o": ["c", "d"], "a": 0}],
}
OPTIONS = {
    "dataset": {"path": "org/exam"},
    "configs": ["law", "music", "art"],
    "names": {"a": ["A", "B"]},
    "sample": {"id": "{config}/{row}", "input": "{q}", "target": "{a}"},
}


@pytest.fixture
def make(context):
    def run(tables=ROWS, **options):
        def rows(dataset):
            if dataset.config not in tables:
                raise NotAvailableError(f"no {dataset.config}", slug="data-config")
            return tables[dataset.config]

        given = dataclasses.replace(context(None, options={**OPTIONS, **options}), rows=rows)
        return list(CONFIGURATIONS_OF.make(given)), given.facts

    return run


def test_rows_come_by_configuration_and_what_is_missing_is_told(make):
    samples, facts = make()
    assert [(one.id, one.target) for one in samples] == [("law/0", "B"), ("law/1", "A"), ("art/0", "A")]
    assert facts == {"configurations": 3, "configurations_missing": ["music"]}


def test_rows_with_a_value_twice_are_left_out_and_counted(make):
    samples, facts = make(distinct="o")
    assert [one.id for one in samples] == ["law/0", "art/0"]  # numbers are those of the rows, whoever is left out
    assert facts["rows_with_repeated_values"] == 1


def test_where_nothing_is_there_the_reader_says_why(make):
    with pytest.raises(NotAvailableError, match="no law"):
        make({})


def test_a_column_of_distinct_values_that_is_no_list_is_broken_data(make):
    with pytest.raises(BackendError, match=r"org/exam \(law\), row 0: q is no list"):
        make(distinct="q")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"configs": []}, "the names of configurations are needed"),
        ({"configs": ["law", "law"]}, "each once"),
        ({"dataset": {"path": "org/exam", "config": "law"}}, "leave `config` out"),
    ],
)
def test_options_that_cannot_be_meant(change, told):
    with pytest.raises(RecordError, match=told):
        ConfigurationsOptions.from_json({**OPTIONS, **change})


def test_each_configuration_is_a_data_set_to_be_pulled():
    assert [one.config for one in CONFIGURATIONS_OF.datasets(OPTIONS)] == ["law", "music", "art"]
