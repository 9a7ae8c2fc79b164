"""How fast the software is, against what limits it: the program under test, called in a bare loop. ``make bench``.

Every row is a ratio of two times measured in turn in one run, so that it can be compared between machines and days.
"""
