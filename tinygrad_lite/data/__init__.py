"""Data to train on: datasets, loaders of mini-batches, splits, transforms of images, readers of files, digits and text.

Everything here is NumPy.
"""

from . import transforms
from .datasets import ArrayDataset, ConcatDataset, Dataset, Subset
from .downloads import cache_folder, download
from .files import ImageFolder, memory_map, read_idx
from .handwriting import digits, mnist
from .loader import DataLoader, default_collate
from .splits import kfold, random_split, stratified_kfold, stratified_split
from .tabular import Standardizer, Table, read_csv
from .text import CharacterText, TextWindows

__all__ = [
    "ArrayDataset", "CharacterText", "ConcatDataset", "DataLoader", "Dataset", "ImageFolder", "Standardizer", "Subset",
    "Table", "TextWindows", "cache_folder", "default_collate", "digits", "download", "kfold", "memory_map",
    "mnist", "random_split", "read_csv", "read_idx", "stratified_kfold", "stratified_split", "transforms",
]  # fmt: skip
