"""From runs to tables: weight changes, and comparisons of arms."""
