"""Networks: building, describing, and giving them their initial weights."""
