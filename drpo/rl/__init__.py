"""The DR-PO loop and its arithmetic."""
