"""Logs: lines of JSON, and event files that TensorBoard's own reader understands."""

import json
import math
import struct

import numpy as np
import pytest

from tests.train.common import POINTS, SIDES, fit, model
from tests.train.test_checkpoints import Stop, StopAt
from tinygrad_lite import train
from tinygrad_lite.train.events import EventFile, crc32c


class Odd(train.Callback):
    """Puts numbers into the record that JSON does not have."""

    def on_epoch(self, run):
        run.history[-1].update(nan=math.nan, number=np.float32(0.5), list=[math.inf, 1.0])


def strict(text):
    return [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]


def test_a_line_for_each_epoch(tmp_path):
    path = tmp_path / "new" / "log.jsonl"
    metrics = [train.Accuracy(), train.ConfusionMatrix()]
    history = fit(model(), epochs=3, metrics=metrics, callbacks=[Odd(), train.JSONLines(path)])
    lines = strict(path.read_text())
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert [line["loss"] for line in lines] == history.column("loss")
    assert lines[0]["confusion"] == history[0].confusion.tolist()
    assert lines[0]["nan"] is None and lines[0]["number"] == 0.5 and lines[0]["list"] == [None, 1.0]


def test_the_lines_of_a_resumed_training_are_those_of_its_history(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text("of another training\n")
    kept = train.Checkpoints(tmp_path, every_epochs=2)
    with pytest.raises(Stop):
        fit(model(), callbacks=[train.JSONLines(path), StopAt(35)], checkpoints=kept)
    assert [line["epoch"] for line in strict(path.read_text())] == [1, 2, 3]
    history = fit(model(), callbacks=[train.JSONLines(path)], checkpoints=kept)
    assert [line["loss"] for line in strict(path.read_text())] == history.column("loss")


def records(path):
    """The data of the records of an event file, whose checksums must be right."""

    def check(part, masked):
        crc = crc32c(part)
        assert struct.unpack("<I", masked)[0] == ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32

    content, found = path.read_bytes(), []
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        check(content[:8], content[8:12])
        check(content[12 : 12 + length], content[12 + length : 16 + length])
        found.append(content[12 : 12 + length])
        content = content[16 + length :]
    return found


def test_checksums():
    """Test vectors of RFC 3720, appendix B.4."""
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E


def test_an_event_file_byte_by_byte(tmp_path, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 2.0)
    file = EventFile(tmp_path)
    file.scalars(300, {"loss": 0.5, "\u00e9": -1.0})
    file.close()
    (path,) = tmp_path.iterdir()
    assert path.name.startswith("events.out.tfevents.0000000002.")
    first, second = records(path)
    time = b"\x09" + struct.pack("<d", 2.0)
    assert first == time + b"\x1a\x0dbrain.Event:2"
    loss, other = b"\x0a\x04loss\x15\x00\x00\x00\x3f", b"\x0a\x02\xc3\xa9\x15\x00\x00\x80\xbf"
    assert second == time + b"\x10\xac\x02" + b"\x2a\x18" + b"\x0a\x0b" + loss + b"\x0a\x09" + other


def test_tensorboard_reads_the_training(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    history = fit(
        model(), epochs=3, validation=(POINTS, SIDES), metrics=[train.Accuracy(), train.ConfusionMatrix()],
        callbacks=[train.TensorBoard(tmp_path / "run", every_steps=4)],
    )  # fmt: skip
    events = accumulator.EventAccumulator(str(tmp_path / "run")).Reload()
    tags = {"loss/train", "loss/validation", "accuracy/train", "accuracy/validation", "lr", "seconds", "loss/step"}
    assert set(events.Tags()["scalars"]) == tags
    assert [event.value for event in events.Scalars("loss/train")] == np.float32(history.column("loss")).tolist()
    assert [event.step for event in events.Scalars("accuracy/validation")] == [1, 2, 3]
    assert [event.step for event in events.Scalars("loss/step")] == [4, 8, 12, 16, 20, 24, 28]


def test_every_number_is_an_event(tmp_path):
    """The same without TensorBoard."""
    callback = train.TensorBoard(tmp_path, every_steps=4)
    fit(model(), epochs=3, validation=(POINTS, SIDES), metrics=[train.ConfusionMatrix()], callbacks=[callback])
    (path,) = tmp_path.iterdir()
    found = records(path)
    assert len(found) == 1 + 3 + 7
    assert sum(b"loss/train" in record and b"loss/validation" in record for record in found) == 3
    assert sum(b"loss/step" in record for record in found) == 7
    assert not any(b"confusion" in record or b"epoch" in record for record in found)
    fit(model(), epochs=1, callbacks=[callback])
    assert len(list(tmp_path.iterdir())) == 2


def test_errors(tmp_path):
    with pytest.raises(ValueError, match="TensorBoard: every_steps is 0; it must be at least 1"):
        train.TensorBoard(tmp_path, every_steps=0)
