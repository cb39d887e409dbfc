"""What results say: head to head, the verdict, and the lock that shows why resets help."""
