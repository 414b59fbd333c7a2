"""Landscapes hold the losses of the weights that they show, and leave the model as it was."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, plots
from tinygrad_lite.core.errors import ShapeError
from tinygrad_lite.plots.landscape import draw

pytest.importorskip("matplotlib")

X = np.random.default_rng(0).normal(size=(12, 2))
Y = (X[:, 0] * X[:, 1] > 0).astype(int)


def trained(steps=6):
    rng = tl.Generator(0)
    model = nn.Sequential(nn.Linear(2, 4, rng=rng), nn.Dropout(0.5), nn.Tanh(), nn.Linear(4, 2, rng=rng)).to("float64")
    optimizer = tl.optim.SGD(model, lr=0.5)
    path = [plots.snapshot(model)]
    for _ in range(steps):
        optimizer.zero_grad()
        tl.cross_entropy(model.eval()(X), Y).backward()
        optimizer.step()
        path.append(plots.snapshot(model))
    return model.train(), np.array(path)


def test_losses_are_those_of_the_weights_at_each_place():
    model, _ = trained()
    center, before = plots.snapshot(model), model.state_dict()
    directions = np.random.default_rng(1).normal(size=(2, center.size))
    found = plots.landscape(model, lambda: tl.cross_entropy(model(X), Y), directions=directions, steps=5, span=0.3)
    for i, j in ((0, 4), (2, 2), (3, 1)):
        weights = center + found.a[j] * directions[0] + found.b[i] * directions[1]
        copy, start, state = trained(0)[0].eval(), 0, {}
        for name, parameter in copy.named_parameters():
            state[name] = weights[start : start + parameter.size].reshape(parameter.shape)
            start += parameter.size
        copy.load_state_dict(state)
        assert found.losses[i, j] == pytest.approx(tl.cross_entropy(copy(X), Y).item(), rel=1e-12)
    assert all(module.training for module in model.modules())
    assert all((value == before[name]).all() for name, value in model.state_dict().items())


def test_random_directions_have_the_norms_of_the_filters():
    model, _ = trained()
    weight = model[0].weight.data.copy()
    found = []

    def loss():
        found.append(model[0].weight.data - weight)
        assert (model[0].bias.data == bias).all()
        return tl.tensor(1.0)

    bias = model[0].bias.data.copy()
    plots.landscape(model, loss, steps=2, rng=0)
    first = (found[1] - found[0]) / 2  # from -1 to 1 along the first direction
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), np.linalg.norm(weight, axis=1), rtol=1e-10)
    assert not np.allclose(first, weight)


def test_path_in_its_principal_components():
    model, path = trained(steps=20)
    loss = lambda: tl.cross_entropy(model(X), Y)
    found = plots.landscape(model, loss, directions="path", path=path, steps=7)
    np.testing.assert_allclose(found.path[-1], 0.0, atol=1e-12)
    distances = np.linalg.norm(path - path[-1], axis=1)
    assert (np.linalg.norm(found.path, axis=1) <= distances + 1e-12).all()
    assert np.linalg.norm(found.path[0]) > 0.9 * distances[0]
    assert found.a[0] < found.path[:, 0].min() and found.path[:, 0].max() < found.a[-1]
    with tl.no_grad():
        assert found.path_losses[-1] == pytest.approx(loss_of(model), rel=1e-12)
    assert "first component" in found.labels[0] and "of the path's variance" in found.labels[1]


def loss_of(model):
    model.eval()
    value = tl.cross_entropy(model(X), Y).item()
    model.train()
    return value


def test_the_model_is_restored_after_an_error():
    model, _ = trained()
    before = plots.snapshot(model)
    with pytest.raises(ZeroDivisionError):
        plots.loss_landscape(model, lambda: 1 / 0, rng=0)
    assert (plots.snapshot(model) == before).all() and model.training


def test_figure_marks_the_path():
    model, path = trained()
    figure = plots.loss_landscape(model, lambda: tl.cross_entropy(model(X), Y), directions="path", path=path, steps=5)
    relief, chart = figure.axes[:2]
    assert [text.get_text() for text in chart.get_legend().texts] == ["descent", "start", "end"]
    assert len(chart.lines[0].get_xdata()) == len(path) and relief.name == "3d"


def test_surface_names_the_deepest_minimum():
    path = np.array([[1.0, 1.0], [0.5, 0.5]])
    figure = plots.surface(
        lambda w: (w**2).sum(axis=-1) + w[..., 0], minima=[[0.0, 0.0], [-0.5, 0.0]], path=path, steps=9, title="Bowl"
    )
    chart = figure.axes[1]
    points = {line.get_label(): line.get_xydata().tolist() for line in chart.lines}
    assert points["global minimum"] == [[-0.5, 0.0]] and points["local minimum"] == [[0.0, 0.0]]
    assert points["descent"] == path.tolist() and figure.get_suptitle() == "Bowl"


def test_large_and_infinite_losses_are_drawn_as_logarithms():
    ticks = np.linspace(-1, 1, 4)
    losses = 10.0 ** np.arange(16).reshape(4, 4)
    losses[3, 3] = np.inf
    figure = draw(plots.Landscape(ticks, ticks, losses, None, None, ("a", "b")))
    assert figure.axes[0].get_zlabel() == "loss, logarithm to base 10"
    with pytest.raises(ShapeError, match="landscape: no loss on the grid is a finite number; a smaller span"):
        draw(plots.Landscape(ticks, ticks, losses * np.nan, None, None, ("a", "b")))


def test_errors():
    model, path = trained()
    loss = lambda: tl.tensor(1.0)
    for directions in ("up", np.ones((2, 22)), np.ones((2, 3))):
        with pytest.raises(ShapeError, match=r"landscape: directions are .*; 'random', 'path' or two independent rows"):
            plots.landscape(model, loss, directions=directions)
    with pytest.raises(ShapeError, match=r"landscape: path is \(7, 3\); \(m, 22\) is required, see plots.snapshot"):
        plots.landscape(model, loss, path=path[:, :3])
    for given, wrong in (("None", None), ("2 points", path[:2])):
        with pytest.raises(ShapeError, match=f"directions are 'path' and path is {given}; at least three points"):
            plots.landscape(model, loss, directions="path", path=wrong)
