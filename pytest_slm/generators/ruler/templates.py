"""The words of RULER's tasks: templates and answer prefixes, which define the benchmark.

Data of NVIDIA's repository (https://github.com/NVIDIA/RULER, scripts/data/synthetic/constants.py at c3f5e3b, Copyright
2024 NVIDIA, Apache License 2.0), carried over letter by letter: other words are other tokens.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Template:
    """What the user says, and what the answer begins with; both have ``str.format`` fields."""

    question: str
    answer_prefix: str


NIAH = Template(
    question=(
        "Some special magic {type_needle_v} are hidden within the following text. Make sure to memorize it. I will "
        "quiz you about the {type_needle_v} afterwards.\n{context}\nWhat are all the special magic {type_needle_v} for "
        "{query} mentioned in the provided text?"
    ),
    answer_prefix=" The special magic {type_needle_v} for {query} mentioned in the provided text are",
)
NEEDLE = "One of the special magic {type_needle_v} for {key} is: {value}."
NOISE = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."

VARIABLE_TRACKING = Template(
    question=(
        "Memorize and track the chain(s) of variable assignment hidden in the following text.\n\n{context}\nQuestion: "
        "Find all variables that are assigned the value {query} in the text above."
    ),
    answer_prefix=(
        " Answer: According to the chain(s) of variable assignment in the text above, {num_v} variables are assigned "
        "the value {query}, they are: "
    ),
)

COMMON_WORDS = Template(
    question=(
        "Below is a numbered list of words. In these words, some appear more often than others. Memorize the ones that "
        "appear most often.\n{context}\nQuestion: What are the 10 most common words in the above list?"
    ),
    answer_prefix=" Answer: The top 10 words that appear most often in the list are:",
)

FREQUENT_WORDS = Template(
    question=(
        "Read the following coded text and track the frequency of each coded word. Find the three most frequently "
        "appeared coded words. {context}\nQuestion: Do not provide any explanation. Please ignore the dots '....'. "
        "What are the three most frequently appeared words in the above coded text?"
    ),
    answer_prefix=" Answer: According to the coded text above, the three most frequently appeared words are:",
)

QA = Template(
    question=(
        "Answer the question based on the given documents. Only give me the answer and do not output any other words."
        "\n\nThe following are given documents.\n\n{context}\n\nAnswer the question based on the given documents. Only "
        "give me the answer and do not output any other words.\n\nQuestion: {query}"
    ),
    answer_prefix=" Answer:",
)
DOCUMENT = "Document {i}:\n{document}"
