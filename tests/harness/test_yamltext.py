"""YAML from outside can neither run the harness over nor say two things at once."""

from __future__ import annotations

import pytest

from harness.base.errors import BadInput
from harness.base.yamltext import read_yaml
from harness.experiment.experiment import load_experiment

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 200))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LAUGHS, "stands for more than"),
        (CHAIN, "nested too deeply"),
        ("[" * 100_000, "nested too deeply"),
        ("a: " + "[" * 70 + "]" * 70, "nested too deeply"),
        ("a: &a [*a]", "holds itself"),
        ("a: &a {b: *a}", "holds itself"),
        ("x" * 1_000_001, "at most 1,000,000"),
        ("name: a\nmodels: {}\nname: b", "'name' twice"),
        ("models:\n  m: {provider: scripted}\n  m: {provider: openai}", "'m' twice"),
        ("a: !!python/object/apply:os.system [true]", "not valid YAML"),
        ("a: !!python/name:os.system", "not valid YAML"),
        ("a: 2026-99-99T00:00:00Z", "not valid YAML"),
        ("a: b: c", "not valid YAML"),
        ("a: 1\n---\nb: 2", "not valid YAML"),
    ],
)
def test_a_hostile_text_is_refused_naming_the_file(text: str, said: str) -> None:
    with pytest.raises(BadInput, match="my.yaml") as refused:
        read_yaml(text, "my.yaml")
    assert said in str(refused.value)


def test_an_anchor_may_be_used_again() -> None:
    assert read_yaml("a: &a {b: [1, 2]}\nc: *a\nd: *a", "f") == {
        "a": {"b": [1, 2]},
        "c": {"b": [1, 2]},
        "d": {"b": [1, 2]},
    }


def test_an_experiment_is_read_this_way() -> None:
    with pytest.raises(BadInput, match="stands for more than"):
        load_experiment(None, LAUGHS, [])
    with pytest.raises(BadInput, match="twice"):
        load_experiment(None, "name: a\nname: b", [])
