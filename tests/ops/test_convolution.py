"""Exact edges and messages of `ops/convolution.py`."""

# ruff: noqa: E501  # messages stand on one line, as they are read

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import ShapeError


def zeros(*shape):
    return np.zeros(shape)


@pytest.mark.parametrize(
    ("x", "w", "options", "message"),
    [
        ((3, 4, 4), (2, 3, 3, 3), {}, "x is (3, 4, 4) and w is (2, 3, 3, 3); they must be (n, c_in, h, w) and (c_out, c_in / groups, kh, kw)."),
        ((1, 3, 4, 4), (2, 2, 3, 3), {}, "x is (1, 3, 4, 4), w is (2, 2, 3, 3) and groups is 1; the channels of x (3) must be groups times the second axis of w (2), and the first axis of w (2) a multiple of groups."),
        ((1, 4, 4, 4), (3, 2, 3, 3), {"groups": 2}, "x is (1, 4, 4, 4), w is (3, 2, 3, 3) and groups is 2; the channels of x (4) must be groups times the second axis of w (2), and the first axis of w (3) a multiple of groups."),
        ((1, 1, 4, 4), (1, 1, 3, 3), {"groups": 0}, "x is (1, 1, 4, 4), w is (1, 1, 3, 3) and groups is 0; the channels of x (1) must be groups times the second axis of w (1), and the first axis of w (1) a multiple of groups."),
        ((1, 1, 2, 4), (1, 1, 3, 3), {}, "the image is (2, 4), padded by ((0, 0), (0, 0)), and the kernel (3, 3) with dilation (1, 1); the kernel must not be empty or larger than the padded image."),
        ((1, 1, 4, 4), (1, 1, 3, 3), {"dilation": 2}, "the image is (4, 4), padded by ((0, 0), (0, 0)), and the kernel (3, 3) with dilation (2, 2); the kernel must not be empty or larger than the padded image."),
        ((1, 1, 4, 4), (1, 1, 0, 3), {}, "the image is (4, 4), padded by ((0, 0), (0, 0)), and the kernel (0, 3) with dilation (1, 1); the kernel must not be empty or larger than the padded image."),
        ((1, 1, 4, 4), (1, 1, 3, 3), {"stride": 0}, "stride is 0; it must be an integer from 1 up, or two: (height, width)."),
        ((1, 1, 4, 4), (1, 1, 3, 3), {"dilation": (1, 2, 3)}, "dilation is (1, 2, 3); it must be an integer from 1 up, or two: (height, width)."),
        ((1, 1, 4, 4), (1, 1, 3, 3), {"padding": -1}, "padding is -1; it must be an integer from 0 up, or two: (height, width)."),
        ((1, 1, 4, 4), (1, 1, 3, 3), {"padding": "full"}, "padding is 'full'; it must be an integer, two integers, 'same' or 'valid'."),
        ((1, 1, 4, 4), (1, 1, 3, 3), {"padding": "same", "stride": 2}, "padding is 'same' and stride is (2, 2); 'same' needs stride 1."),
    ],
)  # fmt: skip
def test_messages(x, w, options, message):
    with pytest.raises(ShapeError) as caught:
        tl.conv2d(zeros(*x), zeros(*w), **options)
    assert str(caught.value) == "conv2d: " + message


def test_bias_of_wrong_shape_does_not_broadcast():
    with pytest.raises(ShapeError) as caught:
        tl.conv2d(zeros(1, 1, 4, 4), zeros(2, 1, 3, 3), zeros(1))
    assert str(caught.value) == "conv2d: bias is (1,), w is (2, 1, 3, 3); bias must be (2,)."


def test_same_padding_keeps_the_size_and_pads_the_end_more():
    x = np.arange(4.0).reshape(1, 1, 1, 4)
    out = tl.conv2d(x, np.array([[[[1.0, 10.0]]]]), padding="same")
    np.testing.assert_array_equal(out, [[[[10.0, 21.0, 32.0, 3.0]]]])


def test_an_empty_batch():
    x = tl.tensor(zeros(0, 2, 5, 5), requires_grad=True)
    w = tl.tensor(np.ones((3, 2, 3, 3)), requires_grad=True)
    out = tl.conv2d(x, w)
    assert out.shape == (0, 3, 3, 3)
    out.sum().backward()
    assert x.grad.shape == (0, 2, 5, 5)
    np.testing.assert_array_equal(w.grad.numpy(), zeros(3, 2, 3, 3))


