"""Backward passes: what they compute, what they keep and free, and what they refuse."""

from __future__ import annotations

import gc
import re
import threading
import weakref

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import DTypeError, GradientError, Tensor, autograd, tensor


def leaf(values, dtype="float64"):
    return tensor(values, dtype=dtype, requires_grad=True)


def test_gradients_accumulate_in_leaves():
    x = leaf([1.0, 2.0])
    (x * x).sum().backward()
    (3.0 * x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [5.0, 7.0])


def test_a_tensor_used_many_times_gets_the_sum():
    x = leaf(2.0)
    y = x * x
    (y * y + y + x).backward()
    assert x.grad.item() == 4 * 2.0**3 + 2 * 2.0 + 1


def test_interior_tensors_and_constants_have_no_grad():
    x, c = leaf(2.0), tensor(3.0)
    y = x * c
    y.backward()
    assert y.grad is None and c.grad is None and x.grad.item() == 3.0


@pytest.mark.numpy_only("takes more than a minute on the stand-in")
def test_chain_of_200_000_operations():
    x = leaf(1.0)
    y = x
    for _ in range(200_000):
        y = y + 1.0
    y.backward()
    assert x.grad.item() == 1.0
    unswept = x
    for _ in range(200_000):
        unswept = unswept * 1.0
    del unswept  # freeing a graph that was never swept must not recurse either


def test_create_graph_to_the_fourth_order():
    x = leaf(2.0)
    y = x**5
    for expected in (5 * 16.0, 20 * 8.0, 60 * 4.0, 120 * 2.0):
        y = autograd.grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(expected)


def test_backward_with_create_graph_leaves_a_differentiable_gradient():
    x = leaf(3.0)
    (x**3).backward(create_graph=True)
    second = autograd.grad(x.grad, x)
    assert x.grad.item() == 27.0 and second.item() == 18.0 and not second.requires_grad


def test_freed_graph_is_an_error_that_names_operation_and_line():
    x = leaf([1.0, 2.0])
    y = x.exp()
    z = y.sum()
    z.backward()
    with pytest.raises(
        GradientError, match=r"sum: .*freed.*retain_graph=True.*test_backward.py:\d+, in .*z = y.sum\(\)"
    ):
        z.backward()
    with pytest.raises(GradientError, match=r"exp: .*y = x.exp\(\)"):
        y.sum().backward()


def test_retain_graph_allows_a_second_pass():
    x = leaf(2.0)
    y = x.exp()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == pytest.approx(2 * np.exp(2.0))


@pytest.mark.numpy_only("is about memory that NumPy's arrays share")
def test_arrays_are_freed_as_the_sweep_passes():
    x = leaf(np.ones(1000))
    seen = []
    y = x.exp()
    saved = weakref.ref(y.data)
    y.register_hook(lambda g: seen.append(saved() is not None))
    z = y.sin()
    w = z.sum()
    del y, z
    x.register_hook(lambda g: seen.append(saved() is None))
    w.backward()
    gc.collect()
    assert seen == [True, True]


def test_backward_needs_a_cotangent_for_what_is_no_scalar():
    y = leaf([1.0, 2.0]) * 2.0
    with pytest.raises(GradientError, match=r"shape \(2,\).*cotangent.*\.sum\(\)"):
        y.backward()
    with pytest.raises(GradientError, match=r"cotangent has shape \(3,\) and the output \(2,\)"):
        y.backward(np.ones(3))
    with pytest.raises(GradientError, match=r"cotangent has shape \(\) and the output \(2,\)"):
        y.backward(1.0)
    y.backward(np.array([1.0, 10.0]))


def test_cotangent_is_not_kept_as_the_gradient():
    x = leaf([1.0, 2.0])
    g = np.ones(2)
    (+x).backward(g)
    g[:] = 7.0
    np.testing.assert_array_equal(x.grad.numpy(), [1.0, 1.0])


def test_two_leaves_do_not_share_their_gradient():
    x, y = leaf([1.0]), leaf([2.0])
    (x + y).sum().backward()
    assert not np.shares_memory(x.grad.data, y.grad.data)


def test_backward_from_a_constant_is_an_error():
    with pytest.raises(GradientError, match="requires_grad=True"):
        tensor([1.0]).sum().backward()
    x = leaf(1.0)
    with tl.no_grad():
        y = x * 2.0
    with pytest.raises(GradientError, match=r"outside no_grad"):
        y.backward()


def test_integer_tensors_cannot_require_gradients():
    with pytest.raises(DTypeError, match=r"int64.*floating"):
        tensor([1, 2], requires_grad=True)


def test_inputs_that_the_output_does_not_depend_on_get_zeros():
    x, unused = leaf([1.0, 2.0]), leaf([[3.0]])
    gx, gu = autograd.grad((x * x).sum(), [x, unused])
    np.testing.assert_array_equal(gx.numpy(), [2.0, 4.0])
    np.testing.assert_array_equal(gu.numpy(), [[0.0]])


def test_grad_of_constants_is_an_error():
    with pytest.raises(GradientError, match=r"input is a tensor of shape \(1,\)"):
        autograd.grad(leaf(1.0) * 2.0, tensor([1.0]))
    with pytest.raises(GradientError, match="2 outputs and 1 cotangents"):
        x = leaf(1.0)
        autograd.grad([x * 1.0, x * 2.0], x, [1.0])


def test_grad_of_interior_tensors_and_several_outputs():
    x = leaf(3.0)
    y = x * x
    z = y.exp()
    gy, gx = autograd.grad([z, y], [y, x])
    assert gy.item() == pytest.approx(np.exp(9.0) + 1) and gx.item() == pytest.approx(6 * (np.exp(9.0) + 1))
    assert x.grad is None


