"""Questions about things, time, money, lengths and speeds. Each function makes one of several kinds of question."""

from __future__ import annotations

import random
from fractions import Fraction

from pytest_slm.generators.families import NAMES, THINGS, Made


def story(rng: random.Random, size: int) -> Made:
    """A short story that takes two or three steps."""
    name, things = rng.choice(NAMES), rng.choice(THINGS)
    a, b, c = rng.randint(2, 9 * size), rng.randint(2, 9 * size), rng.randint(2, 9)
    kind = rng.randrange(6)
    if kind == 0:
        p, q = rng.randint(2, 6), rng.randint(7, 12)
        paid = next(note for note in (50, 100, 200, 500, 1000, 10**9) if note > a * p + b * q)
        text = f"{name} buys {a} pens for {p} euros each and {b} bags for {q} euros each, and pays with {paid} euros."
        return f"{text} How many euros does {name} get back?", Fraction(paid - a * p - b * q)
    if kind == 1:
        start, off = a + b + rng.randint(10, 30), rng.randint(2, 9)
        text = f"A bus sets out with {start} people. At the first stop {a} get off and {b} get on. At the second stop"
        text = f"{text} {off} get off, and twice as many as that get on."
        return f"{text} How many people are on the bus then?", Fraction(start - a + b - off + 2 * off)
    if kind == 2:
        weekly, weeks, has = rng.randint(4, 15), rng.randint(3, 20 * size), rng.randint(10, 60)
        text = f"{name} has {has} euros and saves {weekly} euros every week for a bike that costs"
        text = f"{text} {has + weekly * weeks} euros."
        return f"{text} After how many weeks is there enough money?", Fraction(weeks)
    if kind == 3:
        per_box = rng.randint(6, 12)
        total = per_box * (a + 3) - rng.randint(0, per_box - 1)
        text = f"A box holds {per_box} {things}. How many boxes does {name} need for {total} {things}?"
        return text, Fraction(a + 3)
    if kind == 4:
        rows, seats = a + 4, rng.randint(6, 15)
        taken = rng.randint(1, rows * seats - 1)
        text = f"A hall has {rows} rows with {seats} seats each. {taken} seats are taken."
        return f"{text} How many seats are free?", Fraction(rows * seats - taken)
    left = rng.randint(1, 20)
    text = f"{name} gives {a} {things} to each of {c} friends, loses {b} and has {left} left."
    return f"{text} How many {things} did {name} have at first?", Fraction(a * c + b + left)


def time(rng: random.Random, size: int) -> Made:
    """Times of day, durations and a clock that goes wrong."""
    hour, minute = rng.randint(6, 18), rng.randint(0, 59)
    lasts = rng.randint(35, 150 * size)
    start = 60 * hour + minute
    kind = rng.randrange(4)
    if kind == 0 and start + lasts < 24 * 60:
        text = f"How many minutes are there from {_clock(start)} to {_clock(start + lasts)} on the same day?"
        return text, Fraction(lasts)
    if kind == 1 and start + lasts < 24 * 60:
        full = (start + lasts) // 60
        text = f"A film begins at {_clock(start)} and lasts {lasts} minutes."
        return f"{text} How many minutes after {_clock(60 * full)} does it end?", Fraction((start + lasts) % 60)
    if kind == 2:
        hours, minutes, times = rng.randint(1, 3), rng.randint(5, 55), rng.randint(2, 5)
        text = f"A machine needs {hours} h {minutes} min for one part. How many minutes does it need for {times} parts?"
        return text, Fraction((60 * hours + minutes) * times)
    loses, every, days = rng.randint(2, 9), rng.choice((2, 3, 4, 6, 8, 12)), rng.randint(2, 9 * size)
    text = f"A clock loses {loses} seconds every {every} hours. How many seconds does it lose in {days} days?"
    return text, Fraction(24 * days * loses, every)


