"""Random numbers: the same seed gives the same numbers, distributions are what they say, states round-trip."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import DTypeError, Generator, ShapeError
from tinygrad_lite.core.errors import StateError


def drawn(g):
    """A bit of everything."""
    return [
        g.uniform((3,)).tolist(), g.normal((3,), dtype="float64").tolist(), g.integers(10, shape=(3,)).tolist(),
        g.permutation(5).tolist(), g.bernoulli(0.5, (7,)).tolist(), [s.uniform().item() for s in g.spawn(2)],
    ]  # fmt: skip


def test_the_same_seed_gives_the_same_numbers():
    assert drawn(Generator(3)) == drawn(Generator(3))
    assert drawn(Generator(3)) != drawn(Generator(4))
    assert drawn(Generator()) != drawn(Generator())


def test_manual_seed_restarts_the_default_generator():
    assert tl.manual_seed(1) is tl.default_generator()
    first = tl.random.normal((3,)).tolist()
    assert tl.random.normal((3,)).tolist() != first
    tl.manual_seed(1)
    assert tl.random.normal((3,)).tolist() == first
    assert tl.random.normal((3,), rng=Generator(1)).tolist() == first


def test_functions_draw_from_rng():
    for name, args in [("uniform", ((2,),)), ("normal", ((2,),)), ("integers", (9, None, (2,))), ("permutation", (9,)),
                       ("bernoulli", (0.5, (9,)))]:  # fmt: skip
        g = Generator(5)
        assert getattr(tl.random, name)(*args, rng=g).tolist() == getattr(Generator(5), name)(*args).tolist()


def test_dtypes():
    g = Generator(0)
    assert g.uniform(2).dtype == g.normal(2).dtype == np.float32
    assert g.uniform(2, dtype="float64").dtype == np.float64
    assert g.normal(2, dtype="float16").dtype == np.float16
    assert g.integers(5).dtype == g.permutation(3).dtype == np.int64
    assert g.integers(5, dtype="int32").dtype == np.int32
    assert g.bernoulli(0.5).dtype == np.bool_
    assert isinstance(g.uniform(), tl.Tensor)
    with pytest.raises(DTypeError, match="random: dtype is int64; a floating-point dtype is required"):
        g.uniform(2, dtype="int64")


def test_distributions():
    g, n = Generator(0), 40_000
    u = g.uniform((n,), low=-1.0, high=3.0).numpy()
    assert -1.0 <= u.min() < -0.99 and 2.99 < u.max() <= 3.0
    assert abs(u.mean() - 1.0) < 4 * np.sqrt(16 / 12 / n)
    z = g.normal((n,), mean=2.0, std=0.5).numpy()
    assert abs(z.mean() - 2.0) < 4 * 0.5 / np.sqrt(n)
    assert abs(z.std() - 0.5) < 4 * 0.5 / np.sqrt(2 * n)
    counts = np.bincount(g.integers(2, 5, (n,)).numpy(), minlength=6)
    assert counts[:2].tolist() == [0, 0] and counts[5] == 0
    assert np.abs(counts[2:5] - n / 3).max() < 4 * np.sqrt(n * 2 / 9)
    assert abs(g.bernoulli(0.3, (n,)).numpy().mean() - 0.3) < 4 * np.sqrt(0.21 / n)
    assert sorted(g.permutation(100).tolist()) == list(range(100))


def test_certain_and_impossible_events():
    g = Generator(0)
    assert g.bernoulli(1.0, (1000,)).data.all()
    assert not g.bernoulli(0.0, (1000,)).data.any()


def test_children_are_independent_of_each_other_and_of_the_parent():
    parent = Generator(0)
    streams = [*parent.spawn(3), parent, Generator(0)]
    values = np.stack([g.normal((2000,)).numpy() for g in streams])
    correlation = np.corrcoef(values) - np.eye(len(streams))
    assert np.abs(correlation).max() < 0.1


@pytest.mark.parametrize("before", [0, 1, 3])
def test_a_state_goes_through_json_and_resumes_bit_for_bit(before):
    g = Generator(7)
    g.uniform((before,))
    state = json.loads(json.dumps(g.state_dict()))
    expected = drawn(g)
    other = Generator(8)
    other.load_state_dict(state)
    assert drawn(other) == expected


@pytest.mark.parametrize("seed", [-1, 1.5, "a", True])
def test_seeds_are_checked(seed):
    with pytest.raises(DTypeError, match="a non-negative integer or None is required"):
        Generator(seed)


def test_arguments_are_checked():
    for draw in (Generator(0).uniform, Generator(0).normal, Generator(0).permutation):
        with pytest.raises(ShapeError, match="random: shape is -1; an integer or a tuple of them is required"):
            draw(-1)
    with pytest.raises(ShapeError, match=r"shape is \(2, 0\.5\); an integer or a tuple"):
        Generator(0).integers(3, shape=(2, 0.5))
    with pytest.raises(StateError, match="Generator: the state lacks buffer, buffer_pos; it must come from state_dict"):
        state = Generator(0).state_dict()
        Generator(0).load_state_dict({name: state[name] for name in state if "buffer" not in name})
    with pytest.raises(ShapeError, match="integers: low is 3 and high is 3; high must be greater than low"):
        Generator(0).integers(3, 3)
    with pytest.raises(ShapeError, match=r"bernoulli: p is 1\.5; a probability from 0 to 1 is required"):
        Generator(0).bernoulli(1.5)
