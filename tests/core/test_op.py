"""Declaring operations: what is refused, what is generated, and that operations of users work like the package's."""

import inspect
import operator
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.laws.test_planted_bugs import temporary
from tinygrad_lite import (
    DeclarationError,
    DTypeError,
    GradientError,
    ShapeError,
    Tensor,
    autograd,
    composite,
    primitive,
    tensor,
)  # fmt: skip
from tinygrad_lite.core.codegen import source
from tinygrad_lite.testing import check_gradients

X = np.array([0.5, -1.5, 2.0])


@pytest.fixture(autouse=True)
def forget_operations():
    with temporary():
        yield


# What is refused


def test_a_rule_for_something_that_is_no_array():
    with pytest.raises(DeclarationError, match="broken: there is a rule for 'z'; its arrays are x, y"):

        @primitive(z=lambda g: g)
        def broken(xp, x, y):
            return x + y

    with pytest.raises(DeclarationError, match="there is a rule for 'n'; its arrays are x"):

        @primitive(n=lambda g: g)
        def also_broken(xp, x, *, n):
            return x * n


def test_a_rule_that_asks_for_what_there_is_not():
    message = "broken: the rule for x asks for 'z'; a rule may ask for g, x, x_shape, x_dtype, out, n"
    with pytest.raises(DeclarationError, match=message):

        @primitive(x=lambda g, z: g * z)
        def broken(xp, x, *, n=2):
            return x


def test_a_rule_that_is_no_python_function():
    with pytest.raises(DeclarationError, match="broken: the rule for x is <built-in function neg>; a rule is a Pyt"):

        @primitive(x=operator.neg)
        def broken(xp, x):
            return -x


def test_a_rule_whose_result_does_not_fit_its_input():
    @primitive(x=lambda g: g, shapes="any")
    def total(xp, x):
        return xp.sum(x)

    x = tensor(X, requires_grad=True)
    message = r"a derivative rule returned a gradient of shape \(\) for an input of shape \(3,\); it must have"
    with pytest.raises(GradientError, match=message) as caught:
        total(x).backward()
    assert str(caught.value).endswith(": x = tensor(X, requires_grad=True)")


def test_names_that_the_generated_code_uses():
    for name in ("g", "out", "node", "isinstance"):
        scope = {"primitive": primitive}
        with pytest.raises(DeclarationError, match=f"broken: an argument cannot be called '{name}'"):
            exec(f"@primitive()\ndef broken(xp, {name}):\n    return {name}", scope)


def test_a_name_that_is_taken_in_another_module():
    @composite()
    def exp(x):
        return x

    assert tl.OPS["exp"].function is tl.exp
    assert tl.OPS.pop(f"{__name__}.exp").function is exp
    assert exp(2.0) == 2.0


def test_a_name_may_be_declared_again_in_its_own_module():
    for factor in (2.0, 3.0):

        @composite()
        def scaled(x, factor=factor):
            return x * factor

    assert tl.OPS["scaled"].function is scaled


# What the rules get


def test_rules_ask_by_name_for_anything_they_may():
    seen = {}

    def rule(g, x, y, out, x_shape, y_dtype, power, label):
        seen.update(locals())
        return g * y

    @primitive(x=rule, y=lambda g, x: g * x)
    def recorder(xp, x, y, *, power=2, label="none"):
        return x * y

    x, y = tensor(X, requires_grad=True), np.float64(3.0)
    recorder(x, y, label="some").sum().backward()
    assert seen["x_shape"] == (3,) and seen["y_dtype"] == "float64" and seen["power"] == 2 and seen["label"] == "some"
    np.testing.assert_array_equal(seen["out"], 3 * X)
    np.testing.assert_array_equal(x.grad.numpy(), np.full(3, 3.0))


@pytest.mark.numpy_only("is about memory that NumPy's arrays share")
def test_only_what_rules_ask_for_is_kept():
    @primitive(x=lambda g, x_shape: tl.broadcast_to(g, x_shape), y=lambda g, out: g * out)
    def frugal(xp, x, y):
        return x + y

    assert frugal.op.kept == ["x_shape", "out"]
    out = frugal(tensor(X, requires_grad=True), X)
    shape, kept = out.node.saved
    assert shape == (3,) and kept is out.data


