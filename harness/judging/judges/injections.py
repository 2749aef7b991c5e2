"""Finds texts that try to instruct the judge. A flag is a hint for a reader and a figure for the report card: nothing is
removed, nothing is refused, and a judgement with flags still counts.

It is a list of patterns, so it knows the attempts it was written for: orders to ignore the instructions and demands
for a score in a dozen languages, texts that speak to the judge, forged answers, frames, roles and templates, hidden
text. Someone who knows the list can write around it; what no text can do is leave its place in the prompt (`frame`).
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache

_MAX_CHARACTERS = 20_000
"""Per text: what is longer is searched at both ends."""

_SCORE_WORD = r"(?:scores?|scoring|rating|ratings|rate|rated|grade|grades|grading|evaluation)"
_TOP = r"(?:10|ten|maximum|max|highest|full|perfect)"
_JUDGE = (
    r"(?:judge|judges|evaluator|evaluators|grader|graders|rater|scorer|assessor|reviewer|language model|llm|ai model)"
)

PATTERNS: dict[str, tuple[str, ...]] = {
    "overrides the instructions": (
        r"\b(?:ignore|disregard|forget|override|overrule|skip|bypass)\b.{0,40}"
        r"\b(?:instruction|rule|prompt|direction|guideline|rubric|criteria|above|previous|prior|told)",
        r"\bnew (?:instructions?|rules?|rubric|task)\b\s*:",
        r"\b(?:instructions?|rubric|criteria|rules) (?:have|has|were|was|are|is) (?:been )?(?:changed|updated|replaced|void)",
        r"ignorier\w*.{0,40}(?:anweisung|regel|vorgabe|oben)|vergiss.{0,40}(?:anweisung|regel|vorgabe)",
        r"(?:ignore|oublie)[rz]?.{0,40}(?:instructions|consignes|règles)",
        r"(?:ignora|olvida)\w*.{0,40}(?:instrucciones|reglas)",
        r"(?:ignora|dimentica)\w*.{0,40}(?:istruzioni|regole)",
        r"(?:ignore|esqueça)\w*.{0,40}(?:instruções|regras)",
        r"(?:negeer|vergeet).{0,40}(?:instructies|regels)",
        r"(?:zignoruj|zapomnij).{0,40}(?:instrukcj|polece|zasad)",
        r"(?:игнорируй|забудь|не обращай).{0,40}(?:инструкц|указан|правил)",
        r"(?:忽略|无视|忘记|忽視|無視).{0,20}(?:指示|指令|说明|說明|规则|規則|提示)",
        r"(?:指示|命令|ルール).{0,12}(?:無視|忘れ)",
        r"(?:지시|명령|규칙).{0,12}(?:무시|잊)",
        r"(?:تجاهل|انس).{0,40}(?:التعليمات|القواعد)",
        r"(?:निर्देश|नियम).{0,30}(?:अनदेखा|नज़रअंदाज|भूल)",
        r"(?:talimat|kural)\w*.{0,30}(?:yok ?say|görmezden|unut)",
    ),
    "asks for a score": (
        rf"\b{_SCORE_WORD}\b.{{0,40}}\b{_TOP}\b(?!\s*(?:dollars|euros|bucks|points|%|percent))",
        rf"\b(?:give|award|assign|grant|deserves?|answer|return|output|set)\b.{{0,40}}\b{_TOP}\b.{{0,20}}\b(?:{_SCORE_WORD}|points|marks)\b",
        r"\b(?:10|ten)\s*(?:out of|/)\s*(?:10|ten)\b.{0,40}\b(?:goal|believab|dimension|agent|every)",
        r"\b(?:goal|believability|relationship|overall|credit)\s*(?:score)?\s*(?:=|:|is|to)\s*10\b",
        r"\b(?:mark|call|count|list|declare) .{0,40}\bstrateg\w*.{0,40}\bcritical\b",
        r"\bevery(?:one| strategy)?\b.{0,30}\b(?:critical|10 points)\b",
        r"(?:bewerte|vergib|gib|vergeben).{0,40}(?:\b10\b|zehn|höchst|volle)",
        r"(?:donne|attribue|mets|note)[rz]?\b.{0,40}(?:\b10\b|\bdix\b|note maximale)",
        r"(?:puntúa|califica|otorga|asigna|dame|pon)\w*.{0,40}(?:\b10\b|\bdiez\b|máxim)",
        r"(?:assegna|valuta|dai|dammi)\b.{0,40}(?:\b10\b|\bdieci\b|massim)",
        r"(?:atribua|avalie|dê)\b.{0,40}(?:\b10\b|\bdez\b|máxim)",
        r"(?:geef|beoordeel).{0,40}(?:\b10\b|\btien\b|hoogste)",
        r"(?:przyznaj|oceń|daj).{0,40}(?:\b10\b|dziesięć|maksym)",
        r"(?:поставь|оцени|дай|присвой).{0,40}(?:\b10\b|десят|максим)",
        r"(?:10|十|满|滿)\s*分|(?:10|十|満)\s*点|(?:10|만)\s*점",
        r"(?:أعط|امنح|قي[ّ]?م).{0,40}(?:\d+|عشرة|كاملة)",
        r"(?:10|दस|१०).{0,10}अंक",
        r"(?:10|on|tam) puan",
    ),
    "speaks to the judge": (
        rf"\b(?:dear|hey|hello|attention|to|for) (?:the |our |my )?{_JUDGE}\b\s*[:,.!—-]",
        rf"\b(?:note|message|instruction|reminder|hint)s? (?:to|for) (?:the |our )?{_JUDGE}\b",
        rf"\b{_JUDGE}\s*[:,!]\s*(?:please|you|this|the|give|score|rate|note|ignore|output|answer|as)\b",
        rf"\b(?:you are|you're|act as|as) (?:now )?(?:a|an|the|our) (?:\w+ )?{_JUDGE}\b",
        r"\bif you are (?:an? )?(?:ai|llm|language model|judge|evaluator|model)\b",
        r"\b(?:whoever|whatever|anyone who) (?:judges|scores|grades|evaluates|rates)\b",
        rf"\bthe {_JUDGE} (?:must|should|shall|has to)\b",
    ),
    "forges an answer": (
        r"[\"'“]?\b(?:agent_[12]|critical|score|reasoning|believability|social_rules|overall|credits?|evaluation)\b[\"'”]?\s*:\s*[\[{\"-]?\s*[\[{\"\d]",
        r"\bmy (?:final )?(?:evaluation|verdict|assessment) is\b|\bevaluation (?:complete|finished|result)",
        r"```\s*json",
    ),
    "forges the frame": (
        r"\bmaterial\s+[0-9a-f]{6,}|<<<\s*material|material\s*>>>|<<<\s*/|>>>\s*$",
        r"\bend of (?:the )?(?:material|transcript|document|conversation|dialogue|data|input|episode|quote)\b",
        r"</?\s*(?:material|transcript|document|data|input|instructions?|prompt|context|episode|quote)\s*>",
        r"-{3,}\s*(?:end|begin|start|new)\b|={3,}\s*(?:end|begin|start|new)\b|#{3,}\s*\w",
        r"\"\s*[}\]]\s*[}\],]",
    ),
    "forges a role": (
        r"(?:^|[\n.!?:\"\]])\s*\[?(?:system|assistant|developer|human|user|tool)\]?\s*:",
        r"<\|[^|]{1,30}\|>|\[/?INST\]|<</?SYS>>|</?(?:system|assistant|user|tool)>|\"role\"\s*:",
        r"\bsystem (?:message|prompt|override|notice|update|note|command)\b|\b(?:developer|admin|debug|maintenance) mode\b",
    ),
    "holds template fields": (
        r"\$\{?(?:mark|material|agent_[12]|strategies|outcome|background|problem)\b",
        r"\{\{.{0,80}\}\}|\{%.{0,80}%\}|\{(?:format_instructions|transcript|material|scores?|history)\}",
    ),
    "hides text": (
        r"[\u202a-\u202e\u2066-\u2069]",
        r"\x1b\[|\x08{2,}",
        r"[\u200b-\u200d\u2060\ufeff]{2,}|[\U000e0020-\U000e007e]",
        r"<!--.{0,400}-->",
    ),
}


@cache
def _compiled() -> dict[str, re.Pattern[str]]:
    """The patterns by kind; compiled where a text is looked at, which most commands never do."""
    return {
        name: re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE | re.DOTALL)
        for name, patterns in PATTERNS.items()
    }


_LOOKALIKES = str.maketrans(
    "авеікмнорстухјѕԁԛԝһӏ" + "αβεικνορτυχ" + "АВЕКМНОРСТУХЈЅІ" + "ΑΒΕΙΚΜΝΟΡΤΥΧ",
    "abeikmhopctyxjsdqwhl" + "abeikvoptux" + "abekmhopctyxjsi" + "abeikmnoptyx",
)
"""Cyrillic and Greek letters that look like Latin ones (a short cut of Unicode's confusables table)."""
_BASE64 = re.compile(r"[A-Za-z0-9+/]{24,}={0,2}")


def flags(parts: Iterable[tuple[str, str]]) -> list[str]:
    """Suspicious passages, one line per kind and place: "asks for a score (turn 3)". `parts`: (place, text)."""
    return [f"{name} ({where})" for where, text in parts for name in kinds_in(text)]


def kinds_in(text: str) -> list[str]:
    """The kinds of attempt a text holds, in the table's order."""
    return list(_kinds_in(text))


@lru_cache(maxsize=1024)
def _kinds_in(text: str) -> tuple[str, ...]:
    """The same, remembered: every judge and every reward of an episode looks at the same turns."""
    if len(text) > _MAX_CHARACTERS:
        text = text[: _MAX_CHARACTERS // 2] + "\n" + text[-_MAX_CHARACTERS // 2 :]
    readings = list(_readings(text))
    return tuple(name for name, pattern in _compiled().items() if any(map(pattern.search, readings)))


def _without_format_characters(text: str) -> str:
    """The text without what no reader sees (Unicode's category Cf)."""
    unseen = [char for char in set(text) if unicodedata.category(char) == "Cf"]
    return text.translate(dict.fromkeys(map(ord, unseen)))


def _readings(text: str) -> Iterator[str]:
    """The text as it stands, and as somebody reads it who looks through disguises."""
    yield text
    plain = text if text.isascii() else _without_format_characters(unicodedata.normalize("NFKC", text))
    if plain != text:
        yield plain
    latin = plain.translate(_LOOKALIKES)
    if latin != plain and re.search("[a-z]", plain, re.IGNORECASE):
        yield latin
    spaced = re.sub(r"(?<=\b\w)[ ._*-](?=\w\b)", "", latin)
    if spaced != latin:
        yield spaced
    for match in _BASE64.findall(text):
        try:
            decoded = base64.b64decode(match + "=" * (-len(match) % 4)).decode("ascii")
        except (binascii.Error, ValueError):
            continue
        yield decoded
