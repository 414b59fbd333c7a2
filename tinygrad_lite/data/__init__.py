"""Data to train on: datasets, loaders of mini-batches, splitting, and the digits that the package carries.

Everything here is NumPy.
"""

from .datasets import ArrayDataset, ConcatDataset, Dataset, Subset
from .handwriting import digits
from .loader import DataLoader, default_collate
from .sampling import batches, stratified_split

__all__ = [
    "ArrayDataset", "ConcatDataset", "DataLoader", "Dataset", "Subset", "batches", "default_collate", "digits",
    "stratified_split",
]  # fmt: skip