def test_three_arrays_broadcast_with_statics_and_defaults():
    @primitive(
        a=lambda g, b, scale: g * b * scale,
        b=lambda g, a, scale: g * a * scale,
        c=lambda g, sign: g * sign,
    )
    def fused(xp, a, b, c, *, scale=2.0, sign=-1):
        return a * b * scale + c * sign

    a, b, c = np.ones((2, 1)), np.arange(3.0), np.array(4.0)
    np.testing.assert_array_equal(fused(a, b, c), 2 * a * b - 4)
    assert check_gradients(lambda a, b, c: fused(a, b, c, scale=3.0, sign=1), a, b, c).ok


def test_optional_arrays():
    @primitive(x=lambda g, y: g if y is None else g * y, y=lambda g, x: g * x)
    def maybe_times(xp, x, y=None):
        return xp.positive(x) if y is None else x * y

    np.testing.assert_array_equal(maybe_times(X), X)
    assert check_gradients(maybe_times, X).ok and check_gradients(maybe_times, X, X + 1).ok


def test_static_arguments_after_a_slash_are_positional_or_keyword():
    @primitive(x=lambda g, count: turned(g, -count), shapes="any")
    def turned(xp, x, /, count):
        return xp.roll(x, count)

    np.testing.assert_array_equal(turned(X, 1), np.roll(X, 1))
    np.testing.assert_array_equal(turned(X, count=2), np.roll(X, 2))
    assert check_gradients(lambda x: turned(x, 1) * x, X).ok


def test_a_sequence_of_arrays():
    @primitive(parts=lambda g, parts, power: [power * g * p ** (power - 1) for p in parts], shapes="any")
    def power_sum(xp, *parts, power=2):
        total = parts[0] ** power
        for part in parts[1:]:
            total = total + part**power
        return total

    np.testing.assert_array_equal(power_sum([X, 2.0 * X]), 5 * X * X)
    np.testing.assert_array_equal(power_sum((X, X, X), power=3), 3 * X**3)
    assert check_gradients(lambda x, y: power_sum([x, y, x], power=3), X, X + 3).ok
    x = tensor(X, requires_grad=True)
    power_sum([X, x]).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * X)


def test_a_composites_third_derivative():
    @composite()
    def bump(x, *, width=1.0):
        return tl.exp(-((x / width) ** 2))

    third = tl.grad(tl.grad(tl.grad(bump)))
    assert third(0.5) == pytest.approx((12 * 0.5 - 8 * 0.5**3) * np.exp(-0.25), rel=1e-12)
    assert check_gradients(bump, X, order=3).ok


def test_a_missing_rule():
    @primitive(x=lambda g, weights: g * weights)
    def weighted(xp, x, weights):
        return x * weights

    w = tensor(X, requires_grad=True)
    with pytest.raises(GradientError, match=r"weighted: weights requires a gradient, but weighted has no derivative"):
        weighted(X, w)
    with tl.no_grad():
        weighted(X, w)
    assert not weighted(X, w.detach()).requires_grad
    assert weighted(w, X).requires_grad


def test_an_operation_without_rules_gives_constants():
    @primitive()
    def rounded(xp, x):
        return xp.round(x)

    assert isinstance(rounded(X), np.ndarray)
    out = rounded(tensor(X, requires_grad=True))
    assert isinstance(out, Tensor) and not out.requires_grad


# Errors of calls


@pytest.mark.parametrize(
    ("value", "kind"),
    [([1.0, 2.0], "list"), ("text", "str"), (Fraction(1, 2), "Fraction"), ({1.0}, "set"), (object(), "object")],
)
def test_foreign_types(value, kind):
    with pytest.raises(DTypeError, match=rf"exp: got a {kind}; arrays, Tensors and Python numbers are accepted"):
        tl.exp(value)
    with pytest.raises(DTypeError, match=rf"add: got a {kind}"):
        tl.add(tensor(X), value)


def test_failures_name_the_operation_and_its_arguments():
    with pytest.raises(ShapeError, match=r"add: x is \(3,\) float64, y is \(2,\) float32; to broadcast, "):
        tl.add(X, np.ones(2, "float32"))
    with pytest.raises(ShapeError, match=r"sum: .*axis"):
        tl.sum(tensor(X), axis=5)


