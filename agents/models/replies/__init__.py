"""Replies of models: the answer apart from its reasoning, tokens, errors of status 200."""
