"""Search strategies: ways of asking a language model for a program. Each is an entry point of ``cwmb.strategies``.

A strategy is a frozen dataclass whose fields are its options. It is handed all that it needs (the task, a metered
language model, the score on the training transitions, a random generator) and may let BudgetExhausted pass: the harness
keeps the best program that was evaluated. Check your own with ``cwmb.testing.check_strategy``.
"""
