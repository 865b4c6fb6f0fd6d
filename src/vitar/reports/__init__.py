"""From the folders of runs to a page that a person can read."""

TRACES = 40
"""Items per run in the trace viewer, by default."""
