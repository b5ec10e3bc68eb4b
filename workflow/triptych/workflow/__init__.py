"""Pure functions of the effective configuration, for the rules."""
