"""Handwritten digits: those that the package carries, with attribution and licence beside them in `files/`."""

from __future__ import annotations

import numpy

__all__ = ["digits"]


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
