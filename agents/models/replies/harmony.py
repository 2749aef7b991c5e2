"""gpt-oss's own layout ("harmony"), where a server hands it on unread: messages in channels, of which `final` is the answer."""

from __future__ import annotations

import re

from harness.base.patterns import pattern

_TOKEN = pattern(r"<\|(start|channel|message|constrain|end|return|call)\|>")
_BARE = pattern(r"\s*analysis(?=[A-Z\"“])")
"""The layout without its tokens, which a server left out: `analysisWe should …assistantfinalBe fair.`"""
_BARE_FINAL = pattern(r"assistant\s?final")
_AS_ASSISTANT = pattern(r"\s*assistant\s?(?:final)?")
_ROLES = ("assistant", "system", "developer", "user", "")


def harmony(text: str) -> tuple[str, str] | None:
    """(answer, reasoning) of a text in this layout, the first tokens of which may be missing; None for any other text.
    The answer is empty where no final message was begun."""
    tokens = list(_TOKEN.finditer(text)) if "<|" in text else []
    if not any(token[1] in ("channel", "message") for token in tokens):
        return _bare(text)
    first, thoughts = text[: tokens[0].start()], list[str]()
    header = first if tokens[0][1] == "message" else ""
    if not header and first.strip() not in _ROLES:
        # The prompt's template opened a message, so that its header is missing.
        thoughts.append(first)
    answers: list[str] = []
    orphans: list[str] = []
    """Texts behind the end of a message that have no header."""
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        piece = text[token.end() : following.start() if following else len(text)]
        if token[1] == "message":
            (answers if _is_final(header) else thoughts).append(piece)
            header = ""
        elif token[1] in ("start", "channel", "constrain"):
            header = piece if token[1] == "start" else f"{header} {piece}"
        else:
            orphans.append(_AS_ASSISTANT.sub("", piece))
    if not answers:
        answers, orphans = orphans, []
    return "".join(answers), "\n\n".join(part.strip() for part in thoughts + orphans if part.strip())


def _is_final(header: str) -> bool:
    """True if a message's header names the channel `final`, or none at all (`assistant`)."""
    words = re.findall(r"\w+", header.lower())
    return "final" in words or all(word in _ROLES for word in words)


def _bare(text: str) -> tuple[str, str] | None:
    begun = _BARE.match(text)
    if not begun:
        return None
    finals = list(_BARE_FINAL.finditer(text))
    if not finals:
        return "", text[begun.end() :]
    return text[finals[-1].end() :], text[begun.end() : finals[-1].start()]
