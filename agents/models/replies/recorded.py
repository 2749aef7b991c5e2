"""Recorded replies as the models of today give them: version 0.1 recorded texts with the reasoning in them."""

from __future__ import annotations

from dataclasses import replace

from agents.models.base import ChatReply, Model
from agents.models.replies.reply import joined, separated
from harness.base.errors import EpisodeError


def read_today(reply: ChatReply, model: Model) -> ChatReply:
    """A recorded reply, its reasoning taken out of the text, unless the model's texts are taken as they are. Raises
    `EpisodeError` where there is nothing else in it, as the model does."""
    tags = getattr(model, "reasoning", False)
    if tags is False or reply.reasoning is not None:
        return reply
    text, reasoning = separated(reply.text, tags, reply.finish_reason)
    if reasoning is None:
        return reply
    if text.strip():
        return replace(reply, text=text, reasoning=joined([reasoning]))
    if reply.finish_reason == "length":
        used = reply.completion_tokens or "all"
        said = f"{model.name}: recorded without an answer: it used {used} tokens before it answered"
        raise EpisodeError("model", said, failure="request", reason="output-limit")
    said = f"{model.name}: recorded without an answer: its text is reasoning only"
    raise EpisodeError("infrastructure", said, failure="transient", reason="empty-answer")
