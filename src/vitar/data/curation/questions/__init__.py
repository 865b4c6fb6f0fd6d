"""Making a set of fine-grained questions out of annotated images."""
