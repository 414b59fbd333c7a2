"""What works on modules and inputs: computed weights, parameters as one vector, sequences of different lengths."""

from . import parametrizations, parametrize, rnn
from .vectors import parameters_to_vector, vector_to_parameters

__all__ = ["parameters_to_vector", "parametrizations", "parametrize", "rnn", "vector_to_parameters"]
