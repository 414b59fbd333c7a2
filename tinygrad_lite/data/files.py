"""Files of examples: IDX, memory-mapped arrays, folders of images."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import IO, Any

import numpy

from ..core.errors import DTypeError, ShapeError, StateError
from .datasets import positions

__all__ = ["ImageFolder", "memory_map", "read_idx"]


def _existing(who: str, path: str | os.PathLike) -> Path:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{who}: there is no file {str(path)!r}.")
    return path


def _gzipped(path: Path) -> bool:
    """Whether a file is gzipped, by its first bytes, whatever its name."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def open_text(who: str, path: str | os.PathLike) -> IO[str]:
    """A text file in UTF-8, gzipped or not, with or without a byte-order mark."""
    path = _existing(who, path)
    opened: Any = gzip.open if _gzipped(path) else open
    return opened(path, "rt", encoding="utf-8-sig", newline="")


IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: str | os.PathLike) -> numpy.ndarray:
    """The array of an IDX file, the format of MNIST; plain or gzipped.

    Raises FileNotFoundError; StateError for a file that is not IDX, is cut off or goes on after its end.
    Source of the format: http://yann.lecun.com/exdb/mnist/, "the IDX file format".

    >>> with open("labels.idx", "wb") as file:
    ...     _ = file.write(bytes([0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4]))
    >>> data.read_idx("labels.idx")
    array([5, 0, 4], dtype=uint8)
    """
    path = _existing("read_idx", path)
    try:
        raw = gzip.decompress(path.read_bytes()) if _gzipped(path) else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise StateError(f"read_idx: {str(path)!r} cannot be unpacked ({error}); copy or download it again.") from error
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in IDX_TYPES:
        raise StateError(f"read_idx: {str(path)!r} is not an IDX file; it begins with {raw[:4]!r}.")
    dtype, axes = numpy.dtype(IDX_TYPES[raw[2]]), raw[3]
    start = 4 + 4 * axes
    shape = tuple(int(n) for n in numpy.frombuffer(raw[4:start].ljust(4 * axes, b"\0"), ">u4"))
    needed = start + dtype.itemsize * math.prod(shape)
    if len(raw) != needed or len(raw) < start:
        raise StateError(
            f"read_idx: {str(path)!r} has {len(raw)} bytes and an array of shape {shape} needs {needed}; a part is "
            f"missing or too much. Copy or download it again."
        )
    return numpy.frombuffer(raw, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def memory_map(
    path: str | os.PathLike, *, dtype: Any = None, shape: tuple[int, ...] | None = None, offset: int = 0
) -> numpy.ndarray:
    """An array that stays in its file and is read where it is indexed; it cannot be written to.

    path : an .npy file, which says what it holds; or a file of numbers and nothing else, with `dtype`.
    shape : of the latter, one axis may be -1; all numbers in one axis if None. offset : bytes before the first number.

    Raises FileNotFoundError; StateError for a damaged .npy file or one of Python objects; ShapeError if file and shape
    do not fit together; DTypeError if a dtype is missing or is given for .npy.

    >>> np.save("x.npy", np.arange(6.0).reshape(3, 2))
    >>> data.ArrayDataset(data.memory_map("x.npy"))[[2, 0]]
    (array([[4., 5.],
           [0., 1.]]),)
    """
    path = _existing("memory_map", path)
    with path.open("rb") as file:
        described = file.read(6) == b"\x93NUMPY"
    if described or path.suffix == ".npy":
        if dtype is not None or shape is not None or offset:
            raise DTypeError(f"memory_map: {str(path)!r} is an .npy file and says itself what it holds.")
        return _mapped_npy(path)
    if dtype is None:
        raise DTypeError(f"memory_map: {str(path)!r} is not an .npy file; give the dtype of its numbers.")
    dtype = numpy.dtype(dtype)
    if dtype.hasobject:
        raise DTypeError(f"memory_map: dtype is {dtype}; a file cannot hold Python objects.")
    size = path.stat().st_size - offset
    wanted = (-1,) if shape is None else tuple(shape)
    known = math.prod(n for n in wanted if n != -1) * dtype.itemsize
    fits = size % known == 0 if known and -1 in wanted else size == known
    if offset < 0 or size < 0 or wanted.count(-1) > 1 or min(wanted, default=0) < -1 or not fits:
        raise ShapeError(
            f"memory_map: {str(path)!r} holds {size} bytes after offset {offset}; shape {wanted} of {dtype} does not "
            f"fit them."
        )
    shape = tuple(size // known if n == -1 else n for n in wanted)
    if not size:  # the system maps no empty files
        return numpy.zeros(shape, dtype)
    return numpy.memmap(path, dtype, "r", offset, shape)


def _mapped_npy(path: Path) -> numpy.ndarray:
    try:
        return numpy.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise StateError(
            f"memory_map: {str(path)!r} cannot be mapped ({error}); it is damaged, empty or holds Python objects."
        ) from error


SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


class ImageFolder:
    """Images in folders, one folder for each class: `root/cat/1.png`, `root/cat/other/2.jpg`, `root/dog/a.png`.

    An example is `(image, label)`: image (channels, height, width) float32 from 0 to 1, label the place of its folder's
    name in `classes`, which are sorted. Files are read when they are asked for; a `DataLoader` with `workers` reads
    several at once.

    mode : "RGB" for three channels or "L" for one of grey. size : (height, width) that all images are brought to;
    without it the images of a batch must be of one size. Needs Pillow.

    Raises ImportError without Pillow; FileNotFoundError if there is no folder, no class or no image in a class; when
    read, StateError for a damaged file and ShapeError for images of several sizes.

    >>> import pathlib
    >>> from PIL import Image
    >>> for kind in ("cat", "dog"):
    ...     pathlib.Path("pets", kind).mkdir(parents=True)
    ...     Image.new("RGB", (4, 6), "red").save(f"pets/{kind}/1.png")
    >>> pets = data.ImageFolder("pets", size=(3, 2))
    >>> pets.classes, [(images.shape, labels) for images, labels in data.DataLoader(pets, 2, shuffle=False)]
    (['cat', 'dog'], [((2, 3, 3, 2), array([0, 1]))])
    """

    def __init__(self, root: str | os.PathLike, *, mode: str = "RGB", size: tuple[int, int] | None = None) -> None:
        _pillow()
        if mode not in ("RGB", "L"):
            raise ShapeError(f"ImageFolder: mode is {mode!r}; 'RGB' or 'L' is required.")
        if size is not None and (len(size) != 2 or any(not hasattr(n, "__index__") or n < 1 for n in size)):
            raise ShapeError(f"ImageFolder: size is {size!r}; (height, width), integers from 1 up, is required.")
        self.root, self.mode, self.size = Path(root), mode, size
        if not self.root.is_dir():
            raise FileNotFoundError(f"ImageFolder: there is no folder {str(root)!r}.")
        folders = sorted(path for path in self.root.iterdir() if path.is_dir() and not path.name.startswith("."))
        if not folders:
            raise FileNotFoundError(f"ImageFolder: {str(root)!r} has no folders; each class needs one.")
        self.classes = [folder.name for folder in folders]
        self.files: list[Path] = []
        labels: list[int] = []
        for label, folder in enumerate(folders):
            found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
            if not found:
                raise FileNotFoundError(
                    f"ImageFolder: there are no images in {str(folder)!r}; files {', '.join(SUFFIXES)} are required."
                )
            self.files += found
            labels += [label] * len(found)
        self.labels = numpy.array(labels, numpy.int64)
        """(n,) the class of each file."""

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: Any) -> tuple[numpy.ndarray, Any]:
        chosen = positions("ImageFolder", index, len(self))
        if isinstance(chosen, int):
            return self._read(self.files[chosen]), self.labels[chosen]
        numbers = numpy.arange(len(self))[chosen]
        images = [self._read(self.files[i]) for i in numbers.ravel()]
        for i, image in zip(numbers.ravel(), images, strict=True):
            if image.shape != images[0].shape:
                first = self.files[numbers.flat[0]]
                raise ShapeError(
                    f"ImageFolder: {str(self.files[i])!r} is {image.shape[1]} x {image.shape[2]} and {str(first)!r} is "
                    f"{images[0].shape[1]} x {images[0].shape[2]}; a batch needs one size, give size=(height, width)."
                )
        empty = (3 if self.mode == "RGB" else 1, *(self.size or (0, 0)))
        stacked = numpy.stack(images) if images else numpy.zeros((0, *empty), numpy.float32)
        return stacked.reshape(*numbers.shape, *stacked.shape[1:]), self.labels[chosen]

    def _read(self, path: Path) -> numpy.ndarray:
        image_module = _pillow()
        try:
            with image_module.open(path) as image:
                # 16 bits of grey would be cut off at 255 by Pillow's conversion; it brightens nothing as 32-bit floats.
                deep = image.mode.startswith("I")
                image = image.convert("F") if deep else image.convert(self.mode)
                if self.size is not None and image.size != self.size[::-1]:
                    image = image.resize(self.size[::-1], image_module.Resampling.BILINEAR)
                pixels = numpy.asarray(image, numpy.float32) / (65535 if deep else 255)
        except (OSError, SyntaxError, ValueError, image_module.DecompressionBombError) as error:
            raise StateError(f"ImageFolder: {str(path)!r} cannot be read as an image ({error}).") from error
        if pixels.ndim == 3:
            return numpy.ascontiguousarray(pixels.transpose(2, 0, 1))
        return numpy.repeat(pixels[None], 3, axis=0) if self.mode == "RGB" else pixels[None]

    def __repr__(self) -> str:
        return f"ImageFolder({len(self)} images of {len(self.classes)} classes)"


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "ImageFolder: Pillow is not installed; reading images needs it: pip install 'tinygrad-lite[images]'"
        ) from error
    return Image
