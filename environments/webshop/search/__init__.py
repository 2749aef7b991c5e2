"""The shop's search: Lucene's analysis and BM25."""
