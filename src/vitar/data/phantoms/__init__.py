"""Procedural medical-looking images with known truth."""
