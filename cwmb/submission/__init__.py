"""Submissions to the leaderboard: packing a run, reading a stranger's bundle safely, verifying what it claims.

A bundle is one zip archive with a manifest, the records of one or several runs, and each cell's ledger and programs.
Packing and reading agree on its form to the byte, so that what is read needs no tolerance for what others may write.
"""
