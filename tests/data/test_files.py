"""IDX files, memory-mapped arrays, folders of images."""

import gzip
import struct
import sys
import warnings

import numpy as np
import pytest

from tinygrad_lite import data
from tinygrad_lite.core.errors import DTypeError, IndexingError, ShapeError, StateError

CODES = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}


def idx(array):
    head = bytes([0, 0, CODES[str(array.dtype)], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("shape", [(3,), (2, 3, 4), (0, 5), ()])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_files_are_read_whatever_their_name(tmp_path, dtype, shape, pack):
    array = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    path = tmp_path / "anything"
    path.write_bytes(pack(idx(array)))
    made = data.read_idx(path)
    assert made.dtype == dtype and np.array_equal(made, array) and made.shape == shape and made.flags.writeable


def test_damaged_idx_files_are_refused(tmp_path):
    whole = idx(np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    packed, path = gzip.compress(whole), tmp_path / "x.idx"
    cuts = [whole[:n] for n in range(1, len(whole))] + [whole + b"\0"]
    cuts += [packed[:n] for n in range(3, len(packed))] + [packed[:20] + bytes([packed[20] ^ 255]) + packed[21:]]
    for raw in [b"", *cuts, b"\1" + whole[1:], b"\0\0\7\1\0\0\0\0", b"PNG file"]:
        path.write_bytes(raw)
        with pytest.raises(
            StateError, match="read_idx: '.*x.idx' (has .* needs|cannot be unpacked|is not an IDX file; it begins with)"
        ):
            data.read_idx(path)
    path.write_bytes(whole[:-1])
    with pytest.raises(StateError, match=r"has 63 bytes and an array of shape \(2, 3, 4\) needs 64; a part is missing"):
        data.read_idx(path)
    with pytest.raises(FileNotFoundError, match="read_idx: there is no file '.*none'"):
        data.read_idx(tmp_path / "none")


def test_arrays_stay_in_their_files(tmp_path):
    x = np.arange(24, dtype=np.float32).reshape(6, 4)
    np.save(tmp_path / "x.npy", x)
    (tmp_path / "x.raw").write_bytes(b"head" + x.tobytes())
    for mapped in (
        data.memory_map(tmp_path / "x.npy"),
        data.memory_map(tmp_path / "x.raw", dtype="float32", shape=(-1, 4), offset=4),
        data.memory_map(tmp_path / "x.raw", dtype="float32", shape=(6, 4), offset=4),
    ):
        assert isinstance(mapped, np.memmap) and np.array_equal(mapped, x)
        with pytest.raises(ValueError, match="read-only"):
            mapped[0] = 0
        for (batch,) in data.DataLoader((mapped,), 4, rng=0):
            assert type(batch) is np.ndarray and batch.flags.writeable
    assert data.memory_map(tmp_path / "x.raw", dtype="uint8").shape == (100,)
    (tmp_path / "empty").touch()
    assert data.memory_map(tmp_path / "empty", dtype="float32", shape=(-1, 4)).shape == (0, 4)


def test_files_that_cannot_be_mapped(tmp_path):
    (tmp_path / "x.raw").write_bytes(bytes(24))
    for options in ({"shape": (5,)}, {"shape": (-1, 5)}, {"shape": (-1, -1)}, {"shape": (-2, 3)}, {"offset": 25},
                    {"offset": -1}, {"shape": (-1, 0)}):  # fmt: skip
        with pytest.raises(
            ShapeError, match="memory_map: '.*x.raw' holds -?.* bytes after offset .* does not fit them"
        ):
            data.memory_map(tmp_path / "x.raw", dtype="float32", **options)
    with pytest.raises(DTypeError, match="'.*x.raw' is not an .npy file; give the dtype of its numbers"):
        data.memory_map(tmp_path / "x.raw")
    with pytest.raises(DTypeError, match="memory_map: dtype is object; a file cannot hold Python objects"):
        data.memory_map(tmp_path / "x.raw", dtype=object)
    np.save(tmp_path / "objects.npy", np.array([None, 1]), allow_pickle=True)
    np.save(tmp_path / "x.npy", np.arange(24.0))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-9])
    (tmp_path / "head.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:30])
    (tmp_path / "empty.npy").touch()
    for name in ("objects", "cut", "head", "empty"):
        with pytest.raises(
            StateError, match=f"memory_map: '.*{name}.npy' cannot be mapped .*; it is damaged, empty or"
        ):
            data.memory_map(tmp_path / f"{name}.npy")
    with pytest.raises(DTypeError, match="'.*x.npy' is an .npy file and says itself what it holds"):
        data.memory_map(tmp_path / "x.npy", dtype="float32")
    with pytest.raises(FileNotFoundError, match="memory_map: there is no file"):
        data.memory_map(tmp_path / "none.npy")


@pytest.fixture
def folder(tmp_path):
    image_module = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    root = tmp_path / "images"
    for name, shape, mode in (
        ("dog/b.png", (6, 4, 3), None), ("dog/a.PNG", (6, 4), None), ("cat/deep/c.png", (6, 4, 4), None),
        ("cat/x.jpg", (6, 4, 3), None), ("cat/p.png", (6, 4, 3), "P"),
    ):  # fmt: skip
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = image_module.fromarray(rng.integers(0, 256, shape, np.uint8))
        (image.quantize(16) if mode == "P" else image).save(path)
    (root / "dog" / "notes.txt").write_text("no image")
    (root / ".hidden").mkdir()
    (root / "README").write_text("no class")
    return root


def test_folders_are_classes(folder):
    image_module = pytest.importorskip("PIL.Image")
    images = data.ImageFolder(folder)
    assert images.classes == ["cat", "dog"] and images.labels.tolist() == [0, 0, 0, 1, 1]
    assert [path.name for path in images.files] == ["c.png", "p.png", "x.jpg", "a.PNG", "b.png"]
    x, y = images[4]
    assert x.shape == (3, 6, 4) and x.dtype == np.float32 and y == 1
    expected = np.asarray(image_module.open(folder / "dog" / "b.png"))
    assert np.array_equal((x * 255).round().transpose(1, 2, 0), expected)
    grey = images[3][0]
    assert np.array_equal(grey[0], grey[1]) and np.array_equal(grey[0], grey[2])
    many, labels = images[[3, 0, -1]]
    assert many.shape == (3, 3, 6, 4) and labels.tolist() == [1, 0, 1] and np.array_equal(many[2], x)
    assert images[[]][0].shape == (0, 3, 0, 0) and repr(images) == "ImageFolder(5 images of 2 classes)"
    assert data.ImageFolder(folder, mode="L", size=(3, 5))[:][0].shape == (5, 1, 3, 5)
    batches = list(data.DataLoader(images, 2, shuffle=False, workers=2))
    assert np.array_equal(np.concatenate([x for x, _ in batches]), images[:][0])
    with pytest.raises(IndexingError, match="ImageFolder: there is no example 5; there are 5"):
        images[5]


def test_sixteen_bits_of_grey_are_not_cut_off(folder):
    image_module = pytest.importorskip("PIL.Image")
    deep = np.linspace(0, 65535, 24).astype(np.uint16).reshape(6, 4)
    image_module.fromarray(deep).save(folder / "dog" / "c.png")
    for mode, channels in (("L", 1), ("RGB", 3)):
        x, _ = data.ImageFolder(folder, mode=mode)[5]
        assert x.shape == (channels, 6, 4)
        np.testing.assert_allclose(x, np.broadcast_to(deep / 65535, x.shape), atol=1e-6)


def test_images_that_cannot_be_read(folder):
    image_module = pytest.importorskip("PIL.Image")
    raw = (folder / "dog" / "b.png").read_bytes()
    for bad in (b"", b"not an image", raw[: len(raw) // 2], raw[:40]):
        (folder / "dog" / "b.png").write_bytes(bad)
        with pytest.raises(StateError, match="ImageFolder: '.*b.png' cannot be read as an image"):
            data.ImageFolder(folder)[4]
    with warnings.catch_warnings(), pytest.raises(StateError, match="b.png' cannot be read") as caught:
        list(data.DataLoader(data.ImageFolder(folder), 5, shuffle=False, workers=1))
    assert caught.value.__notes__ == ["DataLoader: in batch 0 of epoch 1, examples 0 to 4."]
    image_module.fromarray(np.zeros((5, 4), np.uint8)).save(folder / "dog" / "b.png")
    with pytest.raises(
        ShapeError, match="ImageFolder: '.*b.png' is 5 x 4 and '.*a.PNG' is 6 x 4; a batch needs one size, give size="
    ):
        data.ImageFolder(folder)[[3, 4]]


def test_folders_that_are_none(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="ImageFolder: there is no folder '.*none'"):
        data.ImageFolder(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="ImageFolder: '.*dog' has no folders; each class needs one"):
        data.ImageFolder(folder / "dog")
    (folder / "emu").mkdir()
    with pytest.raises(FileNotFoundError, match="there are no images in '.*emu'; files .bmp, .* are required"):
        data.ImageFolder(folder)
    with pytest.raises(ShapeError, match="ImageFolder: mode is 'CMYK'; 'RGB' or 'L' is required"):
        data.ImageFolder(folder, mode="CMYK")
    for size in ((0, 3), (3,), (2.5, 2)):
        with pytest.raises(ShapeError, match=r"ImageFolder: size is .*; \(height, width\), integers from 1 up"):
            data.ImageFolder(folder, size=size)


def test_without_pillow_the_error_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"Pillow is not installed; .* pip install 'tinygrad-lite\[images\]'"):
        data.ImageFolder(folder)
