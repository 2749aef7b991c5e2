"""Meanings of an endpoint's refusal: families of words that vendors use for the same fault, looked at before the status.

The order matters: what is known for certain (context, account, key, model, API, filter) comes before what may be a parameter,
and that before what the status alone suggests."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agents.models.errors.bodies import Said, read_body


@dataclass(frozen=True, slots=True)
class Meaning:
    name: str
    """A short name of `agents.models.errors.reasons`."""
    certain: bool
    """False: only the status says so, and the refusal may be about a parameter."""


def _any(*patterns: str) -> str:
    return "|".join(patterns)


def _in(words: str, pattern: str) -> re.Match[str] | None:
    """The first place of a pattern in the words. Most runs meet no refusal, so patterns are compiled when one is met."""
    return re.search(pattern, words, re.DOTALL)


_CONTEXT = _any(
    r"context[_ ]?(?:length|window|size|limit)[_ ]?(?:exceeded|error|overflow)",
    r"exceed\w*[ _]?context",
    r"string_above_max_length",
    r"(?<!stop )(?<!stop_)(?:context|prompt|input|messages?|conversation|sequence|request|text|"
    r"content)s?\b.{0,60}\b(?:is|are|was) (?:far )?(?:too|longer|larger|bigger|"
    r"greater)[ _](?:long|large|big|than)?",
    r"(?:exceed\w*|outgrow\w*|longer than|larger than|greater than|beyond|over|above|overflow\w*|outside|"
    r"fit\w* (?:in|into|within|the)|within)\b.{0,80}\b(?:context|(?:model'?s?|attention) window|max_model_len|max_seq_len|n_ctx|"
    r"sequence length|kv[ _-]cache|maximum (?:input|prompt|model) length)",
    r"more than\b.{0,40}\bmodel can (?:attend|take|handle|read|hold)",
    r"(?:context|n_ctx|max_model_len|max_seq_len|sequence length)\b.{0,120}\b(?:exceed\w*|"
    r"overflow\w*|too (?:small|short|long|large)|not enough|reached|full)",
    r"maximum (?:context|prompt|input|sequence) (?:length|size|tokens?)",
    r"context (?:length|window|size|limit) (?:is|of) (?:only )?\d+",
    r"reduce (?:the |your )?(?:length|size|number) of (?:the |your )?(?:messages|prompt|input|"
    r"conversation|request|context)",
    r"shorten (?:the |your )?(?:messages|prompt|input|conversation)",
    r"(?:input|prompt|total) tokens?\b.{0,80}\b(?:exceed\w*|must be (?:<|less|at most|smaller)|more than|limit)",
    r"(?:token count|number of (?:input |prompt )?tokens)\b.{0,60}\bexceed\w*",
    r"too many (?:input |prompt |total )?tokens (?:in|for|:)",
    r"(?:prompt|input) (?:is )?too (?:long|large|many)|(?:prompt|input) length\b.{0,40}\bexceed",
    r"must be at least 1, got -\d",
    r"\binputs?\W+tokens \+ ",
    r"\b\d+ tokens > \d+",
    r"\d+ > \d+ - \d+",
)
_PER_TIME = _any(
    r"\b(?:tokens|requests|queries|calls|messages) ?(?:per|/|an?|each|every) ?(?:min|day|hour|sec)",
    r"\b[rt]p[md]\b",
    r"\b(?:hourly|daily|per-(?:minute|hour|day))\b.{0,30}\b(?:limit|cap|allowance|quota)\b",
)
"""Words that name a limit over time: said of nothing else."""
_RATE = _any(
    r"rate[ _-]?limit",
    r"too many (?:requests|concurrent)",
    r"\bthrottl",
    r"resource[_ ]?(?:has been )?exhausted",
    r"quota (?:exceeded|reached|limit)",
    r"exceeded\b.{0,40}\b(?:quota|requests?)\b",
    r"concurren\w+ (?:limit|requests)",
    r"slow down",
)
_TOO_LARGE = _any(
    r"request[_ ](?:entity[_ ])?(?:is )?too[_ ]large",
    r"(?:payload|body|entity|content) (?:is )?too large",
    r"exceeds the maximum allowed number of bytes",
    r"request (?:size|body).{0,40}exceed",
    r"(?:request|prompt)\b.{0,60}\b(?:larger|bigger|greater|more) than\b.{0,40}\b(?:per[- ]minute|tpm)\b",
)
_ACCOUNT = _any(
    r"credit balance",
    r"insufficient[_ ](?:quota|balance|credits?|funds?|account|user[_ ]quota)",
    r"billing[_ ](?:hard[_ ]limit|not[_ ]active|limit)",
    r"\b(?:not enough|insufficient|no|out of|lacks?|ran out of|without|requires? more|add|buy|"
    r"purchase|exhausted\b.{0,20}) (?:sufficient |remaining |more )?(?:credits?|balance|funds|prepaid)\b"
    r"(?! (?:were|was|have been|will be) )",
    r"(?:credits?|balance|funds|prepayment)\b.{0,40}\b(?:exhausted|depleted|used up|too low|"
    r"is low|insufficient|negative|expired|ran out|run (?:out|dry)|not enough|empty|zero|spent)",
    r"payment[_ ](?:required|method|is required|overdue|failed)",
    r"(?:account|organi[sz]ation|subscription|workspace|project)\b.{0,40}\b(?<!not )(?<!n't )(?:suspend\w*|"
    r"deactivat\w*|disabled|overdue|in arrears|arrearage|frozen|on hold|banned|blocked|closed|"
    r"terminated|not active|inactive|expired|past due)\b",
    r"\barrearage\b|\baccount (?:is|was|has been|got) (?:\w+ )?(?:flagged|locked|restricted)\b",
    r"account[_ ](?:suspended|deactivated|overdue|disabled)",
    r"(?:spend(?:ing)?|usage|budget|credit|monthly|cost)[_ ]limits?\b.{0,30}\b(?:reached|exceeded|hit)",
    r"(?:reached|exceeded|hit|over|used up)\b.{0,40}\b(?:spend(?:ing)?|usage|budget|credit|monthly|cost)[_ ]limits?",
    r"\bbudget\b.{0,40}\b(?:exceeded|spent|used up|exhausted)",
    r"limits? (?:of|on|for) your (?:\w+ )?(?:plan|account|tier|subscription)\b.{0,20}\b(?:reached|exceeded|hit)",
    r"(?:top[ -]?up|recharge) (?:your|the)",
    r"free (?:trial|tier|quota|credits?)\b.{0,40}\b(?:ended|expired|exhausted|over|used)",
    r"unpaid",
)
_ACCOUNT_OR_QUOTA = _any(
    r"plan and billing",
    r"exceeded your current quota",
    r"\bbilling\b",
    r"quota\b.{0,30}\b(?:exhausted|used up|not enough)",
    r"\bupgrade (?:your|to)\b(?: \w+){0,3}? (?:plan|account|tier|subscription|pro|paid)\b",
)
"""Words that stand in messages about both: with a stated wait it is a quota."""
_KEY = _any(
    r"(?:api|access|secret|subscription|auth\w*|x-api|bearer)[ _-]?(?:key|token|"
    r"header)s?\b.{0,60}\b(?:invalid|incorrect|not valid|missing|expired|wrong|revoked|disabled|"
    r"not (?:found|provided|set|recogni[sz]ed)|required|malformed|unknown|not exist|blocked|"
    r"leaked|rejected|denied|deleted|(?:not|n't) accepted)",
    r"\b(?:invalid|incorrect|missing|wrong|expired|bad|unknown|malformed|no|revoked|illegal|"
    r"valid)\s(?:\w+\s){0,2}?(?:(?:api|access|x-api|auth\w*|bearer|subscription|proxy|secret)[ _-]?key|credentials?|"
    r"authentication|authori[sz]ation|(?:(?:api|access|auth\w*|bearer|session|secret)[ _-])?token\b(?! limit| count))\b",
    r"api[_ ]?key[_ ]?(?:invalid|not[_ ]found|expired|missing|required|disabled)",
    r"\b(?:key|token|credentials?) (?:in|via|through|as) (?:the |an? |your )?[\"'`]?"
    r"(?:authori[sz]ation|x-api-key|api-key|bearer)",
    r"invalid[_ ](?:api[_ ]?key|authentication|token\b|credentials|x-api-key)",
    r"authentication[_ ]?(?:error|fail\w*|required|fails|exception|is required)",
    r"\bun(?:authori[sz]ed|authenticated)\b",
    r"(?:could not|failed to|cannot|can't) authenticate",
    r"no (?:auth|cookie auth|api key) credentials",
    r"didn'?t provide an api key",
    r"provide (?:a valid|your|an) (?:api )?key",
    r"\b(?:token|session|credentials?|login|secret|key)s?(?: \w+){0,2} (?:has |have |is |are )?(?:been )?(?:expired|revoked)",
    r"(?:log|sign) ?in again",
    r"not authenticated",
)
_KEY_WEAKER = _any(
    r"\b(?:invalid|incorrect|missing|wrong|expired|bad|unknown|malformed|no|illegal|valid)\s(?:\w+\s){0,2}?key\b"
    r"(?!\W*[\"'`:\[]| (?:of|in|for|name)\b)",
)
"""Words that are also said of the keys of a JSON object."""
_ACCESS = _any(
    r"(?:do(?:es)? not|don'?t|doesn'?t|no|without|lacks?|not) (?:\w+ ){0,2}?(?:access|permissions?)\b(?: to|\b)",
    r"permission[_ ]?(?:denied|error)|access[_ ]?denied|accessdenied",
    r"(?:not|isn'?t) (?:authori[sz]ed|entitled|allowed|permitted|enabled) (?:to|for) (?:access|"
    r"use|call|invoke|perform|sample|this (?:model|account|project|key))",
    r"must be verified|verify your (?:organi[sz]ation|account|identity)",
    r"country, region|unsupported_country|not available in your (?:country|region|location)|"
    r"location is not supported|region is not supported",
    r"insufficient (?:permissions?|privileges?|scopes?)|missing scopes?|not (?:offered|provided|permitted) in your "
    r"(?:country|region|location)",
    r"ip (?:address )?.{0,40}(?:not allowed|blocked|denied|not authorized)",
    r"accept the (?:terms|license|agreement)|gated (?:repo|model)",
    r"(?:requires?|needs?) (?:a |an )?(?:paid|pro|enterprise|higher|upgraded?)\b.{0,20}\b(?:plan|"
    r"tier|subscription|account)",
)
_MODEL = _any(
    r"model[_ ]?not[_ ]?(?:found|exist\w*|available|supported|loaded|deployed)",
    r"model[_ ](?:decommissioned|deprecated|retired|invalid)|invalid[_ ]model|"
    r"unsupported[_ ]model|unknown[_ ]model|no[_ ]such[_ ]model|nonexistent[_ ]model",
    r"deployment[_ ]?not[_ ]?found|(?:api )?deployment\b.{0,60}\bdoes not exist",
    r"(?:unknown|invalid|no such|unsupported|unrecogni[sz]ed|nonexistent|incorrect|could not find|"
    r"cannot find|can'?t find|couldn'?t find|not find|found no|no|wrong)\s+(?:the |requested |"
    r"valid |local |available |matching )*(?:model|deployment|engine)s?\b(?! parameter)",
    r"not a valid model|is not a (?:valid )?model|not a chat model|(?:not|n't) (?:one )?(?:of|among) the models",
    r"no models? (?:is |are )?(?:loaded|available|found|deployed)|no (?:endpoints?|providers?|"
    r"channels?|available channels?)\b.{0,60}\b(?:found for|for (?:the )?(?:requested )?model|"
    r"available for|under group)",
    r"try pulling it first",
    r"no endpoints found for|not_?found\w*\W+model\b",
)
_MODEL_GONE = (
    r"\b(?:models?|deployment|engine|adapter|lora)\b[^.;\n]{0,120}?\b(?:not found|not exists?|"
    r"n'?t (?:exist|found)|not (?:currently )?(?:exist\w*|loaded|deployed|installed|registered|"
    r"recogni[sz]ed|a valid|be (?:found|located)|hosted|served|listed)|decommission\w*|retired|sunset|"
    r"shut ?down|discontinued|removed|end[ -]of[ -]life|no longer (?:available|supported|exists?|"
    r"offered|served)|unknown)"
)
"""Says of a model that it is not there, unless it is a parameter of it (`_A_PARAMETER` between the two) that is not."""
_A_PARAMETER = (
    r"(?<![\w/.-])(?:temperature|seed|top_?[pk]|stop|log_?probs|response_format|json_schema"
    r"|reasoning_effort|parameters?)(?![\w/-])"
)
_MODEL_WEAKER = _any(
    r"\bmodels?\b[^.;\n]{0,100}?\b(?:is|are|was|been|has|"
    r"currently)\b[^.;\n]{0,40}?\b(?:deprecated|not available|unavailable|not supported|"
    r"unsupported|invalid|not enabled|disabled)",
    r"(?:deprecated|unavailable|unsupported|not supported|invalid)\b[^.;\n]{0,20}: ?model\b",
)
"""Words that are also said of a parameter: only where none is named."""
_API = _any(
    r"(?:only|please use|use the|try the|must use|instead use|(?:supported|served) (?:in|by|through|via)|"
    r"available (?:in|via|through)|use)\b.{0,60}\b(?:v1/(?:responses|completions|messages|"
    r"embeddings|chat/completions)|(?:responses|completions?|messages|interactions|embeddings?|"
    r"converse)[ -](?:api|endpoint))",
    r"not supported (?:in|by|with|for|on) (?:the |this )?(?:/?v1/)?(?:chat[/ ]?completions?|endpoint|api)\b",
    r"(?:only|just) supports? (?:the )?stream|only stream\w* (?:mode|requests?|output|is|are)|"
    r"(?:requires?|must (?:use|be called with|enable|set)) [\"'`]?stream|"
    r"stream\w*[\"'`]? (?:mode )?(?:is required|must be (?:set to )?(?:true|enabled)|only)|"
    r"non-?stream\w* (?:\w+ )?(?:is|are|mode|calls?|requests?)\b.{0,20}not (?:supported|allowed|"
    r"available)",
    r"stream ?[=:] ?false is not|set [\"'`]?stream[\"'`]?(?: ?[=:] ?| to )true",
    r"not a chat model|does not support (?:the )?chat(?: completions?)?\b|(?:is an?|"
    r"only an?) (?:embedding|completion|base|reranker|image|audio)s? model|"
    r"does not have a chat template|chat template .{0,30}(?:not (?:set|defined|found)|missing)|"
    r"no chat template",
)
_ADDRESS = _any(
    r"^(?:error )?not[_ ]?found\W*$|404 page not found|unexpected endpoint|(?:endpoint|route|path|url|uri|handler|"
    r"operation)\b[^.;\n]{0,80}\bnot (?:found|exist\w*|defined|recogni[sz]ed|supported)|(?:no|"
    r"unknown|invalid|wrong|unrecogni[sz]ed) (?:route|path|url|endpoint|request url|uri|"
    r"handler)\b|cannot (?:post|get)\b|method not allowed|no static resource|"
    r"no matching (?:operation|route|handler)|plain http request was sent to https|"
    r"client sent an http request to an https",
)
_FILTER = _any(
    r"content[_ -]?(?:filter|policy|moderation|violation|safety)",
    r"content management policy|responsible ?ai|usage polic|safety (?:system|filter|polic|guard|"
    r"check|setting|reason)|\bsafety\b.{0,30}\b(?:block|violat|reject|refus|fail)|(?:block|reject|"
    r"refus|violat)\w*\b.{0,40}\b(?:safety|polic(?:y|ies)|guidelines?|moderation|guardrails?|"
    r"filters?\b)",
    r"\bflagged\b|\bmoderat(?:ion|ed)\b|prohibited[_ ](?:content|use)|"
    r"guardrails?\b.{0,20}(?:interven|block|trigger|violat)",
    r"data_?inspection|datainspection|inappropriate (?:content|input|data)|sensitive (?:content|"
    r"information|words?|data|topics?|material)|content exists risk|risky content|"
    r"unsafe (?:content|prompt|input)|harmful (?:content|prompt)|disallowed content|"
    r"violat\w*\b.{0,30}\b(?:terms|rules)",
    r"jailbreak|invalid_prompt",
)
_OTHER_POLICY = (
    r"\b(?:access|network|organi[sz]ation\w*|admin\w*|firewall|egress|tenant|workspace|project|ip|vpn|data|privacy|"
    r"retention|gateway|routing|budget)(?:'s)? (?:(?!content|safety|usage|moderation)\w+ )?(?:polic(?:y|ies)|rules?|filters?)\b"
)
"""A policy that is not about what a text says."""
_OUTPUT_LIMIT = _any(
    r"(?:max_tokens|max_completion_tokens|max_output_tokens|output (?:token )?limit|token limit|"
    r"output limit|completion limit)\b.{0,60}\b(?:was |been |were )?(?:reached|hit|exhausted|"
    r"used up)",
    r"could not finish (?:the )?(?:message|response|answer)|(?:ran out of|"
    r"(?:used|took|spent|consumed) (?:up )?(?:all|every))\b.{0,30}\b(?:output|completion|reasoning)? ?tokens?\b",
)
_TOKENS_TOO_MANY = _any(
    r"max_?(?:completion_|output_|new_)?tokens\b.{0,60}\b(?:too (?:large|high|big)|above|exceeds?|"
    r"must be (?:<|less|at most|smaller|between|in)|"
    r"should be (?:less|at most|between|in)|less than or equal|cannot be (?:greater|larger|more)|"
    r"at most|maximum)",
    r"max_?(?:completion_|output_|new_)?tokens: \d+ > \d+",
    r"(?:supports?|allows?) at most \d+ (?:completion|output) tokens",
    r"range of max_tokens|invalid max_tokens value|maximum tokens (?:you )?requested exceed",
)
_OVERLOADED = _any(
    r"overload",
    r"(?:at|no|over|out of) capacity|capacity[_ ](?:is |was |has been )?(?:exceeded|reached)|"
    r"server (?:is )?(?:too )?busy|too busy|"
    r"high (?:demand|load|traffic)|engine is currently",
    r"\bqueue\b.{0,30}\b(?:full|too long)",
)
_LOADING = _any(
    r"loading (?:the )?model|model\b.{0,40}\b(?:is|still) (?:currently |being )?(?:loading|"
    r"loaded\b.{0,10}please|warming|starting|downloading)|warming up|not (?:yet )?ready|"
    r"is starting|cold start"
)
_FOR_NOW = r"temporar\w+ (?:unavailable|not available|down|error|failure|issue|offline)"
_SERVER = _any(
    _FOR_NOW,
    r"internal (?:server )?error|bad gateway|gateway time|service (?:is )?unavailable|upstream|"
    r"please (?:try|retry) (?:again|your request)|try again later|timed? ?out\b|"
    r"connection (?:reset|error|refused|aborted)|provider returned error|server[_ ]error",
)
PARAMETER_WORDS = _any(
    r"temperature|\bseed\b|top[_-]?p\b|\bstop\b|log[_ ]?prob|response[_ ]?format|json[_ ]?schema|"
    r"structured|output_config|reasoning|thinking|\bparameters?\b|extra inputs|extra_forbidden|"
    r"system (?:role|message|prompt|instruction)|alternat|\btools?\b|json mode"
)
_THINKING_SWITCH = r"enable_thinking"
_NOT_CHARGED = r"\bno credits? (?:were|was|have been|will be) (?:charged|used|deducted)"
"""Said of many refusals: nothing about the account."""
_GROUPS = r"limit:? (\d+)\D.*?requested:? (\d+)"


def meaning_of(status: int | None, said: Said) -> Meaning:
    """The short name for a failed answer with that status (None or 200 for an error inside a good answer, where a number that
    it carries, `code: 502`, stands for the status)."""
    if status is None or status < 300:
        status = next((int(code) for code in sorted(said.codes) if re.fullmatch(r"[45]\d\d", code)), status)
    known = _by_words(status, said)
    return Meaning(known, True) if known else Meaning(_by_status(status), False)


def _by_words(status: int | None, said: Said) -> str | None:
    words = re.sub(_NOT_CHARGED, "", said.words)
    if said.failed_generation is not None or "json_validate_failed" in words:
        return "unreadable-answer"
    if said.page:
        return _page(status)
    if _larger_than_limit(words) or (status == 413 and not _in(words, _CONTEXT)):
        return "request-too-large"
    named = bool(_in(words, PARAMETER_WORDS) or (said.param and said.param != "model"))
    for find in (_of_quota, _of_request, _of_setup):
        name = find(status, words, said, named)
        if name:
            return name
    return _of_server(status, words, named)


def _larger_than_limit(words: str) -> bool:
    found = _in(words, _GROUPS)
    return found is not None and int(found.group(2)) > int(found.group(1))


def is_page(content: bytes) -> bool:
    """True if an answer is a web page."""
    return read_body(content[:4000]).page


def _page(status: int | None) -> str | None:
    if status == 413:
        return "request-too-large"
    return "quota" if status == 429 else "gateway-page"


def _of_quota(status: int | None, words: str, said: Said, named: bool) -> str | None:
    """Too many requests for now, told apart from an account that is empty."""
    if status is not None and status >= 500 and _in(words, _OVERLOADED):
        return "overloaded"
    if _in(words, _ACCOUNT):
        return "no-credit"
    over_time = status == 429 or bool(_in(words, _PER_TIME))
    limited = over_time or bool(_in(words, _RATE))
    if _in(words, _TOO_LARGE) and not (limited and said.wait):
        return "request-too-large"
    if limited:
        lasting = _in(words, _ACCOUNT_OR_QUOTA) and not said.wait
        if lasting:
            return "no-credit"
        return None if _in(words, _CONTEXT) and not over_time else "quota"
    return "no-credit" if status == 402 else None


def _of_request(status: int | None, words: str, said: Said, named: bool) -> str | None:
    if _in(words, _OUTPUT_LIMIT):
        return "output-limit"
    if _in(words, _CONTEXT) and "budget_tokens" not in words:
        return "context-too-long"
    if _in(words, _TOKENS_TOO_MANY):
        return "too-many-tokens"
    return None


def _of_setup(status: int | None, words: str, said: Said, named: bool) -> str | None:
    passes = _in(words, _LOADING) or _in(words, _FOR_NOW) or (status != 400 and _in(words, _OVERLOADED))
    if passes and not named:
        return None
    if _in(words, _ACCOUNT_OR_QUOTA) and not said.wait and not named and (status or 0) < 500:
        return "no-credit"
    if _in(words, _KEY) or (_in(words, _KEY_WEAKER) and (status in (401, 403) or not named)):
        return "bad-key"
    if _in(words, _MODEL) or said.param == "model" or _says_model_is_gone(words):
        return "wrong-api" if _in(words, _API) else "unknown-model"
    if _in(words, _API) and not (_in(words, _THINKING_SWITCH) or (named and "stream" not in words)):
        return "wrong-api"
    if _in(words, _FILTER) and not _in(words, _OTHER_POLICY):
        return "filtered"
    if named:
        return None
    if _in(words, _ACCESS) or _in(words, _OTHER_POLICY):
        return "no-access"
    if _in(words, _MODEL_WEAKER) and (status or 0) < 500:
        return "unknown-model"
    return "wrong-address" if _in(words, _ADDRESS) and (status or 0) < 500 else None


def _says_model_is_gone(words: str) -> bool:
    return any(not _in(found.group(), _A_PARAMETER) for found in re.finditer(_MODEL_GONE, words))


def _of_server(status: int | None, words: str, named: bool) -> str | None:
    if _in(words, _LOADING) and not named:
        return "loading"
    if status == 529 or (_in(words, _OVERLOADED) and not named):
        return "overloaded"
    return "server-error" if _in(words, _SERVER) and not named else None


_BY_STATUS = {
    401: "bad-key",
    402: "no-credit",
    403: "no-access",
    404: "wrong-address",
    405: "wrong-address",
    408: "timeout",
    409: "server-error",
    413: "request-too-large",
    425: "server-error",
    429: "quota",
    451: "no-access",
    504: "timeout",
    529: "overloaded",
}


def _by_status(status: int | None) -> str:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status is None or status < 300 or status >= 500:
        return "server-error"
    return "wrong-address" if status < 400 else "unknown-refusal"
