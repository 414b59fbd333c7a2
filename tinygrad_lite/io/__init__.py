"""Files: weights as safetensors, and states of trainings."""

from .files import replacing
from .states import load_state, save_state
from .weights import load_metadata, load_weights, save_weights

__all__ = ["load_metadata", "load_state", "load_weights", "save_state", "save_weights"]
