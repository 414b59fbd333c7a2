"""Pictures of activation functions, decisions, weight decay and weights show what was computed."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, plots
from tinygrad_lite.core.errors import ShapeError

pytest.importorskip("matplotlib")


def panels(figure):
    return {axes.get_title(): axes for axes in figure.axes if axes.get_title()}


# Activation functions


def test_activations_and_their_derivatives():
    figure = plots.activations({"tanh": tl.tanh, "mine": lambda x: x**3, "GELU": nn.GELU()}, low=-2, high=2, points=41)
    curves = {name: [line.get_ydata() for line in axes.lines[-2:]] for name, axes in panels(figure).items()}
    x = np.linspace(-2, 2, 41)
    np.testing.assert_allclose(curves["tanh"], [np.tanh(x), 1 - np.tanh(x) ** 2], rtol=1e-12)
    np.testing.assert_allclose(curves["mine"], [x**3, 3 * x**2], rtol=1e-12, atol=1e-12)
    assert list(curves) == ["tanh", "mine", "GELU"]


def test_jumps_are_gaps():
    value, slope = (line.get_ydata() for line in plots.activations(tl.relu).axes[0].lines[-2:])
    assert np.isnan(slope).sum() == 1 and not np.isnan(value).any()
    assert np.isnan(plots.activations(tl.step).axes[0].lines[-2].get_ydata()).sum() == 1


def test_activations_need_a_function():
    with pytest.raises(ShapeError, match="activations: 0 functions from -4.0 to 4.0; one and low < high are required"):
        plots.activations([])
    with pytest.raises(ShapeError, match="activations: 1 functions from 1 to 1;"):
        plots.activations(tl.relu, low=1, high=1)


# Decision boundaries

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)


def boundary(axes):
    """The points of the drawn lines."""
    sets = [c for c in axes.collections if hasattr(c, "levels") and not c.filled]
    return np.concatenate([path.vertices for c in sets for path in c.get_paths()])


def test_boundary_of_a_logit():
    figure = plots.decision_boundary(lambda x: x[:, 0] + x[:, 1] - 1.5, X, [0, 0, 0, 1])
    axes = figure.axes[0]
    assert axes.get_title() == "4 of 4 right"
    np.testing.assert_allclose(boundary(axes).sum(axis=1), 1.5, atol=1e-3)
    assert axes.get_xlabel() == "first input"


def test_boundary_of_a_probability_and_of_three_classes():
    axes = plots.decision_boundary(lambda x: tl.sigmoid(8 * x[:, :1] - 2.0), X, [0, 0, 1, 1]).axes[0]
    np.testing.assert_allclose(boundary(axes)[:, 0], 0.25, atol=5e-3)
    logits = np.array([[1.0, 0.0, -1.0], [0.0, 1.0, -1.0]])
    names = ["a", "b", "c", "width", "height"]
    axes = plots.decision_boundary(lambda x: x @ logits, X, [2, 1, 2, 0], names=names).axes[0]
    assert axes.get_title() == "2 of 4 right" and axes.get_ylabel() == "height"
    assert [text.get_text() for text in axes.get_legend().texts] == ["a", "b", "c", "wrong"]


def test_boundary_leaves_the_model_as_it_was():
    rng = tl.Generator(0)
    model = nn.Sequential(nn.Linear(2, 9, rng=rng), nn.Dropout(0.5), nn.Linear(9, 2, rng=rng))
    model[2].bias.data = -model[2](model[0](np.float32([[0.5, 0.5]]))).data[0]
    model[0].eval()
    before = [module.training for module in model.modules()]
    first, second = (plots.decision_boundary(model, X, [0, 1, 1, 0]).axes[0] for _ in range(2))
    assert (boundary(first) == boundary(second)).all()
    assert [module.training for module in model.modules()] == before


def test_boundary_errors():
    with pytest.raises(ShapeError, match=r"decision_boundary: x is \(4, 2\) and y is \(3,\); \(n, 2\) and \(n,\) are"):
        plots.decision_boundary(lambda x: x[:, 0], X, [0, 1, 1])
    with pytest.raises(ShapeError, match="decision_boundary: there are 12 classes; at most 8 can be told apart"):
        plots.decision_boundary(lambda x: x[:, 0], X, [0, 1, 1, 11])


# Weight decay


class Result:
    strengths, best, one_standard_error = [1.0, 0.0, 0.1], 0.1, 1.0
    scores = np.array([[2.0, 4.0], [5.0, 5.0], [1.0, 2.0]])


def test_weight_decay_shows_means_errors_and_choices():
    axes = plots.weight_decay(Result, score="squared error").axes[0]
    curve, best, simplest = axes.lines
    np.testing.assert_allclose(curve.get_xydata(), [[0.01, 5.0], [0.1, 1.5], [1.0, 3.0]])
    assert best.get_xdata()[0] == 0.1 and simplest.get_xdata()[0] == 1.0
    band = axes.collections[0].get_paths()[0].vertices
    assert band[band[:, 0] == 1.0][:, 1].max() == pytest.approx(4.0)  # the standard error of 2 and 4 is 1
    assert "0 at the left end" in axes.get_xlabel() and axes.get_ylabel() == "squared error"
    assert "one standard error: 1" in [text.get_text() for text in axes.get_legend().texts]


def test_weight_decay_with_norms_and_training_scores():
    class More(Result):
        train_scores, norms = np.ones((3, 2)), [1.0, 100.0, 10.0]

    above, below = plots.weight_decay(More).axes
    assert len(above.lines) == 4 and below.get_yscale() == "log" and below.get_ylabel() == "norm of the weights"
    assert below.lines[0].get_ydata().tolist() == [100.0, 10.0, 1.0] and below.get_xlabel() and not above.get_xlabel()

    class Wrong(Result):
        scores = np.ones(3)

    with pytest.raises(
        ShapeError, match=r"weight_decay: strengths are \(3,\) and scores \(3,\); \(k,\) and \(k, folds"
    ):
        plots.weight_decay(Wrong)


def test_weight_paths():
    weights = [[3.0, -2.0], [1.0, 0.5], [0.3, 0.0]]
    axes = plots.weight_paths([1.0, 0.1, 10.0], weights, names=["age", "bmi"], chosen=1.0).axes[0]
    assert axes.lines[1].get_ydata().tolist() == [1.0, 3.0, 0.3] and axes.lines[2].get_label() == "bmi"
    assert axes.lines[-1].get_xdata()[0] == 1.0
    with pytest.raises(ShapeError, match=r"weight_paths: strengths are \(1,\) and weights \(3, 2\); \(k,\) and \(k, n"):
        plots.weight_paths([1.0], weights)


# Histograms


def test_histograms_of_weights_and_gradients():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
    (model[0].weight.sum() * 2).backward()
    model[1].weight.data[0, 0] = np.nan
    figure = plots.histograms(model, bins=7)
    assert len(figure.axes) == 8
    counts = [round(sum(bar.get_height() for bar in axes.patches)) for axes in figure.axes]
    assert counts == [12, 12, 4, 0, 3, 0, 1, 0]
    texts = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert texts[3] == ["no gradient"] and "1 not finite" in texts[4][0] and "mean 2\nstd 0" in texts[1]
    assert figure.axes[0].get_ylabel() == "0.weight\n(4, 3)"
    only = plots.histograms(model, gradients=False, limit=1)
    assert len(only.axes) == 1 and only.get_suptitle() == "the first 1 of 4 parameters"
    with pytest.raises(ShapeError, match="histograms: the model has no parameters; at least one is required"):
        plots.histograms(nn.ReLU())


def test_models_on_a_device(cuda):
    pytest.importorskip("matplotlib")
    layer = nn.Linear(2, 2, rng=tl.Generator(0))
    x, y = np.random.default_rng(0).normal(size=(20, 2)).astype("float32"), np.arange(20) % 2
    here = plots.snapshot(layer), plots.decision_boundary(layer, x, y).axes[0].get_title()
    layer = layer.to("cuda")
    tl.cross_entropy(layer(tl.tensor(x, device="cuda")), tl.tensor(y, device="cuda")).backward()
    np.testing.assert_array_equal(plots.snapshot(layer), here[0])
    assert plots.decision_boundary(layer, tl.tensor(x, device="cuda").data, y).axes[0].get_title() == here[1]
    assert len(plots.histograms(layer).axes) == 4
    assert plots.landscape(layer, lambda: (layer.weight**2).sum(), steps=3).losses.shape == (3, 3)