def units(rng: random.Random, size: int) -> Made:
    """Lengths, weights and volumes in mixed units."""
    a, b = rng.randint(2, 12 * size), rng.randint(2, 9)
    kind = rng.randrange(5)
    if kind == 0:
        rest = 10 * rng.randint(1, 99)
        return f"How many metres are {a} km and {rest} m together?", Fraction(1000 * a + rest)
    if kind == 1:
        cup = rng.choice((20, 25, 40, 50, 125, 200, 250))
        text = f"How many cups of {cup} ml can be filled from a can of {b} litres?"
        return text, Fraction(1000 * b, cup)
    if kind == 2:
        grams = 50 * rng.randint(1, 9)
        text = (
            f"One jar weighs {grams} g, and its box weighs {100 * b} g. How many grams do the box and {a} jars weigh?"
        )
        return text, Fraction(grams * a + 100 * b)
    if kind == 3:
        piece = rng.choice((4, 5, 8, 10, 20, 25))
        used = rng.randint(1, 100 * b // piece - 1)
        text = f"From a rope of {b} m, {used} pieces of {piece} cm are cut. How many centimetres of rope are left?"
        return text, Fraction(100 * b - piece * used)
    seconds = rng.randint(1, 59)
    return f"How many seconds are {a} minutes and {seconds} seconds together?", Fraction(60 * a + seconds)


def rate(rng: random.Random, size: int) -> Made:
    """Speed, price by weight, and work done together."""
    per, n = rng.randint(3, 12), rng.randint(2, 9 * size)
    kind = rng.randrange(4)
    if kind == 0:
        speed, minutes = 12 * per, 5 * rng.randint(1, 11)
        text = f"A car drives at a steady {speed} km/h. How many kilometres does it drive in {minutes} minutes?"
        return text, Fraction(speed * minutes, 60)
    if kind == 1:
        speed = rng.choice((4, 5, 6, 10, 12, 15, 20, 30))
        text = f"Somebody cycles {n} km at a steady {speed} km/h. How many minutes does that take?"
        return text, Fraction(60 * n, speed)
    if kind == 2:
        bought = rng.randint(2, 6)
        wanted = bought + rng.randint(1, 9)
        text = f"{bought} kg of nuts cost {bought * per} euros. At the same price, how many euros do {wanted} kg cost?"
        return text, Fraction(wanted * per)
    other = per + rng.randint(1, 9)
    text = f"One machine makes {per} parts a minute, another {other}. They start together."
    return f"{text} After how many minutes have they made {n * (per + other)} parts in all?", Fraction(n)


def geometry(rng: random.Random, size: int) -> Made:
    """Rectangles, squares, boxes, and the angles of a triangle."""
    a, b, c = rng.randint(2, 12 * size), rng.randint(2, 12 * size), rng.randint(2, 9)
    kind = rng.randrange(5)
    if kind == 0:
        text = f"A rectangle has a perimeter of {2 * (a + b)} cm, and one of its sides is {a} cm long."
        return f"{text} What is its area in square centimetres?", Fraction(a * b)
    if kind == 1:
        text = f"A rectangle has an area of {a * b} square centimetres, and one of its sides is {a} cm long."
        return f"{text} What is its perimeter in centimetres?", Fraction(2 * (a + b))
    if kind == 2:
        return f"What is the area in square metres of a square with a perimeter of {4 * a} m?", Fraction(a * a)
    if kind == 3:
        text = f"A box is {a} cm long, {b} cm wide and {c} cm high. What is its volume in cubic centimetres?"
        return text, Fraction(a * b * c)
    one, other = rng.randint(20, 80), rng.randint(20, 80)
    text = f"Two angles of a triangle are {one} and {other} degrees. How many degrees is the third angle?"
    return text, Fraction(180 - one - other)


def average(rng: random.Random, size: int) -> Made:
    """The mean of some numbers, a missing one of them, or the middle one."""
    values = rng.sample(range(1, 30 * size), rng.choice((3, 5)))
    kind = rng.randrange(3)
    if kind == 0:
        return f"What is the average of {_listed(values)}?", Fraction(sum(values), len(values))
    if kind == 1:
        count, mean = len(values) + 1, rng.randint(20 * size, 40 * size)
        text = f"The average of {count} numbers is {mean}. All but one of them are {_listed(values)}."
        return f"{text} What is the missing number?", Fraction(mean * count - sum(values))
    more = rng.randint(2, 9)
    text = f"The average of {len(values)} numbers is {values[0]}. Each of the numbers is made greater by {more}."
    return f"{text} What is the sum of the new numbers?", Fraction(len(values) * (values[0] + more))


def ratio(rng: random.Random, size: int) -> Made:
    """A sum shared in a ratio, a recipe, and a map."""
    a, b, one = rng.randint(2, 5), rng.randint(6, 9), rng.randint(2, 15 * size)
    name, other = rng.sample(NAMES, 2)
    kind = rng.randrange(4)
    if kind < 2:
        text = f"{name} and {other} share {one * (a + b)} euros in the ratio {a} to {b}."
        who, answer = (other, one * b) if kind else (name, one * a)
        return f"{text} How many euros does {who} get?", Fraction(answer)
    if kind == 2:
        flour = 50 * rng.randint(2, 9)
        text = f"A recipe for {a} people takes {flour * a} g of flour. How many grams does it take for {b} people?"
        return text, Fraction(flour * b)
    scale, length = rng.choice((2_000, 5_000, 20_000, 25_000, 50_000)), rng.randint(2, 12 * size)
    text = f"On a map, 1 cm stands for {scale} cm. Two towers are {length} cm apart on the map."
    return f"{text} How many metres apart are they?", Fraction(scale * length, 100)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _listed(values: list[int]) -> str:
    return f"{', '.join(map(str, values[:-1]))} and {values[-1]}"
