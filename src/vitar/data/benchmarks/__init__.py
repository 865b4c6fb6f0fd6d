"""The benchmarks of the field: one file each, from the rows as published to examples."""
