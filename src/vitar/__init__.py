"""Iterative visual reasoning for medical vision-language models: think, act, rethink, answer."""

__version__ = "0.1.0"
