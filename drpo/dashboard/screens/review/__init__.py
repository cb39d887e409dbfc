"""Review: blind votes and their result."""
