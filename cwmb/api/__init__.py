"""The package's interface for notebooks and scripts: what ``import cwmb`` offers, a module for each concern."""
