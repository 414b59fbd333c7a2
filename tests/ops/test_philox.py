"""Random numbers of Philox: known answers, the definition element by element, and what a draw takes from the stream."""

from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import pytest
from scipy import stats

from tests.ops.philox import numbers, philox, words
from tinygrad_lite import DTypeError, Generator
from tinygrad_lite.core.philox import CHUNK, KINDS, Stream

# From the file kat_vectors of Random123, the authors' library: philox4x64, 10 rounds.
KNOWN = [
    ("0" * 16, "0" * 16, "16554d9eca36314c db20fe9d672d0fdc d7e772cee186176b 7e68b68aec7ba23b"),
    ("f" * 16, "f" * 16, "87b092c3013fe90b 438c3c67be8d0224 9cc7d7c69cd777b6 a09caebf594f0ba0"),
    (
        "243f6a8885a308d3 13198a2e03707344 a4093822299f31d0 082efa98ec4e6c89",
        "452821e638d01377 be5466cf34e90c6c",
        "a528f45403e61d95 38c72dbd566e9788 a5a1610e72fd18b5 57bd43b5e52b7fe6",
    ),
]  # fmt: skip


def integers_of(text, count):
    found = [int(word, 16) for word in text.split()]
    return found * count if len(found) == 1 else found


@pytest.mark.parametrize("counter, key, expected", KNOWN)
def test_known_answers(counter, key, expected):
    key, expected = integers_of(key, 2), integers_of(expected, 4)
    counter = sum(word << 64 * i for i, word in enumerate(integers_of(counter, 4)))
    assert list(philox(key, counter)) == expected
    assert Stream(key=key).raw(4 * (counter - 1), 4).tolist() == expected


@pytest.mark.parametrize("block", [0, 1, 2**64 - 2, 2**64 - 1, 2**128 - 1, 2**256 - 2])
def test_words_at_any_position(block):
    stream = Stream(key=(3, 2**64 - 5))
    for start, count in [(4 * block, 9), (4 * block + 3, 2), (4 * block + 1, 3), (4 * block + 6, 1), (4 * block, 1)]:
        assert stream.raw(start, count).tolist() == words(stream.key, start, count)


SCALES = {
    "uniform32": (2.5, -1.25), "uniform64": (2.5, -1.25), "normal32": (0.75, 3.0), "normal64": (0.75, 3.0),
    "integers": (10, -3), "bernoulli": (round(0.3 * 2**32), 0),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 3])
