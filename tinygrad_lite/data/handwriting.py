"""Handwritten digits: small ones that the package carries, with their licence beside them in `files/`, and MNIST."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy

from ..core.errors import StateError
from .downloads import cache_folder, download
from .files import read_idx

__all__ = ["digits", "mnist"]

Pair = tuple[numpy.ndarray, numpy.ndarray]


def digits() -> tuple[numpy.ndarray, numpy.ndarray]:
    """Images of handwritten digits and what they show: 1,797 images, about 180 of each digit, written by 13 people.

    Returns `(images, labels)`: images (1797, 8, 8) float32, 0 where there is paper and 1 where there is ink;
    labels (1797,) int64, 0 to 9. Each call returns new arrays.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998,
    https://doi.org/10.24432/C50P49, licence CC BY 4.0; the repository's test file. Details in `files/digits.txt`.

    >>> images, labels = data.digits()
    >>> images.shape, labels[:3]
    ((1797, 8, 8), array([0, 1, 2]))
    """
    from importlib.resources import files  # 10 to 30 ms, too long at import

    with files("tinygrad_lite.data").joinpath("files/digits.npz").open("rb") as file, numpy.load(file) as archive:
        return archive["images"].astype(numpy.float32) / 16, archive["labels"].astype(numpy.int64)


MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

# Checksums as in torchvision's prototype of its data sets (torchvision/prototype/datasets/_builtin/mnist.py, 2022).
MNIST_FILES = {
    "train-images-idx3-ubyte.gz": ("440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9_912_422),
    "train-labels-idx1-ubyte.gz": ("3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28_881),
    "t10k-images-idx3-ubyte.gz": ("8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1_648_877),
    "t10k-labels-idx1-ubyte.gz": ("f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4_542),
}
"""SHA-256 and size in bytes."""


def mnist(
    folder: str | os.PathLike | None = None, *, mirrors: Sequence[str] = MNIST_MIRRORS, progress: bool = True
) -> tuple[Pair, Pair]:
    """MNIST: 60,000 images of handwritten digits to learn from and 10,000 to test on.

    folder : where its four IDX files are, plain or gzipped; or an .npz file with `x_train`, `y_train`, `x_test` and
        `y_test`, or with `train_images`, `train_labels`, `test_images` and `test_labels`. If None, the files are in
        `mnist` in `cache_folder()`, and are downloaded (11.6 MB) if they are not there.
    mirrors : addresses of folders to download from, in the order of trying. progress : as for `download`.

    Returns `(images, labels), (images, labels)`: images (n, 28, 28) float32, 0 where there is paper and 1 where there
    is ink; labels (n,) int64, 0 to 9.

    Raises FileNotFoundError for a folder or file that there is not; StateError for damaged files, and as `download`.
    Source: Y. LeCun, C. Cortes, C. Burges, The MNIST database, http://yann.lecun.com/exdb/mnist/.

    >>> blank = np.zeros((1, 28, 28), "uint8")
    >>> np.savez("blank.npz", x_train=blank, y_train=[7], x_test=blank, y_test=[1])
    >>> (x, y), (x_test, y_test) = data.mnist("blank.npz")
    >>> x.shape, x.dtype, y
    ((1, 28, 28), dtype('float32'), array([7]))
    """
    if folder is None:
        folder = cache_folder() / "mnist"
        for name, (sha256, size) in MNIST_FILES.items():
            urls = [mirror.rstrip("/") + "/" + name for mirror in mirrors]
            download(urls, folder / name, sha256=sha256, size=size, progress=progress)
    path = Path(folder)
    if path.is_dir():
        arrays = [read_idx(_idx_file(path, name)) for name in MNIST_FILES]
    elif path.is_file():
        arrays = _from_npz(path)
    else:
        raise FileNotFoundError(f"mnist: there is no folder {str(path)!r}.")
    return _labelled(path, *arrays[:2]), _labelled(path, *arrays[2:])


def _idx_file(folder: Path, name: str) -> Path:
    """The file of that name, gzipped or not."""
    plain = name.removesuffix(".gz")
    for candidate in (name, plain, plain.replace("-idx", ".idx")):
        if (folder / candidate).is_file():
            return folder / candidate
    raise FileNotFoundError(f"mnist: there is neither {name!r} nor {plain!r} in {str(folder)!r}.")


def _from_npz(path: Path) -> list[numpy.ndarray]:
    try:
        with path.open("rb") as file, numpy.load(file, allow_pickle=False) as archive:
            for names in (
                ("x_train", "y_train", "x_test", "y_test"),
                ("train_images", "train_labels", "test_images", "test_labels"),
            ):
                if set(names) <= set(archive.files):
                    return [archive[name] for name in names]
            raise StateError(
                f"mnist: {str(path)!r} holds {', '.join(archive.files)}; see mnist's folder= for the names."
            )
    except (ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, StateError):
            raise
        raise StateError(f"mnist: {str(path)!r} is no .npz file, or damaged ({error}).") from error


def _labelled(path: Path, images: numpy.ndarray, labels: numpy.ndarray) -> Pair:
    if images.ndim != 3 or images.shape[1:] != (28, 28) or labels.shape != images.shape[:1]:
        raise StateError(
            f"mnist: the files in {str(path)!r} hold images {images.shape} and labels {labels.shape}; (n, 28, 28) and "
            f"(n,) are required."
        )
    pixels = images.astype(numpy.float32)
    pixels /= 255
    return pixels, labels.astype(numpy.int64)
