"""What is wanted: goals, the score of a purchase, which goals can be reached, splits."""
