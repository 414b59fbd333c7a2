"""Proximal maps and projections: against their definitions, and after an optimizer's update."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.regularizers.test_penalties import model, weights
from tinygrad_lite import nn, optim
from tinygrad_lite.fusion import updates
from tinygrad_lite.fusion.programs import Blocks
from tinygrad_lite.regularizers import (
    L1,
    L2,
    Box,
    Constraint,
    ElasticNet,
    GroupLasso,
    MaxNorm,
    NonNegative,
    NuclearNorm,
    Orthogonal,
    Penalty,
    SpectralNorm,
    UnitNorm,
    biases,
    matrices,
)

RNG = np.random.default_rng(0)

PENALTIES = [
    L1(0.7), L2(0.7), ElasticNet(0.7, 0.3), GroupLasso(0.4), GroupLasso(0.4, axis=1), GroupLasso(0.3, axis=(0, 1)),
    NuclearNorm(0.8), SpectralNorm(0.8), L1(0.2) + GroupLasso(0.3), L1(0.2) + GroupLasso(0.3) + L2(0.5),
    NuclearNorm(0.5) + L2(0.4), SpectralNorm(0.5) + L2(0.4), L1(0.2) + L1(0.3), L2(0.5) + L1(0.3),
    NuclearNorm(0.3) + NuclearNorm(0.2),
]  # fmt: skip


def mapped(penalty, w, lr):
    """What `project=` does to w."""
    return penalty.projections([("w", tl.tensor(w))])["w"](w, lr)


def objective(penalty, v, w, lr):
    return 0.5 * ((v - w) ** 2).sum() + lr * penalty([tl.tensor(v)]).item()


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
@pytest.mark.parametrize("lr", [0.3, 1.0, 10.0])
def test_the_proximal_map_is_the_minimum(penalty, lr):
    """No point around it is better, near or far: the objective is convex, so it is the minimum."""
    for shape in ((3, 5), (5, 3), (2, 3, 2, 2)):
        w = RNG.normal(size=shape)
        best = mapped(penalty, w, lr)
        least = objective(penalty, best, w, lr)
        others = [best + scale * RNG.normal(size=shape) for scale in (1e-6, 1e-3, 0.1, 1.0) for _ in range(20)]
        others += [(1 - a) * best + a * end for a in (1e-4, 1e-2, 1.0) for end in (w, np.zeros(shape))]
        single = [
            best + step * (np.arange(best.size) == i).reshape(shape) for i in range(w.size) for step in (-1e-5, 1e-5)
        ]
        assert all(objective(penalty, v, w, lr) >= least - 1e-13 for v in others + single)
        assert objective(penalty, w, w, lr) > least + 1e-6


def test_a_wrong_map_is_noticed():
    class Twice(L1):
        def prox(self, w, t):
            return super().prox(w, 2 * t)

    with pytest.raises(AssertionError):
        test_the_proximal_map_is_the_minimum(Twice(0.7), 0.3)


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_maps_keep_the_dtype_and_the_array(penalty):
    w = RNG.normal(size=(3, 4)).astype("float32")
    before = w.copy()
    assert mapped(penalty, w, 0.1).dtype == np.float32
    np.testing.assert_array_equal(w, before)


def test_zeros_are_exact():
    w = RNG.normal(size=(20, 30))
    soft = L1(1.0).prox(w, 0.5)
    np.testing.assert_array_equal(soft == 0, np.abs(w) <= 0.5)
    np.testing.assert_allclose(soft, np.sign(w) * np.maximum(np.abs(w) - 0.5, 0), rtol=1e-15)
    w *= np.linspace(0, 2, 20)[:, None]
    rows = GroupLasso(1.0).prox(w, 1.0)
    np.testing.assert_array_equal((rows == 0).all(axis=1), np.linalg.norm(w, axis=1) <= np.sqrt(30))
    assert 0 < (rows == 0).all(axis=1).sum() < 20 and not ((rows == 0).any(axis=1) & ~(rows == 0).all(axis=1)).any()
    columns = GroupLasso(1.0, axis=1).prox(w.T, 1.0)
    np.testing.assert_array_equal(columns.T, rows)


def test_singular_values_are_thresholded():
    w = RNG.normal(size=(4, 6))
    s = np.linalg.svd(w, compute_uv=False)
    found = np.linalg.svd(NuclearNorm(1.0).prox(w, s[2]), compute_uv=False)
    np.testing.assert_allclose(found, np.maximum(s - s[2], 0), atol=1e-13)
    level = np.linalg.svd(SpectralNorm(1.0).prox(w, s[0] - s[1]), compute_uv=False)
    np.testing.assert_allclose(level, np.minimum(s, s[1]), rtol=1e-12)
    np.testing.assert_allclose(SpectralNorm(1.0).prox(w, s.sum() + 1), 0 * w, atol=1e-14)


CONSTRAINTS = [
    NonNegative(), Box(-0.5, 0.8), MaxNorm(1.2), MaxNorm(0.7, axis=1), MaxNorm(0.6, axis=(0, 1)), UnitNorm(),
    UnitNorm(axis=1),
]  # fmt: skip


def fulfils(constraint, w):
    axis = getattr(constraint, "axis", 0)
    within = tuple(i for i in range(w.ndim) if i not in (axis if isinstance(axis, tuple) else (axis,)))
    norms = np.sqrt((w * w).sum(axis=within))
    if isinstance(constraint, MaxNorm):
        return (norms <= constraint.limit * (1 + 1e-14)).all()
    if isinstance(constraint, UnitNorm):
        return np.allclose(norms, 1, rtol=1e-14)
    low, high = (0.0, np.inf) if isinstance(constraint, NonNegative) else (constraint.low, constraint.high)
    return ((w >= low) & (w <= high)).all()


@pytest.mark.parametrize("constraint", CONSTRAINTS, ids=repr)
def test_projections_fulfil_are_idempotent_and_nearest(constraint):
    for shape in ((3, 5), (2, 3, 2, 2)):
        w = RNG.normal(size=shape)
        nearest = constraint.nearest(w)
        assert not fulfils(constraint, w) and fulfils(constraint, nearest)
        np.testing.assert_allclose(constraint.nearest(nearest), nearest, rtol=1e-14)
        distance = np.linalg.norm(nearest - w)
        for scale in (1e-4, 1e-2, 0.1, 1.0):
            for _ in range(50):
                other = constraint.nearest(nearest + scale * RNG.normal(size=shape))
                assert np.linalg.norm(other - w) >= distance - 1e-13


def test_a_unit_norm_of_zeros():
    np.testing.assert_allclose(UnitNorm().nearest(np.zeros((2, 4))), np.full((2, 4), 0.5))


# After an update


def trained(optimizer, m, steps=5):
    x, y = np.random.default_rng(0).normal(size=(8, 3)), np.random.default_rng(1).normal(size=(8, 2))
    for _ in range(steps):
        optimizer.zero_grad()
        tl.mse(m(x), y).backward()
        optimizer.step()
    return weights(m)


def test_maps_follow_the_update():
    """Against a step without `project`, mapped by hand with the learning rate times the strength."""
    penalty = L1(0.5).on(matrices) + L2(0.2) + Box(-0.2, 0.3).on(biases)
    plain, mapped_one = model(), model()
    found = trained(optim.Adam(mapped_one, lr=0.1, project=penalty), mapped_one, steps=1)
    for name, w in trained(optim.Adam(plain, lr=0.1), plain, steps=1).items():
        expected = L1(0.5).prox(w, 0.05) / 1.02 if w.ndim == 2 else np.clip(w / 1.02, -0.2, 0.3)
        np.testing.assert_allclose(found[name], expected, rtol=1e-14)


def test_small_blocks_change_nothing(monkeypatch):
    penalty = L1(0.5) + GroupLasso(0.1) + NonNegative().on(biases)
    first = model()
    expected = trained(optim.SGD(first, 0.1, project=penalty), first)
    monkeypatch.setattr(updates, "_programs", {})
    monkeypatch.setattr(Blocks, "most", 2)
    monkeypatch.setattr(Blocks, "alone", 0)
    second = model()
    for name, w in trained(optim.SGD(second, 0.1, project=penalty), second).items():
        np.testing.assert_array_equal(w, expected[name])


def sparse_problem():
    x = RNG.normal(size=(60, 12))
    truth = np.zeros((4, 12))
    truth[1, :3] = [2.0, -3.0, 1.0]
    truth[3, 2:4] = [1.0, 2.0]
    return x, x @ truth.T + 0.01 * RNG.normal(size=(60, 4)), truth


def fitted(project, steps=300):
    x, y, truth = sparse_problem()
    layer = nn.Linear(12, 4, bias=False).to("float64")
    optimizer = optim.SGD(layer, lr=0.3, project=project)
    for _ in range(steps):
        optimizer.zero_grad()
        (0.5 * ((layer(x) - y) ** 2).sum() / 60).backward()
        optimizer.step()
    return x, y, layer.weight.data.copy(), truth


def test_proximal_gradient_descent_finds_the_lasso_with_exact_zeros():
    """The optimality conditions of the lasso: the gradient is -strength * sign(w), or within strength where w is 0."""
    x, y, w, truth = fitted(L1(0.05))
    slope = ((x @ w.T - y).T @ x) / 60
    zero = w == 0
    assert (zero == (truth == 0)).all()
    np.testing.assert_allclose(slope[~zero], -0.05 * np.sign(w[~zero]), rtol=1e-8)
    assert (np.abs(slope[zero]) < 0.05).all()


def test_the_group_lasso_removes_whole_units():
    _, _, w, truth = fitted(GroupLasso(0.05))
    np.testing.assert_array_equal((w == 0).all(axis=1), (truth == 0).all(axis=1))
    _, _, w, truth = fitted(GroupLasso(0.05, axis=1))
    np.testing.assert_array_equal((w == 0).all(axis=0), (truth == 0).all(axis=0))


def test_the_gradient_of_l1_gives_no_zeros():
    x, y, _ = sparse_problem()
    layer = nn.Linear(12, 4, bias=False).to("float64")
    optimizer = optim.SGD(layer, lr=0.3, decay=L1(0.05))
    for _ in range(300):
        optimizer.zero_grad()
        (0.5 * ((layer(x) - y) ** 2).sum() / 60).backward()
        optimizer.step()
    assert not (layer.weight.data == 0).any()


# Errors


class Quartic(Penalty):
    def of(self, w):
        return (w**4).sum()


@pytest.mark.parametrize(
    ("penalty", "message"),
    [
        (
            Orthogonal(0.1),
            r"project: Orthogonal\(0.1\) has no proximal map; add it to the loss, or give it to the optim",
        ),
        (Quartic(0.1) + L2(0.1), r"project: Quartic\(0.1\) has no proximal map"),
        (
            L1(0.1) + NuclearNorm(0.1),
            r"the proximal map of L1\(0.1\) \+ NuclearNorm\(0.1\) on one parameter is not known",
        ),
        (GroupLasso(0.1) + GroupLasso(0.1, axis=1), "is not known; add one of them to the loss"),
        (SpectralNorm(0.1) + NuclearNorm(0.1), "is not known"),
        (L1(0.1) + GroupLasso(0.1) + NuclearNorm(0.1), "is not known"),
    ],
)
def test_sums_without_a_known_map(penalty, message):
    with pytest.raises(ValueError, match=message):
        optim.SGD(model(), 0.1, project=penalty)


def test_terms_of_ones_own_with_a_map():
    class Square(Penalty):
        def of(self, w):
            return 0.5 * (w * w).sum()

        def prox(self, w, t):
            return w / (1 + t)

    np.testing.assert_allclose(mapped(Square(0.5), np.ones(2), 1.0), 1 / 1.5)
    with pytest.raises(ValueError, match="is not known"):  # L2 is only known after what is homogeneous
        mapped(Square(0.5) + L2(0.1), np.ones(2), 1.0)
    with pytest.raises(NotImplementedError, match=r"Constraint: define nearest\(self, w\)"):
        Constraint().nearest(np.ones(2))


def test_constraints_have_no_value():
    message = r"penalty: NonNegative\(\) is a constraint, which has no value and no gradient; give it to the optimizer"
    with pytest.raises(TypeError, match=message):
        (L2(0.1) + NonNegative())(model())
    with pytest.raises(TypeError, match=message):
        optim.SGD(model(), 0.1, decay=NonNegative())


def test_settings_out_of_range():
    for make, message in (
        (lambda: MaxNorm(0.0), "MaxNorm: limit is 0.0; it must be above 0"),
        (lambda: Box(1.0, 0.0), "Box: low is 1.0 and high is 0.0; low must not be above high"),
        (lambda: ElasticNet(1.0, 2.0), "ElasticNet: l1_ratio is 2.0; it must be from 0 to 1"),
        (lambda: GroupLasso(-1.0), "GroupLasso: strength is -1.0; it must be at least 0"),
    ):
        with pytest.raises(ValueError, match=message):
            make()


def test_constraints_are_values():
    assert MaxNorm(2.0) * 3 == MaxNorm(2.0) != MaxNorm(2.0, axis=1)
    assert repr(MaxNorm(2.0) + NonNegative().on(biases)) == "MaxNorm(limit=2.0, axis=0) + NonNegative().on(biases)"
    assert repr(GroupLasso(0.1)) == "GroupLasso(0.1, axis=0)"
