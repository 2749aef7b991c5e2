"""The test server itself: faults by seed do not depend on the order of calls."""

from __future__ import annotations

import json

from tests.servers.replies import text_for, value_for
from tests.servers.wire import FAULT_KINDS, FaultPlan


def test_a_fault_depends_on_seed_and_body_and_not_on_the_order_of_calls() -> None:
    bodies = [json.dumps({"call": number}).encode() for number in range(500)]
    forward = FaultPlan(rate=0.2, seed=1)
    first = {body: forward.draw(body) for body in bodies}
    backward = FaultPlan(rate=0.2, seed=1)
    assert {body: backward.draw(body) for body in reversed(bodies)} == first
    other = FaultPlan(rate=0.2, seed=2)
    assert {body: other.draw(body) for body in bodies} != first
    faults = [fault for fault in first.values() if fault]
    assert 60 <= len(faults) <= 140 and set(faults) == set(FAULT_KINDS)


def test_the_same_body_draws_anew_each_time() -> None:
    plan = FaultPlan(rate=0.5, seed=1)
    assert len({plan.draw(b"same") is None for _ in range(30)}) == 2


def test_replies_depend_on_the_messages_alone() -> None:
    messages = [{"role": "user", "content": "hi"}]
    assert text_for(messages) == text_for(list(messages)) != text_for([{"role": "user", "content": "ho"}])


def test_values_follow_their_schema() -> None:
    from random import Random

    schema = {
        "type": "object",
        "properties": {
            "scores": {"type": "array", "items": {"$ref": "#/$defs/score"}, "minItems": 2, "maxItems": 2},
            "kind": {"anyOf": [{"const": "a"}, {"enum": ["b", "c"]}]},
        },
        "$defs": {"score": {"type": "integer", "minimum": -5, "maximum": 0}},
    }
    for seed in range(50):
        value = value_for(schema, Random(seed))
        assert value["kind"] in ("a", "b", "c") and len(value["scores"]) == 2
        assert all(-5 <= score <= 0 for score in value["scores"])
