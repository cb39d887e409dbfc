"""Home: what DR-PO is, in a picture."""
