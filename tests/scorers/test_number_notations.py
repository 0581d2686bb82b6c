"""Numbers in the notations of people, LaTeX and other countries: a table of answers, of what they say and what not.

Each line is (target, answer, right). The wrong ones are those that a careless reading takes for right.
"""

from __future__ import annotations

import random

import pytest

from pytest_slm.core.types import Generation, Sample
from pytest_slm.scorers.number import number

RIGHT = [
    # LaTeX
    ("48250", r"The total is \boxed{48{,}250}."),
    ("48250", r"\[ \boxed{48\,250} \]"),
    ("0.25", r"\boxed{\frac{1}{4}}"),
    ("0.25", r"\boxed{\dfrac14}"),
    ("-0.25", r"$-\frac{1}{4}$"),
    ("-0.25", r"Answer: $\frac{-1}{4}$"),
    ("2.75", r"Answer: $2\frac{3}{4}$"),
    ("17", r"Answer: \(17\)"),
    ("17", r"Answer: $17$"),
    ("17", r"Answer: \$17"),
    ("17", r"Answer: 17\%"),
    ("17", r"\boxed{17 \text{ apples}}"),
    ("17", r"\boxed{17\,\mathrm{km/h}}"),
    ("17", r"\boxed{x = 17}"),
    ("17", r"\boxed{12 + 5 = 17}"),
    ("17", r"\boxed{\text{17 boxes}}"),
    ("17", r"\boxed{\boxed{17}}"),
    ("17", r"\boxed{17"),
    ("17", r"$$12 + 5 = 17$$"),
    ("17", r"First \boxed{16}, but checked again: \boxed{17}"),
    ("17", r"So it is \textbf{17}."),
    ("45", r"\boxed{45^\circ}"),
    ("45", r"The angle is $45^{\circ}$."),
    ("30000", r"Answer: $3 \times 10^{4}$"),
    ("0.002", r"\boxed{2 \cdot 10^{-3}}"),
    ("6", r"\fbox{6}"),
    ("36", r"The area is $36\text{ cm}^2$."),
    ("36", r"Answer: $36 \ \mathrm{m^{2}}$"),
    # powered units
    ("36", "Answer: 36 m^2"),
    ("36", "The area is 36 m²."),
    ("36", "The area is 36m2"),
    ("36", "36 cm**2"),
    ("36", "It is 36 m/s^2."),
    ("36", "It is 36 kg·m⁻³"),
    ("36", "**Answer:** 36 cubic centimetres (cm³)"),
    ("36", "36 km/h"),
    ("36", "Answer: 36 (km)"),
    # signs
    ("-8", "Answer: –8"),
    ("-8", "Answer: −8"),
    ("-8", "Answer: ‑8"),
    ("-8", "The answer is —8."),
    ("-8", "x = -8"),
    ("-8", "4 - 12 = - 8"),
    ("-8", "The answer is minus 8."),
    ("-8", "The result is negative 8"),
    ("-8", "-8 °C"),
    ("-8", "-€8"),
    ("-8", "$-8"),
    ("8", "Answer: +8"),
    ("8", "12–4 = 8"),
    # fractions, mixed numbers, powers of ten
    ("0.75", "Answer: 3/4"),
    ("0.75", "3 / 4"),
    ("0.75", "¾"),
    ("0.75", "Answer: ³⁄₄ of a litre"),
    ("-0.75", "Answer: -3/4"),
    ("1.5", "Answer: 1 1/2"),
    ("1.5", "Answer: 1½ hours"),
    ("2.25", "It takes 2 and 1/4 hours."),
    ("50000", "Answer: 5 x 10^4"),
    ("50000", "Answer: 5×10⁴"),
    ("50000", "Answer: 5e4"),
    ("50000", "5*10**4"),
    ("0.05", "5E-2"),
    ("10000", "It is 10^4."),
    # thousands
    ("48250", "48 250"),
    ("48250", "Answer: 48\u202f250 euros"),
    ("48250", "48'250"),
    ("48250", "48’250"),
    ("48250", "48_250"),
    ("3048250", "3.048.250"),
    ("3048250", "30,48,250"),
    ("48250.5", "48.250,50"),
    ("48250.5", "48,250.50"),
    ("48250.5", "48 250,5"),
    ("2.5", "Answer: 2,5"),
    ("0.125", "0,125"),
    # currencies and ways to say it
    ("12.5", "EUR 12.50"),
    ("12.5", "£12.50"),
    ("12.5", "US$ 12.50"),
    ("12.5", "Answer: about $12.50"),
    ("12.5", "12.50 €"),
    ("5", "Answer: x = 5, since 2 * 5 + 3 = 13"),
    ("5", '{"answer": 5, "steps": 2}'),
    ("5", "f(x) = 5"),
    ("15", "答案是15。"),
    ("15", "Answer：１５"),
    ("12", "The answer is 12, because 5 and 7 make it"),
    ("12", "The answer is 12 and not 13, as 5 + 7 shows"),
    ("16", "The sequence is 2,4,8,16"),
    ("18", "\u200bAnswer:\u00a018\u200b"),
    ("18", "Answer: 12 + 6 = 18\n\nCheck: 18 - 6 = 12"),
    ("18", "Answer: 18 = 12 + 6"),
    ("18", "Answer: 12 + 6\n= 18"),
    ("7", "Answer: 2 x 3 = 6 and 6 + 1 = 7"),
    ("18", "Answer: 12 + 6\n\nThat is 18."),
]
WRONG = [
    ("48", r"\boxed{48{,}250}"),
    ("250", r"\boxed{48\,250}"),
    ("48", "Answer: 48 250"),
    ("4", "Answer: 1/4"),
    ("1", "Answer: 1/4"),
    ("4", r"\boxed{\frac{1}{4}}"),
    ("3", "Answer: 12/4"),  # a division that was left undone; the question says as much
    ("3", r"\boxed{\frac{12}{4}}"),
    ("2", "Answer: 1 1/2"),
    ("1", "1½"),
    ("3", "3 × 10^4"),
    ("4", "5e4"),
    ("8", "Answer: 2^3"),
    ("3", "Answer: 2^3"),
    ("2", r"\boxed{\sqrt{2}}"),
    ("2", "√2"),
    ("4", r"\boxed{\sqrt{16}}"),
    ("2", r"\boxed{\frac{x}{2}}"),
    ("4", "The area is 4π."),
    ("4", "Answer: 4 pi"),
    ("3", "Answer: 3, 4"),
    ("3", "The answer is 3 or 4."),
    ("3", "The answer is 3 apples and 4 pears"),
    ("4", r"\boxed{3, 4}"),
    ("3", r"\boxed{(3, 4)}"),
    ("3", "Answer: 3:4"),
    ("10", "Answer: 10:30"),
    ("30", "It starts at 10:30."),
    ("2024", "12/5/2024"),
    ("2", "The area is x m2"),
    ("1", "x_1"),
    ("2", "The unit is cm²"),
    ("8", "Answer: -8"),
    ("8", "Answer: –8"),
    ("1", "v2.1"),
    ("5", "Answer: 1,2,5"),
    ("1", "Answer: 1,2,5"),
    ("9", "9" * 401),
    ("6", "Answer: 12 + 6"),
    ("12", "Answer: 12 + 6"),
    ("6", "The answer is 12 cm x 6 cm."),
    ("15", "Answer: 12-15"),
    ("1", "1" + "0" * 20_000),
    ("1", "1e999999999"),
]


