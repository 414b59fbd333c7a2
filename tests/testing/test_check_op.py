"""`check_op` checks an operation on inputs that follow from its declaration."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.laws.planting import temporary
from tinygrad_lite import DTypeError, Interval, composite, kernel, primitive
from tinygrad_lite.testing import GradientCheckError, check_op


@pytest.fixture(autouse=True)
def forget_operations():
    with temporary():
        yield


def test_an_operation_with_domain_kink_and_broadcasting():
    @primitive(
        x=lambda g, y: g * tl.log(y),
        y=lambda g, x, y: g * x / y + g * tl.sign(y - 1.0),
        domain={"y": Interval(0, np.inf)},
        kinks=(1.0,),
    )
    def planted_mix(xp, x, y):
        return x * xp.log(y) + xp.abs(y - 1)

    reports = check_op(planted_mix)
    assert len(reports) == 10 and all(report.ok for report in reports)
    assert {row.input for row in reports[0].rows} == {"x", "y", "all"}


def test_a_wrong_rule_is_found():
    @primitive(x=lambda g, y: g * y, y=lambda g, x: -g * x)
    def planted_multiply(xp, x, y):
        return x * y

    with pytest.raises(GradientCheckError, match="planted_multiply"):
        check_op(planted_multiply)


def test_a_float64_result_for_float32_inputs_is_found():
    @primitive(x=lambda g: g * 2.0)
    def planted_double(xp, x):
        return x * np.asarray([2.0])

    with pytest.raises(DTypeError, match="planted_double: float32 inputs gave a result of dtype float64"):
        check_op(planted_double)


def test_statics_given_inputs_and_arrays_without_a_rule():
    assert all(report.ok for report in check_op(tl.sum, np.ones((2, 3)), axis=1))
    assert all(report.ok for report in check_op(tl.concat, [np.ones(2), np.zeros(3)], axis=0))
    assert all(report.ok for report in check_op(tl.where))
    assert all(report.ok for report in check_op(tl.take, np.ones((3, 2)), np.array([2, 0]), axis=0))


def test_a_kernels_backward_is_checked():
    @composite()
    def planted_cube(x):
        return x * x * x

    @kernel(planted_cube, "numpy")
    def forward(x):
        return np.asarray(x**3), x

    @forward.backward
    def backward(g, saved, needs):
        return (g * 2.9 * saved**2,)

    with pytest.raises(GradientCheckError):
        check_op(planted_cube)


def test_refusals():
    with pytest.raises(DTypeError, match="got a function that is no declared operation; use check_gradients"):
        check_op(lambda x: x)
    with pytest.raises(DTypeError, match="matmul is not elementwise; give arrays to check it on"):
        check_op(tl.matmul)
