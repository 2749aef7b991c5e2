"""Counterpart of `web_agent_site.envs.web_agent_text_env`: WebShop's text environment, over our shop."""

from __future__ import annotations

import builtins
import logging
import random
import string
from pathlib import Path
from typing import Any, NoReturn

from environments.webshop.shop.pages import SEPARATOR, Page, Target
from environments.webshop.shop.simulator import Session, ShopFault, available_actions
from harness.bridges.web_agent_site.html import instruction_of, page_html
from harness.bridges.web_agent_site.server import SimServer, open_catalogue

log = logging.getLogger(__name__)

NO_IMAGES = (
    "get_image: the catalogues here have no features of images (the original reads them from two files of its own)"
)
MODES = ("html", "text", "text_rich", "url")
OPTIONS = (
    *(
        "filter_goals",
        "limit_goals",
        "num_products",
        "human_goals",
        "session",
        "session_prefix",
        "show_attrs",
        "get_image",
    ),
    *("num_prev_obs", "num_prev_actions", "seed"),
)
"""Keyword options; `seed` is ours."""


class SimBrowser:
    """What the original's simulated browser shows."""

    def __init__(self, env: WebAgentTextEnv) -> None:
        self._env = env

    @property
    def current_url(self) -> str:
        return self._env.page.url

    @property
    def page_source(self) -> str:
        return page_html(self._env.page)


class WebAgentTextEnv:
    """A shopper: `reset` begins a session, `step` does "search[words]" or "click[button]"."""

    def __init__(
        self,
        observation_mode: str = "html",
        file_path: str | Path | None = None,
        server: SimServer | None = None,
        **options: Any,
    ) -> None:
        """`observation_mode`: "html", "text", "text_rich" or "url". `file_path` and the option `num_products` choose the
        products (`server.open_catalogue`). Further options, as the original's: `human_goals`, `filter_goals(index, goal)`,
        `limit_goals`, `show_attrs`, `session_prefix`, `num_prev_obs`, `num_prev_actions`; and `seed`, which draws the price
        limits in instructions instead of Python's global `random`. Options that nobody knows are passed over, as in the
        original, and named in the log. Raises `BadInput` for products that are not there, `NotImplementedError` for images."""
        if unknown := [name for name in options if name not in OPTIONS]:
            log.warning("WebAgentTextEnv: options without a meaning: %s", ", ".join(unknown))
        if options.get("get_image"):
            raise NotImplementedError(f"{NO_IMAGES}; leave the option out")
        self.observation_mode = observation_mode
        self.kwargs = options
        self.server = server or _server(file_path, options)
        self.browser = SimBrowser(self)
        self.session_prefix: str | None = options.get("session_prefix")
        self.num_prev_obs: int = options.get("num_prev_obs", 0)
        self.num_prev_actions: int = options.get("num_prev_actions", 0)
        self.reset()

    def reset(self, session: int | str | None = None, instruction_text: str | None = None) -> tuple[str, None]:
        """Begin a session: an int plays the goal of that number, a str names the session, None gives it ten random letters; the
        goal of the last two is drawn. A known name goes on with its goal. Returns (observation, None). Raises `IndexError`
        for a goal that is not there."""
        if session is None:
            self.session = "".join(random.choices(string.ascii_lowercase, k=10))
        else:
            self.session = str(session)
        self.session = (self.session_prefix or "") + self.session
        self.shopper: Session = self.server.enter(self.session, session if isinstance(session, int) else None)
        self.text_to_clickable: dict[str, Target] | None = None
        self.instruction_text = self.get_instruction_text() if instruction_text is None else instruction_text
        observation = self.observation
        self.prev_obs = [observation]
        self.prev_actions: list[str] = []
        return observation, None

    def step(self, action: str) -> tuple[str, float, bool, None]:
        """Do an action; one that is not possible changes nothing. Returns (observation, reward, done, None): the reward is
        that of a purchase, else 0. Nothing ends a session: whoever goes on after `done` goes on. Raises what the original
        raises, for example `IndexError` for "search[<c>]"."""
        self.get_available_actions()
        try:
            moved = self.shopper.act(action)
        except ShopFault as fault:
            _raise_as_the_original(fault)
        bought = moved and self.page.type == "done"
        reward = (self.shopper.reward or 0.0) if bought else 0.0 if moved else 0  # an int where nothing was done
        return self._with_history(action), reward, bought, None

    def _with_history(self, action: str) -> str:
        """The observation behind as many earlier observations and actions as were asked for, oldest first."""
        observation = self.observation
        parts = [observation]
        self.prev_actions.append(action)
        for back in range(1, 1 + max(self.num_prev_obs, self.num_prev_actions)):
            if len(self.prev_actions) >= back and self.num_prev_actions >= back:
                parts.append(self.prev_actions[-back])
            if len(self.prev_obs) >= back and self.num_prev_obs >= back:
                parts.append(self.prev_obs[-back])
        self.prev_obs.append(observation)
        return SEPARATOR.join(parts[::-1])

    def get_available_actions(self) -> dict[str, Any]:
        """{"has_search_bar": bool, "clickables": names of what can be clicked, in page order}."""
        self.text_to_clickable = dict(self.page.targets)
        return dict(available_actions(self.page))

    def get_instruction_text(self) -> str:
        """The instruction as the page shows it, "Instruction:" included. Raises `AttributeError` on the last page."""
        text = instruction_of(self.page.nodes)
        if text is None:
            raise AttributeError("the page of a purchase shows no instruction; env.instruction_text keeps it")
        return text

    def get_image(self) -> NoReturn:
        """Raises `NotImplementedError`: the catalogue has no images."""
        raise NotImplementedError(f"{NO_IMAGES}; use the observation, a text, in its place")

    @property
    def page(self) -> Page:
        """The page the shopper is on."""
        return self.shopper.page

    @property
    def observation(self) -> str:
        """The page in the observation mode. Raises `ValueError` for an unknown mode."""
        page = self.page
        if self.observation_mode == "text":
            return page.text
        if self.observation_mode == "text_rich":
            return page.rich_text
        if self.observation_mode == "url":
            return page.url
        if self.observation_mode == "html":
            return page_html(page)
        raise ValueError(f"Observation mode {self.observation_mode} not supported; known: {', '.join(MODES)}.")

    @property
    def state(self) -> dict[str, str]:
        """{"url", "html", "instruction_text"}."""
        return {"url": self.page.url, "html": page_html(self.page), "instruction_text": self.instruction_text}

    def render(self, mode: str = "human") -> None:
        """Do nothing, as the original."""

    def close(self) -> None:
        """Do nothing, as the original."""


def _server(file_path: str | Path | None, options: dict[str, Any]) -> SimServer:
    return SimServer(
        open_catalogue(file_path, options.get("num_products")),
        human_goals=bool(options.get("human_goals")),
        filter_goals=options.get("filter_goals"),
        limit_goals=options.get("limit_goals", -1),
        show_attrs=bool(options.get("show_attrs", False)),
        seed=options.get("seed"),
    )


def _raise_as_the_original(fault: ShopFault) -> NoReturn:
    """Raise the exception of Python that the original raises; the fault itself where that comes from Java."""
    cause = fault.__cause__
    if cause is not None and type(cause).__name__ == fault.type:
        raise cause
    kind = getattr(builtins, fault.type, None)
    raise kind(fault.message) if isinstance(kind, type) and issubclass(kind, Exception) else fault
