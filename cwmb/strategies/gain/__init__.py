"""A search by expected gain over the program at hand."""

from cwmb.strategies.gain.search import Gain

__all__ = ["Gain"]