def test_numbers_are_those_of_their_definition(kind, size):
    stream = Stream(key=(1, 2))
    for before in range(6):
        start = stream.position = before
        if kind.startswith(("normal", "bernoulli")):
            start = -(-before // 4) * 4
        made = stream.draw(kind, (size,), *SCALES[kind]).make()
        expected = numbers(kind, stream.key, start, size, *SCALES[kind])
        if kind.startswith("normal"):
            tolerance = 2e-6 if kind == "normal32" else 2e-15
            np.testing.assert_allclose(made, expected, rtol=tolerance, atol=2 * tolerance)
        else:
            np.testing.assert_array_equal(made, expected)
        taken = size if kind in ("integers", "uniform64", "normal64") else -(-size // 2)
        assert stream.position == start + (-(-taken // 4) * 4 if kind.startswith(("normal", "bernoulli")) else taken)
        if size > 100:
            break


@pytest.mark.parametrize("width", [1, 3, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64])
def test_integers_of_every_range(width):
    stream = Stream(key=(5, 6))
    made = stream.draw("integers", (500,), width, -(2**63)).make()
    assert made.tolist() == numbers("integers", stream.key, 0, 500, width, -(2**63)).tolist()


def test_uniform_numbers_are_numpys():
    numpys, g = np.random.Generator(np.random.Philox(11)), Generator(11)
    for dtype in ("float32", "float64", "float32"):
        np.testing.assert_array_equal(g.uniform((10,), dtype=dtype).numpy(), numpys.random(10, dtype=dtype))
    assert g.integers(-5, 2**50, (20,)).tolist() == numpys.integers(-5, 2**50, 20).tolist()
    assert g.permutation(40).tolist() == numpys.permutation(40).tolist()


def test_kinds_after_one_another_go_on_where_the_one_before_ended():
    g, start = Generator(4), 0
    for count, draw, kind, per, whole in [
        (3, lambda: g.uniform((3,)), "uniform32", 2, False),
        (2, lambda: g.integers(1000, shape=2), "integers", 1, False),
        (5, lambda: g.bernoulli(0.5, 5), "bernoulli", 2, True), (3, lambda: g.uniform(3), "uniform32", 2, False),
        (3, lambda: g.normal((3,), dtype="float64"), "normal64", 1, True),
        (9, lambda: g.normal(9), "normal32", 2, True),
        (1, lambda: g.uniform((), dtype="float64"), "uniform64", 1, False),
    ]:  # fmt: skip
        start = -(-start // 4) * 4 if whole else start
        scale = {"integers": 1000, "bernoulli": 2**31}.get(kind, 1)
        expected = numbers(kind, g._stream.key, start, count, scale)
        np.testing.assert_allclose(np.atleast_1d(draw().numpy()), expected, rtol=1e-5, atol=1e-6)
        start += -(-count // per)
        start = -(-start // 4) * 4 if whole else start
    assert g._stream.position == start


@pytest.mark.parametrize("kind", ["normal32", "normal64"])
def test_the_greatest_normal_numbers(kind):
    class Zeros(Stream):
        def raw(self, start, count):
            made = np.zeros(count, np.uint64)
            made[1] = 2**64 - 1
            return made

    z = Zeros(key=(0, 0)).draw(kind, (4,)).make()
    assert z[0] == pytest.approx(np.sqrt(2 * np.log(2.0) * (33 if kind == "normal32" else 65)), rel=1e-6)
    assert abs(z[1]) < 1e-8 and np.isfinite(z).all()


def test_distributions():
    g, n = Generator(17), 200_000
    for dtype in ("float32", "float64"):
        z = g.normal((n,), dtype=dtype).numpy()
        assert stats.kstest(z, "norm").pvalue > 1e-3
        assert stats.kstest(z[:-1:2] ** 2 + z[1::2] ** 2, "chi2", (2,)).pvalue > 1e-3
        assert abs(np.corrcoef(z[:-1], z[1:])[0, 1]) < 5 / np.sqrt(n)
        assert (np.abs(z) > 3).mean() == pytest.approx(2 * stats.norm.sf(3), abs=5 * np.sqrt(0.0027 / n))
        assert stats.kstest(g.uniform((n,), dtype=dtype).numpy(), "uniform").pvalue > 1e-3
    for low, high in [(0, 10), (-3, 4), (0, 2**40)]:
        made = g.integers(low, high, (n,)).numpy()
        counts, _ = np.histogram(made, bins=min(high - low, 64), range=(low, high))
        assert stats.chisquare(counts).pvalue > 1e-3
    for p in (0.01, 0.5, 0.9):
        assert stats.binomtest(int(g.bernoulli(p, (n,)).numpy().sum()), n, p).pvalue > 1e-3


def test_a_state_with_half_a_word_left_goes_on_behind_it():
    numpys = np.random.Philox(9)
    np.random.Generator(numpys).random(3, dtype="float32")
    state = numpys.state
    assert state["has_uint32"]
    g = Generator(0)
    g.load_state_dict(
        {name: state[name] for name in ("has_uint32", "uinteger", "buffer_pos")}
        | {"buffer": state["buffer"].tolist()} | {name: word.tolist() for name, word in state["state"].items()}
    )  # fmt: skip
    assert g.uniform((), dtype="float64").item() == np.random.Generator(numpys).random()
    assert g.state_dict()["has_uint32"] == 0


def test_the_state_is_one_of_numpys():
    for taken in range(6):
        g, numpys = Generator(9), np.random.Philox(0)
        g.uniform((taken,), dtype="float64")
        state = g.state_dict()
        words = {name: np.array(state[name], np.uint64) for name in ("counter", "key", "buffer")}
        numpys.state = {"bit_generator": "Philox", "state": {"counter": words["counter"], "key": words["key"]},
                        **{name: state[name] for name in ("buffer_pos", "has_uint32", "uinteger")},
                        "buffer": words["buffer"]}  # fmt: skip
        assert np.random.Generator(numpys).random() == g.uniform((), dtype="float64").item()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g))])
def test_a_copy_goes_on_by_itself(copied):
    g = Generator(2)
    g.uniform((5,))
    other = copied(g)
    expected = g.normal((4,)).tolist()
    assert other.normal((4,)).tolist() == expected


def test_threads_share_a_generator():
    g, made = Generator(3), []
    threads = [threading.Thread(target=lambda: made.append(g.uniform((20_000,)).numpy())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    together = Generator(3).uniform((160_000,)).numpy().reshape(8, -1)
    assert sorted(part.tobytes() for part in made) == sorted(part.tobytes() for part in together)


def test_bounds_are_checked():
    with pytest.raises(DTypeError, match=r"integers: low is 0 and high is 2\.5; integers are required"):
        Generator(0).integers(2.5)
    with pytest.raises(
        DTypeError, match="integers: low is 0 and high is 9223372036854775809; what is drawn must fit int64"
    ):
        Generator(0).integers(2**63 + 1)
    assert Generator(0).integers(-(2**63), 2**63, 3).shape == (3,)
