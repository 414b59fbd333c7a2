"""Initial values: the names of PyTorch, distributions by the test of Kolmogorov and Smirnov, exact properties."""

import inspect
from math import sqrt

import numpy as np
import pytest
from scipy import stats

import tinygrad_lite as tl
from tinygrad_lite import nn
from tinygrad_lite.core.errors import DTypeError, ShapeError
from tinygrad_lite.nn import init

SHAPE = (200, 300)
MATRIX = 2 / (200 + 300)


def p_value(values, distribution):
    """How likely values at least as unlike the distribution are, if they come from it."""
    return stats.kstest(np.asarray(values, np.float64).ravel(), distribution.cdf).pvalue


def symmetric(bound):
    return stats.uniform(-bound, 2 * bound)


CASES = {
    "uniform": ({}, stats.uniform()),
    "uniform between": ({"a": -3.0, "b": 1.0}, stats.uniform(-3, 4)),
    "normal": ({"mean": 5.0, "std": 0.1}, stats.norm(5, 0.1)),
    "trunc_normal": ({}, stats.truncnorm(-2, 2)),
    "trunc_normal one side": ({"mean": 1.0, "std": 2.0, "a": 0.0, "b": 50.0}, stats.truncnorm(-0.5, 24.5, 1, 2)),
    "trunc_normal tail": ({"a": 3.0, "b": 9.0}, stats.truncnorm(3, 9)),
    "trunc_normal far": ({"mean": 1.0, "std": 0.1, "a": -5.0, "b": 0.2}, stats.truncnorm(-60, -8, 1, 0.1)),
    "trunc_normal narrow": ({"a": -0.1, "b": 0.2}, stats.truncnorm(-0.1, 0.2)),
    "xavier_uniform": ({"gain": 2.0}, symmetric(2 * sqrt(3 * MATRIX))),
    "xavier_normal": ({}, stats.norm(0, sqrt(MATRIX))),
    "kaiming_uniform": ({"nonlinearity": "relu"}, symmetric(sqrt(6 / 300))),
    "kaiming_normal": ({"mode": "fan_out", "nonlinearity": "linear"}, stats.norm(0, sqrt(1 / 200))),
    "kaiming_normal leaky": ({"a": 0.5}, stats.norm(0, sqrt(2 / 1.25 / 300))),
}


@pytest.mark.parametrize("name", CASES)
def test_distributions(name):
    arguments, distribution = CASES[name]
    values = getattr(init, name.partition(" ")[0])(SHAPE, rng=tl.Generator(3), **arguments)
    assert values.shape == SHAPE and values.dtype == np.float32
    assert p_value(values, distribution) > 1e-3


def test_the_comparison_notices_a_wrong_distribution():
    arguments, distribution = CASES["trunc_normal tail"]
    values = init.trunc_normal(SHAPE, rng=tl.Generator(0), **arguments)
    assert p_value(values * 1.003, distribution) < 1e-3
    assert p_value(init.kaiming_normal(SHAPE, 0.1, rng=tl.Generator(0)), stats.norm(0, sqrt(2 / 300) * 1.05)) < 1e-3
    assert p_value(init.trunc_normal(SHAPE, a=-2.0, b=2.0, rng=tl.Generator(0)), stats.norm()) < 1e-3


def test_values_are_uncorrelated_and_reproducible():
    for name in ("uniform", "normal", "trunc_normal", "xavier_uniform", "kaiming_normal", "orthogonal"):
        first, second, other = (getattr(init, name)((50, 40), rng=tl.Generator(seed)) for seed in (1, 1, 2))
        assert (first == second).all() and not (first == other).any(), name
        flat = (first - first.mean()).ravel()
        assert abs(flat[1:] @ flat[:-1]) < 0.1 * flat @ flat, name


def test_bounds_of_truncation():
    values = init.trunc_normal((5000,), 0.0, 1.0, -0.04, 0.03, rng=tl.Generator(0), dtype="float64")
    assert values.min() >= -0.04 and values.max() <= 0.03 and np.ptp(values) > 0.069
    with pytest.raises(ShapeError, match="trunc_normal: a is 1.0, b is 1.0 and std is 1.0; a < b and std > 0 are"):
        init.trunc_normal((2,), a=1.0, b=1.0)


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (5, 5), (6, 2, 3, 3), (40, 2, 3, 3), (1, 1)])
def test_orthogonal(shape):
    values = init.orthogonal(shape, 2.0, rng=tl.Generator(0), dtype="float64").reshape(shape[0], -1)
    fewer = min(values.shape)
    product = values @ values.T if len(values) == fewer else values.T @ values
    np.testing.assert_allclose(product, 4 * np.eye(fewer), atol=1e-12)


def test_orthogonal_is_uniform():
    """An entry of a random rotation of the plane is the cosine of a uniform angle; LAPACK's signs alone are not."""
    rng = tl.Generator(0)
    entries = np.array([init.orthogonal((2, 2), rng=rng, dtype="float64")[0, 0] for _ in range(3000)])
    assert stats.kstest(np.arccos(entries), stats.uniform(0, np.pi).cdf).pvalue > 1e-3
    signs = np.array([np.linalg.det(init.orthogonal((3, 3), rng=rng, dtype="float64")) for _ in range(400)])
    assert 150 < (signs > 0).sum() < 250