def test_the_three_primitives_are_one_trilinear_form():
    rng = np.random.default_rng(0)
    full = {"stride": (2, 1), "padding": ((1, 0), (0, 2)), "dilation": (1, 2), "groups": 2}
    x, w = rng.standard_normal((2, 4, 6, 7)), rng.standard_normal((6, 2, 3, 2))
    y = rng.standard_normal(tl.convolve_nd(x, w, **full).shape)
    form = np.sum(y * tl.convolve_nd(x, w, **full))
    np.testing.assert_allclose(np.sum(x * tl.convolve_nd_input(y, w, image=(6, 7), **full)), form)
    np.testing.assert_allclose(np.sum(w * tl.convolve_nd_weight(y, x, kernel=(3, 2), **full)), form)


def test_transposed_convolution_is_the_adjoint():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 4, 7, 6)), rng.standard_normal((6, 2, 3, 2))
    options = {"stride": 2, "padding": 1, "groups": 2, "dilation": (2, 1)}
    y = rng.standard_normal(tl.conv2d(x, w, **options).shape)
    back = tl.conv_transpose2d(y, w, output_padding=(0, 0), **options)
    assert back.shape == (2, 4, 7, 6)
    np.testing.assert_allclose(np.sum(back * x), np.sum(y * tl.conv2d(x, w, **options)))


@pytest.mark.parametrize(
    ("op", "x", "w", "options", "message"),
    [
        ("conv1d", (3, 4, 4), (2, 3), {}, "x is (3, 4, 4) and w is (2, 3); they must be (n, c_in, l) and (c_out, c_in / groups, k)."),
        ("conv1d", (1, 1, 4), (1, 1, 2), {"stride": (1, 2)}, "stride is (1, 2); it must be an integer from 1 up, or one: (length,)."),
        ("conv1d", (1, 1, 4), (1, 1, 2), {"padding": "full"}, "padding is 'full'; it must be an integer, one integer, 'same' or 'valid'."),
        ("conv3d", (1, 1, 4, 4), (1, 1, 2), {}, "x is (1, 1, 4, 4) and w is (1, 1, 2); they must be (n, c_in, d, h, w) and (c_out, c_in / groups, kd, kh, kw)."),
        ("conv3d", (1, 1, 4, 4, 4), (1, 1, 2, 2, 2), {"dilation": 0}, "dilation is 0; it must be an integer from 1 up, or three: (depth, height, width)."),
        ("conv_transpose1d", (1, 1, 4), (1, 2), {}, "x is (1, 1, 4) and w is (1, 2); they must be (n, c_in, l) and (c_in, c_out / groups, k)."),
        ("conv_transpose2d", (1, 3, 4, 4), (2, 2, 3, 3), {}, "x is (1, 3, 4, 4), w is (2, 2, 3, 3) and groups is 1; the channels of x (3) must equal the first axis of w (2), and be a multiple of groups."),
        ("conv_transpose2d", (1, 3, 4, 4), (3, 2, 3, 3), {"groups": 2}, "x is (1, 3, 4, 4), w is (3, 2, 3, 3) and groups is 2; the channels of x (3) must equal the first axis of w (3), and be a multiple of groups."),
        ("conv_transpose1d", (1, 1, 4), (1, 1, 2), {"output_padding": 2, "stride": 2}, "output_padding is (2,), stride is (2,) and dilation is (1,); output_padding must be smaller than one of them on each axis."),
        ("conv_transpose1d", (1, 1, 1), (1, 1, 2), {"padding": 1}, "x is (1, 1, 1) and the kernel (2,), with stride (1,), padding (1,), dilation (1,) and output_padding (0,); the result would be (0,), and must not be empty."),
    ],
)  # fmt: skip
def test_messages_of_the_others(op, x, w, options, message):
    with pytest.raises(ShapeError) as caught:
        getattr(tl, op)(zeros(*x), zeros(*w), **options)
    assert str(caught.value) == f"{op}: {message}"


def test_bias_of_a_transposed_convolution():
    with pytest.raises(ShapeError) as caught:
        tl.conv_transpose1d(zeros(1, 2, 4), zeros(2, 3, 1), zeros(2))
    assert str(caught.value) == "conv_transpose1d: bias is (2,), w is (2, 3, 1); bias must be (3,)."
