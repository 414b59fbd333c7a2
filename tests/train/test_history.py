"""Records of epochs, and the list of them."""

import copy
import pickle

import pytest

from tests.train.common import POINTS, SIDES, fit, model
from tinygrad_lite import train


def test_numbers_are_items_and_attributes():
    record = train.Record(epoch=1, loss=0.5)
    assert record.loss == record["loss"] == 0.5 and dict(record) == {"epoch": 1, "loss": 0.5}
    with pytest.raises(AttributeError, match="the record has no 'val_loss'; it has epoch, loss"):
        record.val_loss
    assert copy.deepcopy(record) == pickle.loads(pickle.dumps(record)) == record


def test_a_training_plots_itself():
    pytest.importorskip("matplotlib")
    metrics = [train.Accuracy(), train.ConfusionMatrix()]
    history = fit(model(), epochs=3, validation=(POINTS, SIDES), metrics=metrics)
    figure = history.plot()
    assert [axes.get_title() for axes in figure.axes] == ["loss", "accuracy", "lr"]
    curves = [line.get_ydata().tolist() for line in figure.axes[0].lines]
    assert curves == [history.column("loss"), history.column("val_loss")]
