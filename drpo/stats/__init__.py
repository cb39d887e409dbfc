"""Statistics that know nothing of runs: intervals, Bradley-Terry, agreement, overlap of texts."""
