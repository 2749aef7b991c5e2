"""Everything that reads or writes a run's folder: records, the store, the index beside it, tables over them."""
