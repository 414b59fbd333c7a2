"""Files: weights as safetensors."""

from .files import replacing
from .weights import load_metadata, load_weights, save_weights

__all__ = ["load_metadata", "load_weights", "save_weights"]
