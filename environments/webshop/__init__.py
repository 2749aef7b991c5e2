"""WebShop in plain Python: catalogue, search, pages, rewards and the environment over them (see README.md)."""
