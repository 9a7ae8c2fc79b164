"""The benchmark's data and results in the formats of others: Hugging Face, Croissant, Every Eval Ever, Minari."""
