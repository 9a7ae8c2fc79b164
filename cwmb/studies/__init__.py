"""Studies of the benchmark itself, none of which needs a language model: ``python -m cwmb.studies``."""
