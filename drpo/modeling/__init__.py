"""Policy, reference, critic and reward model: loading, tokens, forward passes, scores."""
