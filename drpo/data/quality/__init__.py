"""What is wrong with the rows, and how fit they are for training."""
