"""Data to train on: the digits that the package carries, splitting, and mini-batches. Everything here is NumPy."""

from .datasets import digits
from .sampling import batches, stratified_split

__all__ = ["batches", "digits", "stratified_split"]
