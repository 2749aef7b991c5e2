"""The five kinds of part another package can bring, around one small game: describe a word without saying it."""
