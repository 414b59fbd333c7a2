"""Philox4x64-10 and what is made of its words, with Python's integers: the definition of random numbers."""

import math

import numpy as np

MASK = (1 << 64) - 1


def philox(key, counter, rounds=10):
    """The four words for a counter, an integer below 2^256, as in Salmon et al. 2011."""
    a, b, c, d = (counter >> 64 * i & MASK for i in range(4))
    k, m = key
    for _ in range(rounds):
        p, q = 0xD2E7470EE14C6C93 * a, 0xCA5A826395121157 * c
        a, b, c, d = q >> 64 ^ b ^ k, q & MASK, p >> 64 ^ d ^ m, p & MASK
        k, m = k + 0x9E3779B97F4A7C15 & MASK, m + 0xBB67AE8584CAA73B & MASK
    return a, b, c, d


def words(key, start, count):
    """`count` words from position `start` on; block b is made of the counter b + 1."""
    blocks = range(start // 4, -(-(start + count) // 4))
    made = [word for block in blocks for word in philox(key, block + 1 & (1 << 256) - 1)]
    return made[start % 4 : start % 4 + count]


def numbers(kind, key, start, count, scale=1, shift=0):
    """`count` numbers of the words from `start` on."""
    raw = words(key, start, count + 1)
    halves = [half for word in raw for half in (word & 0xFFFFFFFF, word >> 32)]
    if kind == "integers":
        return np.array([(word * scale >> 64) + shift for word in raw[:count]])
    if kind == "bernoulli":
        return np.array([half < scale for half in halves[:count]], bool)
    dtype, parts, bits = (np.float32, halves, 32) if kind.endswith("32") else (np.float64, raw, 64)
    if kind.startswith("uniform"):
        dropped = 8 if bits == 32 else 11
        exact = np.array([(part >> dropped) / 2 ** (bits - dropped) for part in parts[:count]], dtype)
        return exact * dtype(scale) + dtype(shift)
    made = []
    for u, v in zip(parts[::2], parts[1::2], strict=False):
        radius = scale * math.sqrt(-2 * math.log((u + 0.5) / 2**bits))
        angle = 2 * math.pi * (v - (v >> bits - 1 << bits)) / 2**bits
        made += [radius * math.cos(angle) + shift, radius * math.sin(angle) + shift]
    return np.array(made[:count])
