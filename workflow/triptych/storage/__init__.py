"""Files: reading, atomic writes, downloads, locks and digests."""
