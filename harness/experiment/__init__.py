"""The experiment file: the parts that a user writes, the matrix of cells they stand for, and what makes two runs the same."""