def judge(target: str, text: str, finish: str = "stop") -> float | None:
    generation = Generation(text=text, n_prompt=1, n_output=1, finish=finish)  # type: ignore[arg-type]
    return number(Sample(id="s", input="?", target=target), generation).value


def test_numbers_are_read_in_every_notation() -> None:
    assert [(target, text) for target, text in RIGHT if judge(target, text) != 1.0] == []


def test_no_part_of_a_notation_is_taken_for_the_number() -> None:
    assert [(target, text) for target, text in WRONG if judge(target, text) != 0.0] == []


@pytest.mark.parametrize("target", ["1", "3", "9", "10", "11", "18", "95", "30"])
@pytest.mark.parametrize(
    "text",
    [
        *(
            "Answer: 1",
            r"Answer: \frac{1}{3",
            "Answer: 1/",
            "Answer: 1 1",
            "Answer: 9 5",
            "Answer: 9,5",
            "Answer: 3 × 1",
        ),
        *("Answer: 3 × 10^", r"\boxed{18", r"\boxed{9{,}5", "Answer: 1.", "Answer: 3 \\times 10^{1"),
    ],
)
def test_a_torn_end_is_not_the_number(target: str, text: str) -> None:
    whole = text == "Answer: 1." and target == "1"  # a sentence that has ended
    assert judge(target, text, "length") == float(whole)


