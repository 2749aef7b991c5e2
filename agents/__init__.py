"""Agents of the strategist harness: chats, actors, strategists, and the models behind them."""
