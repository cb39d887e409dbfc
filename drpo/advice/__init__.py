"""Should a run reset? A look at data and start policy before any training, and what follows."""