OPEN = (
    "x = 61 * 11 * (5 × 11) = 61 *",
    "x = 5 × 11 = ",
    "5 + 11 =",
    "5 - 11 -",
    "She pays 5 * 11 = $",
    "5 \\times 11 =",
)


@pytest.mark.parametrize("text", OPEN)
def test_behind_a_sign_the_number_is_missing(text: str) -> None:
    # 11 is a part of what is to be reckoned, and the answer was cut off before it was
    assert judge("11", text, "length") == 0.0
    assert judge("5", text, "length") == 0.0
    assert judge("4", f"We divide both sides by 4. Then {text}", "length") == 0.0
    assert judge("11", f"The answer is 11.\n{text}", "length") == 1.0


HOSTILE = [
    piece * (15_000 // len(piece)) + end
    for piece, end in (
        *(("9", ""), ("9,", ""), ("1 000", ""), ("-", ""), ("$", ""), ("1/", ""), ("1^", ""), ("10^", ""), ("'1", "")),
        *(("{", ""), ("\\boxed{", "1"), ("\\frac", "1"), ("\\frac{1}", "1"), ("\\text{", "1"), ("\\", ""), ("1 ", "")),
        *(("Answer: ", ""), ("answer is 1 and ", ""), ("1 a b c ", ""), ("#### 1, ", ""), ("a_1", ""), ("1and ", "")),
        *(
            ("½", ""),
            ("¹", ""),
            ("\u200b", ""),
            ("1. ", ""),
            ("⟦", ""),
            ("⟦1", ""),
            ("a ^ ", ""),
            ("(a", ""),
            ("√", ""),
        ),
        *(
            ("1a-a-a", ""),
            ("\ud800", ""),
            ("\0", ""),
            ("1\n", ""),
            ("* 1", ""),
            ("=", ""),
            (" ", "1"),
            ("\t1", ""),
            ("_", ""),
        ),
    )
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:8].encode("unicode_escape").decode())
def test_long_hostile_text_is_read_in_linear_time(text: str) -> None:
    # A pattern that tries every way to read these would not come back.
    assert judge("12345", text) == 0.0
    assert judge("12345", text, "length") == 0.0


def test_any_mixture_of_notations_is_read() -> None:
    draw = random.Random(17)
    pieces = [
        "\\boxed{",
        "}",
        "{",
        "\\frac",
        "1",
        "23",
        ",",
        ".",
        " ",
        "/",
        "^",
        "×10^",
        "-",
        "–",
        "$",
        "½",
        "Answer: ",
        "\n",
    ]
    pieces += ["and ", "cm", "²", "\\text{", "%", "e5", "'", "√", "π", "=", "(", ")", "٣", "\u202f", "#### ", "**"]
    for _ in range(2_000):
        text = "".join(draw.choices(pieces, k=draw.randint(1, 30)))
        assert judge("23", text, draw.choice(["stop", "length"])) in (0.0, 1.0), text
