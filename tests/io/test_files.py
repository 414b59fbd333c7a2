"""Files appear whole or not at all."""

import pytest

from tinygrad_lite.io.files import replacing


def test_a_new_file_appears_at_the_end(tmp_path):
    path = tmp_path / "file"
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_old_file_stays_when_writing_fails(error, tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(error), replacing(path) as temporary:
        temporary.write_text("ne")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_failing_before_anything_was_written(tmp_path):
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "file"):
        1 / 0
    assert list(tmp_path.iterdir()) == []


def test_the_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_text("x")
    with replacing(tmp_path / "file") as temporary:
        temporary.write_text("x")
        temporary.chmod(0o600)  # as safetensors does
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode
