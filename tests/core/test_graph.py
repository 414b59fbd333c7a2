"""The record: source lines in messages, writes into saved memory, and grad modes per thread and task."""

import asyncio
import re
import threading

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import GradientError, tensor
from tinygrad_lite.core import graph
from tinygrad_lite.core.graph import grad_enabled, note_write

HERE = re.escape(__file__)


def test_a_node_knows_the_users_line():
    x = tensor([1.0, 2.0], requires_grad=True)
    y = tl.exp(x)  # the line of exp
    z = y.sum()  # the line of sum
    assert y.node.location().endswith("in test_a_node_knows_the_users_line: y = tl.exp(x)  # the line of exp")
    assert z.node.location().endswith("z = y.sum()  # the line of sum")
    assert re.match(rf"{HERE}:\d+, in", y.node.location())


def test_inside_a_composite_and_a_method_it_is_the_users_line_too():
    x = tensor([1.0, 2.0], requires_grad=True)
    out = tl.silu(x)  # the line of silu
    assert out.node.location().endswith("# the line of silu")
    out = x @ x  # the line of matmul
    assert out.node.location().endswith("# the line of matmul")
    out = 2.0 - x  # the line of subtract
    assert out.node.location().endswith("# the line of subtract")


def test_a_line_without_source_has_its_place():
    scope = {"tl": tl, "x": tensor([1.0], requires_grad=True)}
    exec("y = tl.exp(x)", scope)
    assert scope["y"].node.location() == "<string>:1, in <module>"


def test_repr_of_a_node():
    x = tensor([1.0, 2.0], requires_grad=True)
    assert repr(tl.exp(x).node) == "<node of exp, (2,) float32>"


def test_births_are_ordered():
    x = tensor([1.0], requires_grad=True)
    y = x * 2.0
    z = y + x
    assert x.node.birth < y.node.birth < z.node.birth


def buffered():
    buffer = np.array([1.0, 2.0, 3.0])
    return buffer, tensor(buffer[:2], requires_grad=True)


@pytest.mark.numpy_only("is about memory that NumPy's arrays share")
def test_a_write_into_saved_memory_is_an_error():
    buffer, x = buffered()
    assert np.shares_memory(x.data, buffer)
    loss = (x * x).sum()
    buffer += 1.0
    note_write(buffer)
    message = r"multiply: a value of shape \(2,\) that its gradient needs was changed by an optimizer step after"
    with pytest.raises(GradientError, match=message) as caught:
        loss.backward()
    assert re.search(rf"\nIt was used at {HERE}:\d+, in .*: loss = \(x \* x\).sum\(\)\n", str(caught.value))
    assert re.search(rf"\nIt was changed at {HERE}:\d+, in .*: note_write\(buffer\)$", str(caught.value))


def test_an_optimizer_step_between_forward_and_backward_is_an_error_that_names_both_lines():
    model = tl.nn.Linear(2, 1)
    optimizer = tl.optim.SGD(model, lr=0.1)
    x = tensor([[1.0, 2.0]], requires_grad=True)
    model(x).sum().backward()
    loss = model(x).sum()  # the line of the forward pass
    optimizer.step()  # the line of the step
    with pytest.raises(GradientError) as caught:
        loss.backward()
    _, used, changed = str(caught.value).split("\n")
    assert used.startswith("It was used at ") and used.endswith("# the line of the forward pass")
    assert changed.startswith("It was changed at ") and changed.endswith("# the line of the step")


@pytest.mark.numpy_only("is about memory that NumPy's arrays share")
def test_a_write_is_no_error_where_nothing_saved_was_changed():
    buffer, x = buffered()
    loss = (x + 2.0).sum()  # addition saves nothing
    other = np.ones(3)
    product = (x * x).sum()
    note_write(other)
    product.backward()
    buffer += 1.0
    note_write(buffer)
    loss.backward()
    fresh = (x * x).sum()
    fresh.backward()
    np.testing.assert_array_equal(x.grad.numpy(), [2 + 1 + 4, 4 + 1 + 6])


@pytest.mark.numpy_only("is about memory that NumPy's arrays share")
def test_each_of_several_writes_counts():
    buffer, x = buffered()
    note_write(buffer)
    loss = (x * x).sum()
    note_write(np.ones(2))
    note_write(buffer)
    with pytest.raises(GradientError, match="changed by an optimizer step"):
        loss.backward()


def test_buffers_that_are_gone_are_forgotten():
    note_write(np.ones(3))
    note_write(np.ones(3))
    kept = np.ones(3)
    note_write(kept)
    assert [write[0]() for write in graph._writes][-1] is kept
    assert all(write[0]() is not None for write in graph._writes)


def test_grad_modes_nest_decorate_and_end_with_an_exception():
    assert grad_enabled()
    with tl.no_grad():
        assert not grad_enabled()
        with tl.enable_grad():
            assert grad_enabled()
        assert not grad_enabled()
    with pytest.raises(ZeroDivisionError), tl.no_grad():
        raise ZeroDivisionError
    assert grad_enabled()

    @tl.no_grad()
    def inside():
        return grad_enabled()

    assert not inside() and not inside() and grad_enabled()
    with tl.set_grad_enabled(False):
        assert not grad_enabled()


def test_grad_modes_are_per_thread():
    found = []
    with tl.no_grad():
        thread = threading.Thread(target=lambda: found.append(grad_enabled()))
        thread.start()
        thread.join()
        assert not grad_enabled()
    assert found == [True]


def test_grad_modes_are_per_task():
    async def quiet(event):
        with tl.no_grad():
            event.set()
            await asyncio.sleep(0)
            return grad_enabled()

    async def loud(event):
        await event.wait()
        return grad_enabled()

    async def both():
        event = asyncio.Event()
        return await asyncio.gather(quiet(event), loud(event))

    assert asyncio.run(both()) == [False, True]
