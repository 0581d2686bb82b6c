"""Batches follow from the requests alone: whoever asks the same asks the same batches."""

from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.answers.batches import MOST, MOST_WRITTEN, SAID, TOGETHER, WINDOW, split

texts = st.lists(st.text(st.sampled_from("ab c"), max_size=40), max_size=200)


@given(texts, st.integers(0, 2_000))
def test_every_request_is_in_one_batch(asked, output):
    batches = split(asked, [output] * len(asked))
    assert sorted(place for batch in batches for place in batch) == list(range(len(asked)))
    assert all(batches)


@given(texts.filter(len), st.randoms())
def test_the_order_of_requests_changes_no_batch(asked, random):
    asked = list(dict.fromkeys(asked))
    shuffled = random.sample(asked, len(asked))

    def contents(order):
        return [{order[place] for place in batch} for batch in split(order, [400] * len(order))]

    assert contents(asked) == contents(shuffled)


def test_few_requests_are_one_batch():
    assert len(split(["short"] * 10, [100] * 10)) == 1


def test_batches_are_no_smaller_than_what_the_engine_runs_together():
    batches = split([f"{number:04} question" for number in range(500)], [900] * 500)
    assert len(batches) > 5
    assert min(map(len, batches)) >= TOGETHER


def test_long_answers_do_not_make_batches_that_leave_the_engine_empty():
    # HumanEval: 1,024 tokens are allowed, and 92 of 100 answers of a small model had less than 100
    batches = split([f"{number:04} {'def ' * 110}" for number in range(100)], [4 * 1024] * 100)
    assert min(map(len, batches)) >= 25


def test_long_prompts_are_written_a_dozen_at_a_time():
    # GSM8K: 1,000 tokens of prompt, which share nothing, and 256 of answer; more of them would be minutes of work
    batches = split([f"{number:03}{'p' * 4_200}" for number in range(100)], [1_024] * 100)
    assert min(map(len, batches)) >= 12


def test_long_texts_are_batches_of_their_own():
    # ten prompts of 8,000 tokens in one batch would be minutes that a kill may cost
    batches = split([str(number) * MOST for number in range(10)], [0] * 10)
    assert [len(batch) for batch in batches] == [1] * 10


def test_what_neighbours_share_weighs_once():
    # fifty questions about one long text: the engine reads it once
    asked = ["x" * MOST + str(number) for number in range(50)]
    assert len(split(asked, [0] * 50)) <= 2


def test_neighbours_in_the_alphabet_are_in_one_batch():
    asked = [f"{'ab'[number % 2] * 20_000}{number}" for number in range(8)]
    first, second = split(asked, [0] * 8)
    assert {number % 2 for number in first} == {0}
    assert {number % 2 for number in second} == {1}


def test_choices_of_a_question_stay_together():
    # 25 examples before every question, other ones each time: a batch that ends inside of one computes them twice
    asked = [f"{number:03}{'example ' * 400}{choice}" for number in range(60) for choice in ("A it is", "B", "C", "D")]
    batches = split(asked, [0] * len(asked))
    assert len(batches) > 3
    assert all({place // 4 * 4 + n for place in batch for n in range(4)} == set(batch) for batch in batches)


def test_a_preamble_is_parted_only_where_a_batch_would_be_too_large():
    subjects = [
        f"{subject}{'shot ' * 500}question {number:02} {'word ' * 40}" for subject in "abcd" for number in range(50)
    ]
    batches = split(subjects, [0] * len(subjects))
    assert len(batches) == 4
    assert [{subjects[place][0] for place in batch} for batch in batches] == [{"a"}, {"b"}, {"c"}, {"d"}]


@given(texts.filter(len), st.integers(0, 2_000))
def test_no_batch_is_much_heavier_than_the_others(asked, output):
    batches = split(asked, [output] * len(asked))
    heaviest = max(map(len, asked)) + output // SAID
    most = (MOST_WRITTEN if output else MOST) * (1 + 2 * WINDOW) + 2 * heaviest
    assert all((output // SAID + 1) * len(batch) <= most for batch in batches)
