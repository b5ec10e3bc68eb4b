"""What a user configures: each section with its keys, checks, and what is in effect."""