def test_sparse():
    values = init.sparse((50, 400), 0.25, std=0.5, rng=tl.Generator(0))
    assert ((values == 0).sum(axis=0) == 13).all()
    per_row = (values == 0).sum(axis=1)
    assert per_row.min() > 60 and per_row.max() < 150
    assert p_value(values[values != 0], stats.norm(0, 0.5)) > 1e-3
    assert init.sparse((3, 2), 1.0).tolist() == [[0, 0]] * 3 and (init.sparse((3, 2), 0.0) != 0).all()
    for shape, share in (((3,), 0.5), ((3, 3), 1.5)):
        with pytest.raises(ShapeError, match=r"sparse: shape is \(3.* and sparsity is .*; two axes, \(out, in\), and"):
            init.sparse(shape, share)


def test_eye_and_dirac_keep_what_goes_in():
    np.testing.assert_array_equal(init.eye((2, 3)), [[1, 0, 0], [0, 1, 0]])
    x = np.random.default_rng(0).normal(size=(2, 6, 5, 7)).astype(np.float32)
    for groups in (1, 3):
        layer = nn.Conv2d(6, 6, 3, padding=1, groups=groups, bias=False)
        init.dirac_(layer.weight, groups)
        np.testing.assert_array_equal(layer(x).data, x)
    with pytest.raises(ShapeError, match=r"eye: shape is \(2,\); two axes are required"):
        init.eye((2,))
    with pytest.raises(ShapeError, match=r"dirac: shape is \(4, 4, 3\) and groups is 3; .* divisible by groups"):
        init.dirac((4, 4, 3), 3)
    with pytest.raises(ShapeError, match="orthogonal: shape is"):
        init.orthogonal((4,))


@pytest.mark.parametrize("name", [name for name in init.__all__ if name.endswith("_")])
def test_in_place(name):
    shape = (2, 2, 3) if name == "dirac_" else (3, 2)
    arguments = {"constant_": (2.5,), "sparse_": (0.5,)}.get(name, ())
    random = name[:-1] not in ("constant", "zeros", "ones", "eye", "dirac")
    seed = (lambda: {"rng": tl.Generator(7)}) if random else dict
    parameter = nn.Parameter(np.full(shape, 9.0))
    node = parameter.node
    assert getattr(init, name)(parameter, *arguments, **seed()) is parameter
    assert parameter.node is node and parameter.requires_grad and parameter.dtype == np.float64
    np.testing.assert_array_equal(
        parameter.data, getattr(init, name[:-1])(shape, *arguments, dtype="float64", **seed())
    )


def test_optimizers_see_new_values():
    layer = nn.Linear(2, 2)
    optimizer = tl.optim.SGD(layer, lr=1.0)
    init.ones_(layer.weight)
    layer(np.ones((1, 2), np.float32)).sum().backward()
    optimizer.step()
    np.testing.assert_array_equal(layer.weight.data, np.zeros((2, 2)))


# Against PyTorch


def test_names_and_arguments_are_pytorch_s():
    torch = pytest.importorskip("torch")
    theirs = {n for n in dir(torch.nn.init) if n.endswith("_") and not n.startswith("_")} | {"calculate_gain"}
    deprecated = {n[:-1] for n in theirs if hasattr(torch.nn.init, n[:-1])}
    assert theirs | deprecated <= set(init.__all__)
    assert set(init.__all__) - theirs - deprecated == {"ones", "zeros", "trunc_normal"}
    for name in theirs:
        their = list(inspect.signature(getattr(torch.nn.init, name)).parameters.values())
        make = getattr(init, name.removesuffix("_"))
        our = {p.name: p.default for p in inspect.signature(make).parameters.values()}
        skip = name != "calculate_gain"  # the tensor, for which ours has a shape
        expected = {p.name: p.default for p in their[skip:] if p.name != "generator"}
        assert {key: our.get(key) for key in expected} == expected, name


def test_gains_and_fixed_values_are_pytorch_s():
    torch = pytest.importorskip("torch")
    hint = inspect.signature(torch.nn.init.calculate_gain).parameters["nonlinearity"].annotation
    names = hint.__args__
    assert len(names) >= 12
    for name in names:
        assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name), rel=1e-12)
    assert init.calculate_gain("leaky_relu", 3) == pytest.approx(torch.nn.init.calculate_gain("leaky_relu", 3))
    with pytest.raises(DTypeError, match="calculate_gain: param is True; the negative slope, a number, is required"):
        init.calculate_gain("leaky_relu", True)
    for shape, groups in (((4, 2, 3), 1), ((6, 2, 4, 3), 3), ((2, 5, 3, 3, 2), 2)):
        expected = torch.nn.init.dirac_(torch.empty(shape), groups).numpy()
        np.testing.assert_array_equal(init.dirac(shape, groups), expected)
