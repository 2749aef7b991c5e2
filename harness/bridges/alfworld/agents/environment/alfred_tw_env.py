"""Counterpart of `alfworld.agents.environment.alfred_tw_env`: which games a config asks for, and how they are played."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from harness.base.errors import BadInput
from harness.bridges.alfworld.batch import BatchGame, GameSettings
from harness.bridges.alfworld.collecting import collect_game_files
from harness.bridges.alfworld.expert import maker_of

log = logging.getLogger(__name__)

DATA_KEYS: Mapping[str, tuple[str, str]] = {
    "train": ("data_path", "num_train_games"),
    "eval_in_distribution": ("eval_id_data_path", "num_eval_games"),
    "eval_out_of_distribution": ("eval_ood_data_path", "num_eval_games"),
}
"""`train_eval` -> the keys of `dataset` that name the folder and the number of games (0 or less: all)."""


class AlfredTWEnv:
    """The games of one split. `init_env` gives the thing one plays."""

    def __init__(self, config: Mapping[str, Any], train_eval: str = "train") -> None:
        """`config` as the original's YAML file gives it. Raises `BadInput` for a split or folder that is not there."""
        if train_eval not in DATA_KEYS:
            raise BadInput(f"train_eval {train_eval!r}: expected one of {', '.join(DATA_KEYS)}")
        self.config = config
        self.train_eval = train_eval
        if config["env"]["goal_desc_human_anns_prob"] > 0:
            log.warning(
                "goal_desc_human_anns_prob is ignored, as in the original: the sentences of tasks are in the games"
            )
        self.game_files: list[str] = []
        """Paths of the games; a script may put others in its place before `init_env`."""
        self.num_games = 0
        self.collect_game_files()

    def collect_game_files(self, verbose: bool = False) -> None:
        """Fill `game_files`. `verbose` logs each game that is left out, and why."""
        data = self.config["dataset"]
        folder, number = DATA_KEYS[self.train_eval]
        wanted = data[number]
        found = collect_game_files(data[folder], self.config["env"]["task_types"], f"dataset.{folder}", verbose)
        self.game_files = found[:wanted] if wanted > 0 else found
        self.num_games = len(self.game_files)
        log.info("%d of %d games of %s", self.num_games, len(found), self.train_eval)

    def init_env(self, batch_size: int) -> BatchGame:
        """The batch environment of the games. Raises `NotImplementedError` for a `general.training_method` other than "dqn"
        and "dagger", and `BadInput` without games."""
        method = self.config["general"]["training_method"]
        if method not in ("dqn", "dagger"):
            raise NotImplementedError(f"general.training_method: {method!r}; expected 'dqn' or 'dagger'")
        training = self.config["rl" if method == "dqn" else "dagger"]["training"]
        teaches = method == "dagger" and self.train_eval == "train"
        settings = GameSettings(
            max_steps=training["max_nb_steps_per_episode"] or None,
            shuffled_names=bool(self.config["env"]["domain_randomization"]) and self.train_eval == "train",
            expert=maker_of(self.config["env"]["expert_type"]) if teaches else None,
        )
        return BatchGame(self.game_files, batch_size, settings)
