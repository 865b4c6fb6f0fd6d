"""Making training sets: verified trajectories and questions."""
