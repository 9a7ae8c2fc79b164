"""The Code World Models Benchmark: language models write environments as Python programs."""

__version__ = "0.1.0"
