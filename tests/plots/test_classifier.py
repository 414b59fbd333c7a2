"""The figure: what it shows is what happened. Its looks are for eyes."""

import subprocess
import sys

import numpy as np
import pytest

from tinygrad_lite import plots
from tinygrad_lite.train import History, Record, confusion_matrix

pytest.importorskip("matplotlib")

LABELS = np.array([0, 1, 2, 0, 1, 2])
IMAGES = np.arange(6 * 16, dtype=np.float32).reshape(6, 1, 4, 4) / 96


def history(held_out=True):
    rows = [(1, 1.0), (2, 0.5)]
    return History(
        Record(epoch=n, loss=loss, **({"val_loss": loss * 2} if held_out else {}), seconds=1.0) for n, loss in rows
    )


def texts(figure):
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text)]


def test_figure_shows_losses_confusion_and_misread_images():
    predictions = np.array([0, 1, 2, 0, 2, 1])
    confusion = confusion_matrix(LABELS, predictions)
    figure = plots.classifier_figure(history(), confusion, IMAGES, LABELS, predictions, title="Title")
    curves = [line.get_ydata().tolist() for line in figure.axes[0].lines]
    assert curves == [[1.0, 0.5], [2.0, 1.0]]
    assert {"Title", "2 misread held-out images", "1, read 2", "2, read 1", "read as", "is"} <= set(texts(figure))
    shown = [axes.images[0].get_array() for axes in figure.axes[2:] if axes.images]
    assert np.array_equal(shown, IMAGES[[4, 5], 0])


def test_figure_without_held_out_curve_and_without_mistakes():
    figure = plots.classifier_figure(
        history(held_out=False), confusion_matrix(LABELS, LABELS), IMAGES, LABELS, LABELS, title=""
    )
    assert len(figure.axes[0].lines) == 1
    assert "No misread held-out images" in texts(figure)


def test_figure_of_a_training_interrupted_in_its_first_epoch(tmp_path):
    figure = plots.classifier_figure(History(), confusion_matrix(LABELS, LABELS), IMAGES, LABELS, LABELS, title="")
    figure.savefig(tmp_path / "figure.png")


def test_misread_figure_says_how_many_it_leaves_out():
    figure = plots.misread_figure(IMAGES, LABELS, (LABELS + 1) % 3, title="MNIST", limit=4)
    assert "4 of 6 misread held-out images" in texts(figure)
    assert sum(bool(axes.images) for axes in figure.axes) == 4


def test_one_misread_image_is_one():
    predictions = LABELS.copy()
    predictions[3] = 2
    assert "1 misread held-out image" in texts(plots.misread_figure(IMAGES, LABELS, predictions, title=""))


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"matplotlib is not installed; .* pip install 'tinygrad-lite\[plot\]'"):
        plots.misread_figure(IMAGES, LABELS, LABELS, title="")


def test_drawing_leaves_the_display_alone():
    code = (
        "import sys, numpy as np; from tinygrad_lite import plots; assert 'matplotlib' not in sys.modules; "
        "plots.misread_figure(np.zeros((1, 2, 2)), np.zeros(1), np.ones(1), title=''); "
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
