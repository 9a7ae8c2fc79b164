"""Language models: providers, prompts and the extraction of programs."""
