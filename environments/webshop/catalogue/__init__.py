"""Products: the published files, the built-in catalogue, the store on disk."""
