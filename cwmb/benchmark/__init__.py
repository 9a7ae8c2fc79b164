"""What is measured, read from the top-level folders: environments, texts, data, protocols and their baselines."""