def test_grad_computes_only_what_the_inputs_need():
    x, w = leaf([1.0]), leaf([2.0])
    called = []
    w2 = w * 1.0
    w2.register_hook(lambda g: called.append("w"))
    autograd.grad((x * w2).sum(), x)
    assert called == []


def test_no_grad_and_enable_grad():
    x = leaf(1.0)
    with tl.no_grad():
        assert not (x * 2.0).requires_grad
        with tl.enable_grad():
            assert (x * 2.0).requires_grad
    assert (x * 2.0).requires_grad

    @tl.no_grad()
    def constant(t):
        return t * 2.0

    assert not constant(x).requires_grad and (x * 2.0).requires_grad


def test_grad_mode_is_per_thread():
    x, seen = leaf(1.0), []
    with tl.no_grad():
        thread = threading.Thread(target=lambda: seen.append((x * 2.0).requires_grad))
        thread.start()
        thread.join()
    assert seen == [True]


def test_backward_in_several_threads_at_once():
    shared = leaf(np.ones(50))
    results = [None] * 4

    def work(i):
        y = (shared * float(i)).exp().sum()
        for _ in range(20):
            results[i] = autograd.grad(y, shared, retain_graph=True)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, result in enumerate(results):
        np.testing.assert_allclose(result.numpy(), i * np.exp(i))


def test_detach_cuts():
    x = leaf(3.0)
    (x.detach() * x).backward()
    assert x.grad.item() == 3.0


def test_hooks_see_and_replace_gradients_and_can_be_removed():
    x = leaf([1.0, 2.0])
    y = x * 3.0
    seen = []
    handle = y.register_hook(lambda g: seen.append(g.numpy().copy()))
    y.register_hook(lambda g: g * 10.0)
    y.sum().backward(retain_graph=True)
    np.testing.assert_array_equal(seen, [[1.0, 1.0]])
    np.testing.assert_array_equal(x.grad.numpy(), [30.0, 30.0])
    handle.remove()
    handle.remove()
    y.sum().backward()
    assert len(seen) == 1


def test_hook_of_the_wrong_shape_and_hook_on_a_constant():
    x = leaf([1.0, 2.0])
    x.register_hook(lambda g: g.sum())
    with pytest.raises(GradientError, match=r"hook returned a gradient of shape \(\) .* shape \(2,\)"):
        (x * 1.0).sum().backward()
    with pytest.raises(GradientError, match="no hook would ever"):
        tensor(1.0).register_hook(print)


def test_a_failing_hook_leaves_the_graph_usable():
    x = leaf([1.0])
    y = x * 2.0

    def fail(g):
        raise RuntimeError("broken hook")

    handle = y.register_hook(fail)
    with pytest.raises(RuntimeError, match="broken hook"):
        y.sum().backward(retain_graph=True)
    handle.remove()
    y.sum().backward()
    assert x.grad.item() == 2.0


def test_a_hook_may_differentiate():
    x = leaf(2.0)
    square = x * x
    y = square * 1.0
    inner = []
    y.register_hook(lambda g: inner.append(autograd.grad(square, x, retain_graph=True).item()))
    (y * 3.0).backward()
    assert inner == [4.0] and x.grad.item() == 12.0


def test_hooks_in_a_recorded_backward_pass():
    x = leaf(2.0)
    y = x * x
    seen = []
    y.register_hook(lambda g: seen.append(g.requires_grad))
    y.register_hook(lambda g: g * x)
    first = autograd.grad(y**2, x, create_graph=True)  # 2 y times x, the hook's, times 2 x
    assert first.item() == 4 * 2.0**4 and seen == [True]
    # The second pass goes through y as well, so that its hooks are called again: 64 directly, 128 through y.
    assert autograd.grad(first, x).item() == 192.0 and seen == [True, False]


def test_setting_items_is_differentiable_and_refused_on_leaves():
    x, v = leaf([1.0, 2.0, 3.0]), leaf(5.0)
    y = x * 1.0
    y[1] = v * v
    (y * y).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [2.0, 0.0, 6.0])
    assert v.grad.item() == 2 * 25.0 * 2 * 5.0
    with pytest.raises(GradientError, match=re.escape("y = +x")):
        x[0] = 1.0
    with tl.no_grad():
        x[0] = 9.0
    assert x.requires_grad and x.data[0] == 9.0


def test_augmented_assignment_rebinds():
    x = leaf([1.0, 2.0])
    y = x * 1.0
    alias = y
    y += 1.0
    np.testing.assert_array_equal(alias.numpy() if not alias.requires_grad else alias.detach().numpy(), [1.0, 2.0])
    assert isinstance(y, Tensor) and y.requires_grad


def test_requires_grad_can_be_set_on_leaves_only():
    x = tensor([1.0])
    x.requires_grad = True
    y = x * 2.0
    with pytest.raises(GradientError, match=r"\.detach\(\)"):
        y.requires_grad = False
    x.requires_grad = False
    assert not x.requires_grad


def test_grad_can_be_cleared_and_has_its_tensors_shape():
    x = leaf([1.0, 2.0])
    (x * x).sum().backward()
    x.grad = None
    assert x.grad is None
    with pytest.raises(GradientError, match=r"shape \(3,\) .* \(2,\)"):
        x.grad = tensor([1.0, 2.0, 3.0])
    with pytest.raises(GradientError, match="only a tensor created with requires_grad"):
        (x * 1.0).grad = None
