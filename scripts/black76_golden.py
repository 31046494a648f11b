"""Writes data/golden/black76.csv: option values with 60 digits, rounded once to double. Needs mpmath."""
import itertools
from mpmath import mp, mpf, erfc, exp, log, sqrt
mp.dps = 60
def N(x): return erfc(-x/sqrt(mpf(2)))/2
def V(F,K,v,T,r,c):
    F,K,v,T,r=map(mpf,(F,K,v,T,r))
    s=v*sqrt(T); d1=(log(F/K)+s*s/2)/s; d2=d1-s
    d=exp(-r*T)
    return d*(F*N(d1)-K*N(d2)) if c else d*(K*N(-d2)-F*N(-d1))
HOUR = 1 / 8760
PAIRS = ((100., 100.), (100., 100.01), (97078.9, 100000.), (2000., 1000.), (1000., 20000.), (50., 1000.), (3000., 150.))
print("forward,strike,vol,years,rate,call,value")
grid = itertools.product(PAIRS, (0.05, 0.6, 1.5, 5.0), (HOUR, 0.02, 0.25, 1.0, 5.0), (0.0, 0.03), (True, False))
for number, ((F, K), v, T, r, c) in enumerate(grid):
    if number % 3:
        continue
    x = V(F, K, v, T, r, c)
    if x >= mpf("1e-250"):
        print(f"{F!r},{K!r},{v!r},{T!r},{r!r},{str(c).lower()},{float(x)!r}")
