"""What is shown while a model trains."""

from tests.train.common import POINTS, SIDES, fit, model
from tinygrad_lite import train


def test_lines_without_a_terminal(capsys):
    metrics = [train.Accuracy(), train.ConfusionMatrix()]
    fit(model(), epochs=2, progress=True, validation=(POINTS, SIDES), metrics=metrics)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    for number, line in enumerate(lines, 1):
        words = line.split()
        assert words[:2] == ["epoch", f"{number}/2"] and words[-1] == "examples/s"
        assert words[2:-2:2] == ["loss", "accuracy", "val_loss", "val_accuracy"]


def test_bar_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    fit(model(), epochs=2, progress=True, metrics=[train.Accuracy()])
    shown = capsys.readouterr().err
    assert "epoch 2/2" in shown and "loss" in shown and "accuracy" in shown
    assert "20/20" in shown and "steps/s" in shown


def test_a_bar_for_batches_without_a_length(monkeypatch, capsys):
    class Endless:
        def __iter__(self):
            return iter([(POINTS, SIDES)] * 3)

    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    fit(model(), Endless(), epochs=2, progress=True)
    shown = capsys.readouterr().err
    assert "epoch 2/2" in shown and "6 steps" in shown


def test_quiet(capsys):
    fit(model(), epochs=1)
    assert capsys.readouterr() == ("", "")
