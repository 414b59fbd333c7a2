"""Values and gradients of the network operations against PyTorch, where it is installed."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl

torch = pytest.importorskip("torch", reason="PyTorch is not installed, so nothing can be compared with it")
F = torch.nn.functional
RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.standard_normal(shape)


EDGES = np.array([-1000.0, -50.0, -5.0, -1.0, -0.3, 0.2, 1.0, 5.0, 50.0, 1000.0])
SMOOTH_EDGES = np.append(EDGES, 0.0)


def agree(ours, theirs, *inputs, rtol=1e-9):
    """Values, and gradients along a random cotangent, in float64; where both are NaN they agree."""
    given = [tl.tensor(x, requires_grad=True) for x in inputs]
    out = ours(*given)
    given_torch = [torch.tensor(x, requires_grad=True) for x in inputs]
    expected = theirs(*given_torch)
    np.testing.assert_allclose(out.detach().numpy(), expected.detach().numpy(), rtol=rtol, atol=1e-12)
    g = RNG.standard_normal(expected.shape)
    out.backward(g)
    expected.backward(torch.tensor(g))
    for x, y in zip(given, given_torch, strict=True):
        np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=rtol, atol=1e-12)
    np.testing.assert_allclose(ours(*inputs), expected.detach().numpy(), rtol=rtol, atol=1e-12)


@pytest.mark.parametrize(
    ("ours", "theirs", "x"),
    [
        (tl.relu, F.relu, SMOOTH_EDGES),
        (tl.leaky_relu, F.leaky_relu, SMOOTH_EDGES),
        (tl.elu, F.elu, SMOOTH_EDGES),
        (lambda x: tl.elu(x, alpha=0.5), lambda x: F.elu(x, alpha=0.5), SMOOTH_EDGES),
        (tl.sigmoid, torch.sigmoid, SMOOTH_EDGES),
        (tl.silu, F.silu, SMOOTH_EDGES),
        (tl.softplus, F.softplus, SMOOTH_EDGES[1:-1] / 4),
        (lambda x: tl.softplus(x, beta=2.0), lambda x: F.softplus(x, beta=2.0), SMOOTH_EDGES[2:-2]),
        (tl.gelu, F.gelu, SMOOTH_EDGES),
        (lambda x: tl.gelu(x, approximate="tanh"), lambda x: F.gelu(x, approximate="tanh"), SMOOTH_EDGES),
        (tl.erf, torch.erf, SMOOTH_EDGES),
        (tl.softmax, lambda x: F.softmax(x, -1), normal(3, 4)),
        (lambda x: tl.softmax(x, axis=1), lambda x: F.softmax(x, 1), normal(3, 4, 2)),
        (tl.softmax, lambda x: F.softmax(x, -1), SMOOTH_EDGES),
        (tl.log_softmax, lambda x: F.log_softmax(x, -1), SMOOTH_EDGES),
        (lambda x: tl.log_softmax(x, axis=0), lambda x: F.log_softmax(x, 0), normal(3, 4, 2)),
    ],
)
def test_activations(ours, theirs, x):
    agree(ours, theirs, x, rtol=1e-7)


def test_softmax_with_minus_infinity():
    x = np.array([[0.0, -np.inf, 2.0], [1.0, 2.0, 3.0]])
    agree(tl.softmax, lambda x: F.softmax(x, -1), x)
    agree(lambda x: tl.log_softmax(x)[1], lambda x: F.log_softmax(x, -1)[1], x)


def test_layer_norm():
    agree(
        lambda x, w, b: tl.layer_norm(x, w, b),
        lambda x, w, b: F.layer_norm(x, (5,), w, b),
        normal(3, 4, 5),
        normal(5),
        normal(5),
    )
    agree(
        lambda x, w, b: tl.layer_norm(x, w, b, axis=(-2, -1), eps=1e-3),
        lambda x, w, b: F.layer_norm(x, (4, 5), w, b, eps=1e-3),
        normal(3, 4, 5), normal(4, 5), normal(4, 5),
    )  # fmt: skip
    agree(tl.layer_norm, lambda x: F.layer_norm(x, (5,)), normal(3, 5))


def test_batch_norm():
    x, w, b = normal(4, 3, 2, 2), normal(3), normal(3)
    mean, var = normal(3), np.abs(normal(3)) + 0.5

    def training(x, w, b):
        centre, var, _ = tl.batch_statistics(x)
        return tl.batch_norm(x, centre, var, w, b)

    agree(training, lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), x, w, b, rtol=1e-7)
    agree(
        lambda x, w, b: tl.batch_norm(x, mean, var, w, b),
        lambda x, w, b: F.batch_norm(x, torch.tensor(mean), torch.tensor(var), w, b),
        x, w, b,
    )  # fmt: skip
    running = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    F.batch_norm(torch.tensor(x), *running, training=True, momentum=1.0)
    centre, _, unbiased = tl.batch_statistics(x)
    np.testing.assert_allclose(centre, running[0].numpy())
    np.testing.assert_allclose(unbiased, running[1].numpy())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stride": 2},
        {"stride": (2, 3), "padding": (1, 2)},
        {"padding": "same"},
        {"padding": "same", "dilation": (1, 2)},
        {"padding": "valid", "dilation": 2},
        {"groups": 2, "padding": 1},
        {"groups": 4, "stride": 2, "padding": 3, "dilation": 2},
    ],
)
@pytest.mark.filterwarnings("ignore:Using padding=.same. with even kernel")
@pytest.mark.parametrize("kernel", [(3, 3), (2, 3), (1, 1)])
def test_conv2d(options, kernel):
    groups = options.get("groups", 1)
    x, w, b = normal(2, 4, 7, 8), normal(8, 4 // groups, *kernel), normal(8)
    agree(lambda *a: tl.conv2d(*a, **options), lambda *a: F.conv2d(*a, **options), x, w, b)
    agree(lambda *a: tl.conv2d(*a, **options), lambda *a: F.conv2d(*a, **options), x, w)


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 2},
        {"kernel_size": (3, 2)},
        {"kernel_size": 3, "stride": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 2, "stride": 3},
        {"kernel_size": (2, 3), "stride": (1, 2), "padding": (1, 0)},
    ],
)
def test_pooling(options):
    x = normal(2, 3, 7, 8)
    agree(lambda x: tl.max_pool2d(x, **options), lambda x: F.max_pool2d(x, **options), x)
    agree(lambda x: tl.avg_pool2d(x, **options), lambda x: F.avg_pool2d(x, **options), x)
    options = options | {"count_include_pad": False}
    agree(lambda x: tl.avg_pool2d(x, **options), lambda x: F.avg_pool2d(x, **options), x)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
@pytest.mark.parametrize("shape", [(5, 4), (2, 4, 3), (4,), (2, 4, 2, 3)])
def test_cross_entropy(reduction, label_smoothing, shape):
    options = {"reduction": reduction, "label_smoothing": label_smoothing}
    rest = shape[:1] + shape[2:] if len(shape) > 1 else ()
    logits, target = normal(*shape) * 3, np.asarray(RNG.integers(0, 4, rest))
    if rest:
        target.flat[0] = -100
    agree(
        lambda x: tl.cross_entropy(x, target, **options),
        lambda x: F.cross_entropy(x, torch.tensor(target), **options),
        logits,
    )
    probabilities = np.abs(normal(*shape))
    agree(
        lambda x, t: tl.cross_entropy(x, t, **options),
        lambda x, t: F.cross_entropy(x, t, **options),
        logits,
        probabilities,
    )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_other_losses(reduction):
    agree(
        lambda x, y: tl.mse(x, y, reduction=reduction),
        lambda x, y: F.mse_loss(x, y, reduction=reduction),
        normal(3, 4),
        normal(3, 4),
    )
    agree(
        lambda x, t: tl.binary_cross_entropy_with_logits(x, t, reduction=reduction),
        lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction=reduction),
        SMOOTH_EDGES, RNG.uniform(size=SMOOTH_EDGES.shape),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("ij,jk->ik", [(2, 3), (3, 4)]),
        ("ij,kj", [(2, 3), (4, 3)]),
        ("ii->i", [(3, 3)]),
        ("ii", [(3, 3)]),
        ("iji->j", [(3, 2, 3)]),
        ("ij->ji", [(2, 3)]),
        ("bij,bjk->bik", [(5, 2, 3), (5, 3, 4)]),
        ("bhqd,bhkd->bhqk", [(2, 3, 4, 5), (2, 3, 6, 5)]),
        ("...ij,...jk->...ik", [(2, 1, 2, 3), (4, 3, 2)]),
        ("i...,i...->...", [(3, 2, 4), (3, 1, 4)]),
        ("i,j,k->kji", [(2,), (3,), (4,)]),
        ("ij,jk,kl,lm->im", [(2, 3), (3, 4), (4, 2), (2, 5)]),
        ("i,i,i->", [(3,), (3,), (3,)]),
        ("ij,ik->i", [(2, 3), (2, 4)]),
        ("ijk,j->ki", [(2, 3, 4), (3,)]),
        ("ba,ca->bc", [(2, 3), (4, 3)]),
    ],
)
def test_einsum(subscripts, shapes):
    arrays = [normal(*shape) for shape in shapes]
    agree(lambda *a: tl.einsum(subscripts, *a), lambda *a: torch.einsum(subscripts, *a), *arrays)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ((3,), (3,)), ((3,), (3, 4)), ((2, 3), (3,)), ((2, 3), (3, 4)), ((5, 2, 3), (3,)), ((5, 2, 3), (3, 4)),
        ((3,), (5, 3, 4)), ((2, 3), (5, 3, 4)), ((5, 1, 2, 3), (6, 3, 4)), ((5, 2, 3), (5, 3, 4)),
        ((6, 5, 2, 3), (3, 4)),
    ],
)  # fmt: skip
def test_matmul(x, y):
    agree(tl.matmul, torch.matmul, normal(*x), normal(*y))
