"""Exact edges and messages of `ops/normalization.py`."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import ShapeError


def message(function, *arguments, **options):
    with pytest.raises(ShapeError) as caught:
        function(*arguments, **options)
    return str(caught.value)


def test_constant_rows_become_zero():
    np.testing.assert_array_equal(tl.layer_norm(np.full((2, 3), 7.0)), np.zeros((2, 3)))


def test_float32_far_from_zero_keeps_its_variance():
    # mean(x**2) - mean(x)**2 would be wrong in the first digit here.
    x = np.array([[10000.0, 10001.0, 10002.0]], "float32")
    np.testing.assert_allclose(tl.layer_norm(x, eps=0.0), [[-np.sqrt(1.5), 0, np.sqrt(1.5)]], rtol=1e-5)
    mean, var, _ = tl.batch_statistics(x.T)
    np.testing.assert_allclose([mean, var], [[10001], [2 / 3]], rtol=1e-5)


def test_weights_of_wrong_shape_do_not_broadcast():
    assert message(tl.layer_norm, np.ones((2, 3)), np.ones(1)) == (
        "layer_norm: weight is (1,) and x is (2, 3); weight must have the lengths of x along axis 1, (3,)."
    )
    assert message(tl.layer_norm, np.ones((2, 3)), None, np.ones(3), axis=(0, 1)) == (
        "layer_norm: bias is (3,) and x is (2, 3); bias must have the lengths of x along axis 0, 1, (2, 3)."
    )
    assert message(tl.batch_norm, np.ones((2, 3)), np.ones(1), np.ones(3)) == (
        "batch_norm: mean is (1,) and x is (2, 3); mean must have the lengths of x along axis 1, (3,)."
    )
    assert message(tl.batch_norm, np.ones((2, 3)), np.ones(3), np.ones((2, 3))) == (
        "batch_norm: var is (2, 3) and x is (2, 3); var must have the lengths of x along axis 1, (3,)."
    )


def test_axes_that_do_not_exist():
    assert message(tl.layer_norm, np.ones((2, 3)), axis=2) == (
        "layer_norm: x is (2, 3) and axis=2; axis 2 does not exist: the array has 2 axes, so axis must be from -2 to 1."
    )
    assert message(tl.batch_norm, np.ones(2), np.ones(2), np.ones(2)).startswith(
        "batch_norm: x is (2,) and axis=1; axis"
    )
    assert message(tl.batch_statistics, np.ones(2)).startswith(
        "batch_statistics: x is (2,) and axis=1; axis 1 does not"
    )


def test_one_value_per_channel_has_no_variance():
    assert message(tl.batch_statistics, np.ones((1, 3))) == (
        "batch_statistics: x is (1, 3), with 1 values per channel; a variance needs at least 2."
    )


def test_dropout_keeps_the_mean_and_the_seed_decides():
    x = np.ones(100_000, "float32")
    out = tl.dropout(x, p=0.25, rng=tl.Generator(3))
    assert out.dtype == np.float32
    assert set(np.unique(out)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs(out.mean() - 1) < 0.01
    np.testing.assert_array_equal(out, tl.dropout(x, p=0.25, rng=tl.Generator(3)))
    assert (out != tl.dropout(x, p=0.25, rng=tl.Generator(4))).any()


def test_dropout_uses_the_default_generator():
    tl.manual_seed(5)
    out = tl.dropout(np.ones(1000))
    tl.manual_seed(5)
    np.testing.assert_array_equal(out, tl.dropout(np.ones(1000)))


def test_dropout_passes_the_gradient_where_it_passes_the_value():
    x = tl.tensor(np.ones(1000), requires_grad=True)
    out = tl.dropout(x, p=0.5, rng=tl.Generator(0))
    out.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), out.detach().numpy())


@pytest.mark.numpy_only("is about memory that NumPy's arrays share")
def test_dropout_at_its_limits():
    x = np.array([1.0, np.inf])
    assert tl.dropout(x, p=0.0) is x and tl.dropout(x, training=False) is x
    np.testing.assert_array_equal(tl.dropout(x, p=1.0), [0.0, 0.0])
    assert message(tl.dropout, x, p=1.5) == "dropout: p is 1.5; it must be a probability, from 0 to 1."


def test_messages_of_groups_and_windows():
    assert message(tl.group_norm, np.ones((2, 3, 4)), num_groups=2) == (
        "group_norm: x is (2, 3, 4) and num_groups is 2; x must be (n, channels, ...), with a multiple of num_groups "
        "for channels."
    )
    assert message(tl.group_norm, np.ones((2, 4)), np.ones(2), num_groups=2) == (
        "group_norm: weight is (2,) and x is (2, 4); weight must have the lengths of x along axis 1, (4,)."
    )
    assert message(tl.instance_norm, np.ones((2, 3, 1))) == (
        "instance_norm: x is (2, 3, 1); it must be (n, channels, ...), with at least 2 values in each channel."
    )
    assert message(tl.local_response_norm, np.ones((2, 3)), size=2) == (
        "local_response_norm: x is (2, 3) and size is 2; x must be (n, channels, ...), with at least 3 axes, and size "
        "from 1 up."
    )
    assert message(tl.normalize, np.ones((2, 3)), p=0) == "normalize: p is 0; it must be a positive number."
    assert message(tl.normalize, np.ones(2)).startswith("normalize: x is (2,) and axis=1; axis 1 does not exist")


def test_rms_norm_of_zeros_and_its_default_eps():
    x = np.zeros((1, 3), "float32")
    np.testing.assert_array_equal(tl.rms_norm(x), x)
    gradient = tl.grad(lambda x: tl.rms_norm(x).sum())(x)
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(gradient, 1 / np.sqrt(np.finfo("float32").eps), rtol=1e-6)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, np.inf])
def test_normalize_of_a_zero_vector(p):
    x = np.array([[0.0, 0.0], [3.0, 0.0]])
    out, gradient = tl.value_and_grad(lambda x: tl.normalize(x, p=p, eps=0.5).sum())(x)
    rounding = 2 * np.finfo("float64").eps  # of a power of 1 / p, whose last bit differs between processors
    assert abs(out - 1) <= rounding
    np.testing.assert_allclose(gradient, [[2, 2], [0, 1 / 3]], atol=rounding)
