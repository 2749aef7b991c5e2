"""The short names of what can go wrong with a model call: the class of each, what it means, what to do about it, and
whether running the same command again can help as things are. Summaries and tables group failures by these names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.base.errors import ErrorKind, FailureClass


@dataclass(frozen=True, slots=True)
class Reason:
    """One short name and what stands behind it."""

    name: str
    failure: FailureClass
    meaning: str
    """One line without a period."""
    advice: str
    """The next step, in a sentence."""

    @property
    def again(self) -> bool:
        """True where running the same command again can help without changing anything."""
        return self.failure in ("transient", "quota")

    @property
    def kind(self) -> ErrorKind:
        return kind_of(self.failure)


def kind_of(failure: FailureClass) -> ErrorKind:
    """The party to blame for a failure of that class."""
    return "model" if failure in ("request", "answer") else "infrastructure"


_TABLE: Mapping[FailureClass, tuple[tuple[str, str, str], ...]] = {
    "setup": (
        (
            "no-credit",
            "the account has no credit left, or is closed",
            "Top up or unlock the account, then run the same command again.",
        ),
        (
            "bad-key",
            "the key is missing, or the endpoint does not take it",
            "Set the environment variable that `api_key_env` or `headers` names to a key that the endpoint takes.",
        ),
        (
            "no-access",
            "the account may not use this model or endpoint",
            "Ask for access to the model, or use a key that has it.",
        ),
        (
            "unknown-model",
            "the endpoint does not have this model, or no longer",
            "Correct `model`; the endpoint's /models lists what it has.",
        ),
        (
            "wrong-api",
            "the model is not served by this API",
            "Set `api: responses`, another provider or another model, as the message says.",
        ),
        (
            "wrong-address",
            "there is no such API at this address",
            "Correct `base_url`; most endpoints want it to end in /v1.",
        ),
        (
            "gateway-page",
            "a web page answered in place of the API",
            "Check `base_url`, and whether a proxy, gateway or login stands in between.",
        ),
        ("dns", "the host's name is not known", "Check the host in `base_url`, and the network."),
        (
            "tls",
            "the encrypted connection could not be made",
            "Name the certificates to trust in `ca:` or $SSL_CERT_FILE; check http:// or https:// in `base_url`.",
        ),
        (
            "connection-refused",
            "nothing listens at the address",
            "Is the server running? Check host and port in `base_url`.",
        ),
        (
            "unreachable",
            "no connection could be made in time",
            "Check `base_url` (host, port, http or https), the network and the firewall; `deadlines.connect` is the time.",
        ),
        (
            "too-many-files",
            "this process may not open more connections",
            "Raise the limit of open files (`ulimit -n 65536`), or lower `concurrency` and `limits.episodes_at_once`.",
        ),
        (
            "too-many-tokens",
            "the request asks for more tokens than the model can write",
            "Lower the role's `max_tokens`, or `reasoning_tokens` of the model.",
        ),
        (
            "unknown-refusal",
            "the endpoint refused the request, in words that are not known",
            "Read the endpoint's words; correct the model's config, then run the same command again.",
        ),
        (
            "not-started",
            "the model's server or library could not be started",
            "Read the message; correct the model's config, then run the same command again.",
        ),
        (
            "call-record",
            "calls.jsonl could not be written",
            "Make room on the disk and check the run folder's permissions, then run the same command again.",
        ),
        (
            "replay-missing",
            "the recording does not hold this call",
            "Replay with the config and the code of the recording, or run without --replay.",
        ),
    ),
    "transient": (
        ("connection-lost", "the connection broke before the answer was whole", "Run the same command again."),
        (
            "timeout",
            "no whole answer came in time",
            "Run the same command again; where the model is that slow, raise `deadlines.call`.",
        ),
        ("server-error", "the endpoint had an error of its own", "Run the same command again later."),
        (
            "overloaded",
            "the endpoint has too much to do",
            "Run the same command again later, or lower `concurrency`.",
        ),
        ("loading", "the server is still loading the model", "Wait until it is ready; run the same command again."),
        ("broken-answer", "the endpoint's answer is not one", "Run the same command again; check the server's log."),
        ("empty-answer", "the answer is empty", "Run the same command again; check the server's parser and template."),
        (
            "turn-deadline",
            "a turn took longer than it may",
            "Raise limits.turn_seconds, or lower limits.episodes_at_once.",
        ),
        (
            "episode-deadline",
            "an episode took longer than it may",
            "Raise limits.episode_seconds, or lower limits.episodes_at_once.",
        ),
    ),
    "quota": (
        (
            "quota",
            "the endpoint's quota is used up for now",
            "Run the same command again when it is open; `requests_per_minute` and `tokens_per_minute` keep below it.",
        ),
    ),
    "request": (
        (
            "request-too-large",
            "one request is larger than the endpoint ever takes",
            "Shorten the history (`history:`) or use an account with a higher limit.",
        ),
        (
            "context-too-long",
            "the conversation is longer than the model's context",
            "Shorten the history (`history:`), or serve the model with a longer context.",
        ),
        ("filtered", "a content filter stopped it", "Read the message; it is this model's result."),
        ("refused", "the model refused to answer", "Read the message; it is this model's result."),
        (
            "output-limit",
            "all tokens were used up before the answer began",
            "Raise `reasoning_tokens` of the model or the role's `max_tokens`, then `--retry-failed output-limit`.",
        ),
    ),
    "answer": (
        (
            "unreadable-answer",
            "the answer could not be read",
            "Read the answers (`harness show RUN EPISODE`); where `parsing` is not `lenient`, that reads more of them.",
        ),
    ),
}
"""Per class: (name, meaning, advice)."""

REASONS: dict[str, Reason] = {
    row[0]: Reason(row[0], failure, *row[1:]) for failure, rows in _TABLE.items() for row in rows
}
"""Every reason by its name."""
