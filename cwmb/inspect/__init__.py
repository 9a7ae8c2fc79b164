"""The benchmark in Inspect: tasks, solvers and scorers (``pip install 'cwmb[inspect]'``, docs/inspect.md)."""
