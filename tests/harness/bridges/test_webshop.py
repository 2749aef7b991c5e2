"""The face of WebShop's text environment: what a script relies on. Its pages and rewards are compared with recordings of the
original in tests/parity."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import harness.bridges.web_agent_site as gym
from harness.base.errors import BadInput
from harness.bridges.web_agent_site.envs import WebAgentTextEnv
from harness.bridges.web_agent_site.server import SimServer
from tests.parity.html_text import clickables_of, found, texts_of
from tests.parity.webshop_original import Reference
from tests.shared_data import shared_data


@pytest.fixture(autouse=True)
def chance_as_before() -> Iterator[None]:
    before = random.getstate()
    yield
    random.setstate(before)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return Reference(shared_data("webshop"), tmp_path_factory.mktemp("catalogue"))


def builtin(**options: Any) -> WebAgentTextEnv:
    return WebAgentTextEnv(**{"observation_mode": "text", "file_path": "builtin", "num_products": 60, **options})


def test_a_purchase_goes_through_the_pages_of_the_shop() -> None:
    env = builtin()
    obs, info = env.reset(3)
    assert (env.session, info) == ("3", None)
    assert obs == f"WebShop [SEP] Instruction: [SEP] {env.server.goals[3]['instruction_text']} [SEP] Search"
    assert env.get_available_actions() == {"has_search_bar": True, "clickables": ["search"]}
    assert (
        env.get_instruction_text() == env.instruction_text == f"Instruction: {env.server.goals[3]['instruction_text']}"
    )
    obs, reward, done, info = env.step(f"search[{env.server.goals[3]['query']}]")
    assert (type(reward), reward, done, info) == (float, 0.0, False, None)
    assert env.get_instruction_text() == f"Instruction:{env.server.goals[3]['instruction_text']}"
    product = env.get_available_actions()["clickables"][2]
    nothing = env.step("click[nothing of that name]")
    assert nothing == (obs, 0, False, None) and type(nothing[1]) is int
    env.step(f"click[{product}]")
    obs, reward, done, info = env.step("click[Buy Now]")
    assert done and info is None and obs.startswith("Thank you for shopping with us!")
    kept = env.server.user_sessions["3"]
    assert (kept["done"], kept["reward"], kept["asin"]) == (True, reward, product.upper())
    assert f"[SEP] {reward} [SEP]" in obs
    with pytest.raises(AttributeError, match="shows no instruction"):
        env.get_instruction_text()


def test_a_page_has_four_modes() -> None:
    env = builtin(observation_mode="html")
    html, _ = env.reset(0)
    assert html == env.browser.page_source == env.state["html"]
    env.step("search[chair]")
    for mode in ("text", "text_rich", "url"):
        env.observation_mode = mode
        assert env.observation == {"text": env.page.text, "text_rich": env.page.rich_text, "url": env.page.url}[mode]
    assert texts_of(env.state["html"]) == env.page.text
    assert clickables_of(env.state["html"]) == env.get_available_actions()["clickables"]
    assert env.browser.current_url == "http://127.0.0.1:3000/search_results/0/chair/1"
    env.observation_mode = "pixels"
    with pytest.raises(ValueError, match="pixels not supported"):
        env.reset(0)


def test_a_parser_finds_what_the_page_says_by_the_original_s_names() -> None:
    env = builtin(observation_mode="html", show_attrs=True)
    env.reset(3)
    html = env.step(f"search[{env.server.goals[3]['query']}]")[0]
    asins, titles, prices = (found(html, f"product-{name}") for name in ("link", "title", "price"))
    assert len(asins) == len(titles) == len(prices) == 10 and all(price.startswith("$") for price in prices)
    html = env.step(f"click[{asins[0]}]")[0]
    product = env.server.goals.table.catalogue.by_asin(asins[0])
    assert titles[0] == product.title and f"<h2>{titles[0]}</h2>" in html
    assert product.options and all(f'id="radio_{name}0" name="{name}" value="' in html for name in product.options)
    html = env.step("click[features]")[0]
    assert [text.strip() for text in found(html, "product-info")] == list(product.bullets)
    env.step("click[< prev]")
    html = env.step("click[attributes]")[0]
    assert [text.strip() for text in found(html, "attribute")] == list(product.attributes)
    assert found(html, "product-query") == [product.query]
    env.step("click[< prev]")
    html, reward, *_ = env.step("click[buy now]")
    assert found(html, "#reward pre") == [str(reward)] and found(html, "#asin pre") == asins[:1]


def test_what_stands_in_a_product_cannot_become_markup() -> None:
    env = builtin(observation_mode="html")
    env.reset(0)
    html = env.step('search[<b>"&x</b>]')[0]
    assert "<b>" not in html
    assert texts_of(html) == env.page.text


def test_sessions_without_a_number_are_drawn_as_the_original_draws_them(reference: Reference) -> None:
    recorded = json.loads(shared_data("webshop", "random_sessions.json").read_text("utf-8"))
    random.seed(0)
    env = WebAgentTextEnv("text", server=SimServer(reference.catalogue()))
    for number, row in enumerate(recorded):
        obs = env.observation if number == 0 else env.reset()[0]
        goal = env.server.goals[row["goal_idx"]]
        assert (env.session, goal["asin"]) == (row["session_id"], row["goal_asin"])
        assert goal["instruction_text"] in obs
    assert len(recorded) == 101


def test_price_limits_follow_the_global_random_state_or_a_seed(reference: Reference) -> None:
    recorded = json.loads(shared_data("webshop", "goals_human_seed0.json").read_text("utf-8"))
    expected = [goal["instruction_text"] for goal in recorded]
    random.seed(0)
    drawn = SimServer(reference.catalogue(), human_goals=True)
    random.seed(1)
    seeded = SimServer(reference.catalogue(), human_goals=True, seed=0)
    random.seed(1)
    other = SimServer(reference.catalogue(), human_goals=True)
    texts = [[goal["instruction_text"] for goal in server.goals] for server in (drawn, seeded, other)]
    assert texts[0] == texts[1] == expected
    assert texts[2] != expected


def test_goals_are_filtered_and_limited() -> None:
    whole = builtin(seed=0).server.goals
    wanted = {index for index in range(len(whole)) if index % 3 == 0}
    env = builtin(seed=0, filter_goals=lambda index, goal: index in wanted, limit_goals=4)
    assert len(env.server.goals) == 4 == len({json.dumps(goal) for goal in env.server.goals})
    assert all(goal in [whole[index] for index in wanted] for goal in env.server.goals)
    assert len(env.server.weights) + 1 == len(env.server.cum_weights) == 5
    env.reset(3)
    assert env.server.user_sessions["3"]["goal"] == env.server.goals[3] == env.server.goals[-1]
    with pytest.raises(IndexError):
        env.reset(4)


def test_environments_share_a_server_and_its_sessions() -> None:
    first = builtin(session_prefix="a_", num_prev_obs=1, num_prev_actions=1)
    second = WebAgentTextEnv("text", server=first.server)
    start, _ = first.reset("x")
    assert second.reset("a_x")[0] == start
    obs = first.step("search[lamp]")[0]
    assert obs == f"{start} [SEP] search[lamp] [SEP] {first.observation}"
    assert first.server.user_sessions["a_x"]["keywords"] == ["lamp"]
    first.server.user_sessions.clear()
    assert "a_x" not in first.server.user_sessions


def test_faults_of_the_original_are_raised() -> None:
    env = builtin(human_goals=0)
    env.reset(0)
    with pytest.raises(IndexError, match="list index out of range"):
        env.step("search[<c>]")
    with pytest.raises(TypeError, match="expected string"):
        env.step(None)  # type: ignore[arg-type]
    env.step(f"search[{env.server.goals[0]['query']}]")
    env.step(f"click[{env.get_available_actions()['clickables'][2]}]")
    with pytest.raises(IndexError):
        env.step("search[<c>]")  # leaves the page of the product, and no product
    with pytest.raises(KeyError, match="None"):
        env.step("click[buy now]")


def test_products_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STRATEGIST_HARNESS_HOME", str(tmp_path))
    with pytest.raises(BadInput, match="num_products=1000: no catalogue of that size.*webshop-1000"):
        WebAgentTextEnv("text", num_products=1000)
    with pytest.raises(BadInput, match="no catalogue 'items_shuffle_1000' is imported"):
        WebAgentTextEnv("text", file_path="../data/items_shuffle_1000.json")
    with pytest.raises(BadInput, match="no products are imported yet"):
        WebAgentTextEnv("text")
    with pytest.raises(NotImplementedError, match="get_image: .*leave the option out"):
        WebAgentTextEnv("text", get_image=1)
    with pytest.raises(NotImplementedError, match="use the observation, a text, in its place"):
        WebAgentTextEnv("text", file_path="builtin").get_image()


def test_the_registered_name_makes_the_same_environment() -> None:
    env = gym.make("WebAgentTextEnv-v0", observation_mode="url", file_path="builtin", num_products=60)
    assert env.reset(5)[0] == "http://127.0.0.1:3000/5"
    with pytest.raises(ValueError, match="WebAgentSiteEnv-v0"):
        gym.make("WebAgentSiteEnv-v0")
