"""In place of mpmath, for BFCL's MathAPI: ``log``, and the precision that it is told in. Runs in the sandbox only.

mpmath calculates in binary numbers of a precision that follows from the decimal digits ``mp.dps``; so does this, and
it shows them as mpmath does. What mpmath answers with a complex or an infinite number is an error here.
"""

from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction

PLACES = 3.3219280948873626
"""Binary digits of a decimal one."""
MOST = 10_000
"""Decimal digits of a number: mpmath itself would go on for hours."""


class _Precision:
    """``mpmath.mp``: the precision of all numbers."""

    def __init__(self):
        self.dps = 15

    def __setattr__(self, name, value):
        if name == "dps":
            value = max(1, int(value))
            if value > MOST:
                raise ValueError(f"a precision of at most {MOST} digits")
            # mpmath's dps_to_prec
            object.__setattr__(self, "prec", max(1, round((value + 1) * PLACES)))
        object.__setattr__(self, name, value)


mp = _Precision()


def _rounded(number):
    """A fraction as the nearest binary number of the precision, ties to even."""
    if not number:
        return number
    exponent = abs(number.numerator).bit_length() - number.denominator.bit_length()
    for shift in (mp.prec - exponent - 1, mp.prec - exponent, mp.prec - exponent + 1):
        scaled = number * Fraction(2) ** shift
        if abs(scaled) >= 1 << (mp.prec - 1):
            return Fraction(round(scaled)) / Fraction(2) ** shift
    return number


class mpf:  # noqa: N801 - mpmath's name
    """A number of that precision."""

    def __init__(self, value):
        self.value = value

    def __truediv__(self, other):
        return mpf(_rounded(self.value / other.value))

    def __eq__(self, other):
        return isinstance(other, mpf) and other.value == self.value

    def __hash__(self):
        return hash(self.value)

    def __repr__(self):
        return f"mpf('{self._text(max(1, int(round(mp.prec / PLACES) + 2)) if mp.prec != 53 else 17)}')"

    def __str__(self):
        return self._text(mp.dps)

    def _text(self, digits):
        context = Context(prec=digits, rounding=ROUND_HALF_UP)
        number = context.divide(Decimal(self.value.numerator), Decimal(self.value.denominator))
        text = f"{number:f}"
        if "." not in text:
            return f"{text}.0"
        text = text.rstrip("0")
        return f"{text}0" if text.endswith(".") else text


def log(number):
    """The natural logarithm."""
    value = _rounded(Fraction(number.strip())) if isinstance(number, str) else Fraction(number)
    if value <= 0:
        raise ValueError(f"no real logarithm of {number}")
    digits = int(mp.prec / PLACES) + 25
    context = Context(prec=digits, rounding=ROUND_HALF_UP)
    quotient = Context(prec=digits + 30)
    logarithm = context.ln(quotient.divide(Decimal(value.numerator), Decimal(value.denominator)))
    return mpf(_rounded(Fraction(logarithm)))
