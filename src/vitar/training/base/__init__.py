"""The small base model, built from nothing: tokenizer, architecture, lessons, training."""
