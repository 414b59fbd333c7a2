"""What works on modules and their inputs: sequences of different lengths."""

from . import rnn

__all__ = ["rnn"]
