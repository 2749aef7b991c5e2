"""The shop in play: pages, sessions, the shortest way to a purchase, scripted shoppers."""
