"""Files: read, written whole or not at all, fetched, locked, and their digests."""
