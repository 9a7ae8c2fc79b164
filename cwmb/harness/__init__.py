"""The harness: it runs cells (one search with its test score and its planning result) and keeps their records."""
