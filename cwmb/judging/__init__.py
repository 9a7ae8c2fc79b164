"""How right a program is: scores, horizons, and what is trivial and attainable on the same data."""
