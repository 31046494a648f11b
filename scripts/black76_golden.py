"""Prints data/golden/black76.csv: option values computed with 60 digits and rounded once. Needs mpmath.

The first block is a grid of ordinary terms, the second spans strikes of 0.05 to 20 forwards, volatilities of 0.01 to
5 and times of one hour to five years, with many strikes near the forward, the third the far tails and the
volatilities where one formula of src/margin/black76.rs takes over from the other. Values below 1e-290 are left out.
"""

import itertools
import math
import random

from mpmath import erfc, exp, log, mp, mpf, sqrt

mp.dps = 60
HOUR = 1 / 8760


def cdf(x):
    return erfc(-x / sqrt(mpf(2))) / 2


def value(forward, strike, vol, years, rate, call):
    forward, strike, vol, years, rate = map(mpf, (forward, strike, vol, years, rate))
    deviation = vol * sqrt(years)
    d1 = (log(forward / strike) + deviation**2 / 2) / deviation
    d2 = d1 - deviation
    discount = exp(-rate * years)
    if call:
        return discount * (forward * cdf(d1) - strike * cdf(d2))
    return discount * (strike * cdf(-d2) - forward * cdf(-d1))


def grid():
    pairs = [(100.0, 100.0), (100.0, 100.01), (97078.9, 100000.0), (2000.0, 1000.0), (1000.0, 20000.0)]
    return itertools.product(pairs, (0.05, 0.6, 1.5), (HOUR, 0.02, 0.25, 5.0), (0.0, 0.03), (True, False))


def wide(count, seed):
    stream = random.Random(seed)
    for number in range(count):
        forward = 1000 * stream.uniform(0.5, 2)
        ratios = [
            math.exp(stream.uniform(math.log(0.05), math.log(20))),
            math.exp(stream.gauss(0, 0.05)),
            1 + stream.gauss(0, 1e-4),
        ]
        vol = math.exp(stream.uniform(math.log(0.01), math.log(5)))
        years = math.exp(stream.uniform(math.log(HOUR), math.log(5)))
        yield (forward, forward * ratios[number % 3]), vol, years, 0.0, number % 2 == 0


def tails(count, seed):
    stream = random.Random(seed)
    for number in range(count):
        forward = 1000 * stream.uniform(0.5, 2)
        years = math.exp(stream.uniform(math.log(HOUR), math.log(5)))
        deviation = stream.uniform(0.69, 0.71) if number % 3 == 0 else math.exp(stream.uniform(math.log(1e-4), 2))
        distance = stream.uniform(0, 3) if number % 3 == 0 else stream.uniform(3, 37)
        strike = forward * math.exp(stream.choice((-1, 1)) * distance * deviation)
        vol = deviation / math.sqrt(years)
        if 0.05 <= strike / forward <= 20 and 0.01 <= vol <= 5:
            yield (forward, strike), vol, years, 0.0, strike > forward


print("forward,strike,vol,years,rate,call,value")
for (forward, strike), vol, years, rate, call in itertools.chain(grid(), wide(400, 11), tails(900, 12)):
    exact = value(forward, strike, vol, years, rate, call)
    if exact >= mpf("1e-290"):
        print(f"{forward!r},{strike!r},{vol!r},{years!r},{rate!r},{str(call).lower()},{float(exact)!r}")
