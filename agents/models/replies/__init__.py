"""What came back from a model: the answer apart from its reasoning, tokens, errors of status 200."""
