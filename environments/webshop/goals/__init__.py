"""Goals of the shopper: their texts, the score of a purchase, the reachable ones, splits."""
