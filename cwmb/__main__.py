"""``python -m cwmb``."""

from cwmb.cli import main

main()
