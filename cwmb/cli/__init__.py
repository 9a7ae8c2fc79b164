"""The command line: ``cwmb …``."""

from cwmb.cli.app import main

__all__ = ["main"]
