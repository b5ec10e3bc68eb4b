"""From runs to tables: what moved in the weights, and how the arms compare."""
