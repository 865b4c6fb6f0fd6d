"""Where a model looks while it thinks, and where while it rethinks: attention over finished episodes."""
