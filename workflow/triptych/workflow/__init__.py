"""What the rules compute: pure functions of the effective configuration."""
