"""Prints the coefficients of src/margin/elementary.rs and src/margin/normal.rs. Needs mpmath.

Each function is sampled with 120 digits at Chebyshev points, expanded in Chebyshev polynomials, truncated when the
remainder is below the target, and rewritten in powers of its variable.
"""

from mpmath import atanh, cos, erfc, exp, factorial, log, mp, mpf, pi, sqrt

mp.dps = 120

LAST = 15  # the highest moment of the series of normal::near_drop is M_15
SPREAD = 4 * (LAST + 1) + 2


def chebyshev(function, count):
    angles = [pi * (mpf(j) + mpf(1) / 2) / count for j in range(count)]
    samples = [function(cos(angle)) for angle in angles]
    return [2 / mpf(count) * sum(y * cos(k * a) for y, a in zip(samples, angles)) for k in range(count)]


def powers(coefficients):
    """The same sum in powers of the variable of the polynomials, lowest first."""
    polynomials = [[mpf(1)], [mpf(0), mpf(1)]]
    while len(polynomials) < len(coefficients):
        doubled = [mpf(0)] + [2 * c for c in polynomials[-1]]
        for i, c in enumerate(polynomials[-2]):
            doubled[i] -= c
        polynomials.append(doubled)
    total = [mpf(0)] * len(coefficients)
    for k, (coefficient, polynomial) in enumerate(zip(coefficients, polynomials)):
        for i, c in enumerate(polynomial):
            total[i] += (coefficient / 2 if k == 0 else coefficient) * c
    return total


def mills(z):
    return sqrt(pi / 2) * exp(z * z / 2) * erfc(z / sqrt(mpf(2)))


def moment_ratio(z, n):
    """M_{n+1}(z) / M_n(z), M_n(z) the integral of t^n exp(-z t - t^2 / 2) over t > 0."""
    if z > 6:
        ratio = mpf(0)
        for k in range(3000, n, -1):
            ratio = k / (z + ratio)
        return ratio
    before, here = mills(z), 1 - z * mills(z)
    for k in range(1, n + 1):
        before, here = here, k * before - z * here
    return here / before


def closing_ratio(x):
    """moment_ratio(z, LAST) (z + w) / SPREAD at z / w = (x + 1) / 2, w = sqrt(z^2 + SPREAD)."""
    share = (x + 1) / 2
    z = share * sqrt(mpf(SPREAD)) / sqrt(1 - share * share)
    return moment_ratio(z, LAST) * (z + sqrt(z * z + SPREAD)) / SPREAD


def scaled_tail(x):
    """(1 + 2y) erfcx(y) at y = 4 (1 + x) / (1 - x)."""
    y = 4 * (1 + x) / (1 - x)
    return (1 + 2 * y) * (exp(y * y) * erfc(y) if y < 30 else mills_far(y * sqrt(mpf(2))) * sqrt(2 / pi))


def mills_far(z):
    tail = mpf(0)
    for k in range(3000, 0, -1):
        tail = k / (z + tail)
    return 1 / (z + tail)


def atanh_rest(x):
    """(atanh(f) / f - 1) / f^2 at f^2 = REACH (1 + x) / 2, in powers of x."""
    square = REACH * (1 + x) / 2
    return (atanh(sqrt(square)) / sqrt(square) - 1) / square


HALF = log(2) / 2 * mpf("1.001")  # half a power of two, and what rounding adds
REACH = mpf("0.0401")  # a quotient within 2^0.586 of a power of two: |f| < 0.2001


def shifted(coefficients, scale, shift=1):
    """From powers of x = scale y - shift to powers of y."""
    total = [mpf(0)] * len(coefficients)
    for k, coefficient in enumerate(coefficients):
        for i in range(k + 1):
            choose = factorial(k) / factorial(i) / factorial(k - i)
            total[i] += coefficient * choose * scale**i * mpf(-shift) ** (k - i)
    return total


def show(name, coefficients):
    print(name, f"({len(coefficients)})")
    for coefficient in coefficients:
        print(f"    {float(coefficient)!r},")


show("elementary::ATANH", shifted(powers(chebyshev(atanh_rest, 40)[:8]), 2 / REACH))
show("elementary::EXP", shifted(powers(chebyshev(lambda x: exp(HALF * x), 40)[:12]), 1 / HALF, 0))
show("normal::ERFCX", powers(chebyshev(scaled_tail, 80)[:24]))
show("normal::CLOSING", powers(chebyshev(closing_ratio, 40)[:16]))