def test_explain():
    def explain(x, *, n):
        return f"x is {x.shape} and n is {n}; n must divide the length." if x.shape[0] % n else None

    @primitive(x=lambda g, x_shape: tl.reshape(g, x_shape), shapes="any", explain=explain)
    def grouped(xp, x, *, n):
        return xp.reshape(x, (n, 3, -1))

    with pytest.raises(ShapeError, match=r"^grouped: x is \(4,\) and n is 3; n must divide the length\.$") as caught:
        grouped(np.ones(4), n=3)
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(ShapeError, match=r"^grouped: x is \(4,\) float64, n=2; cannot reshape"):
        grouped(np.ones(4), n=2)


def test_errors_of_the_package_and_foreign_errors_pass_unchanged():
    @primitive()
    def picky(xp, x, *, failure):
        raise failure

    for error in (GradientError("mine"), ZeroDivisionError("theirs"), MemoryError()):
        with pytest.raises(type(error)) as caught:
            picky(X, failure=error)
        assert caught.value is error
    with pytest.raises(DTypeError, match="picky: x is .*; odd"):
        picky(X, failure=TypeError("odd"))


# What is generated


def test_name_docstring_signature_and_annotations():
    @primitive(x=lambda g, n: g * n)
    def times(xp, x: np.ndarray, *, n: int = 2) -> np.ndarray:
        """x times n."""
        return x * n

    assert times.__name__ == "times" and times.__doc__ == "x times n." and times.__module__ == __name__
    parameters = inspect.signature(times).parameters
    assert list(parameters) == ["x", "n"] and parameters["n"].default == 2
    assert parameters["x"].kind is inspect.Parameter.POSITIONAL_ONLY
    times(X)
    assert list(inspect.signature(times).parameters) == ["x", "n"]
    with pytest.raises(TypeError):
        times(X, 3)


def test_an_axis_may_be_given_by_position():
    x = tl.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, 4.0]])
    names = "sum mean var std prod max min argmax argmin any all logsumexp softmax log_softmax sort argsort median"
    for name in names.split():
        f = getattr(tl, name)
        assert np.array_equal(f(x, 1).numpy(), f(x, axis=1).numpy()), name
        assert not np.array_equal(f(x, 0).numpy(), f(x, axis=1).numpy()), name
    assert x.sum(-1).tolist() == [6.0, 9.0]
    assert tl.concat([x, x], 1).shape == (2, 6) and tl.stack([x, x], 2).shape == (2, 3, 2)
    assert tl.roll(x, 1, 1).tolist() == tl.roll(x, 1, axis=1).tolist()
    assert [part.shape for part in tl.split(x, 3, 1)] == [(2, 1)] * 3


def test_source_shows_dispatch_and_both_pull_functions():
    text = source(tl.multiply)
    assert "def multiply(x, y, /):" in text and "def pull(" in text and "def pull_graph(" in text
    assert "gradient = g * y" in text and "RULE_x(g, out)" in source(tl.tanh)
    compile(text, "generated", "exec")
    assert "def sum(x, /, axis=DEFAULT_axis, *, dtype=" in source(tl.sum)


def test_any_object_may_be_a_default():
    default = object()

    @composite()
    def keeps(x, *, option=default, number=float("nan")):
        assert option is default and number != number
        return x * 1.0

    assert keeps(2.0) == 2.0
    assert autograd.grad(keeps(tensor(2.0, requires_grad=True)), tensor(1.0, requires_grad=True)).item() == 0.0


def test_an_index_or_axis_that_there_is_not_is_an_index_error():
    x = tensor([1.0, 2.0])
    wrong_indices = (lambda: x[2], lambda: x[0, 0], lambda: x[np.array([True])])
    wrong_axes = (lambda: tl.expand_dims(x, axis=3), lambda: tl.sum(x, axis=1), lambda: tl.cummax(x, axis=1))
    for wrong in (*wrong_indices, *wrong_axes):
        with pytest.raises(IndexError) as caught:
            wrong()
        assert isinstance(caught.value, ShapeError) and isinstance(caught.value, ValueError)
    with pytest.raises(ShapeError) as caught:
        x + tensor([1.0, 2.0, 3.0])
    assert not isinstance(caught.value, IndexError)
