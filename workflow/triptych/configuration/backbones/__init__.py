"""Networks as the configuration knows them, without torch: one file of facts a library, written by a command."""
