"""The command line as a person meets it: exit codes, one clear message for bad input and never a traceback, and agents'
words printed as text."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from agents.models.base import ChatRequest
from harness.base.errors import EpisodeError
from harness.cli import main
from harness.results.store import EPISODES, JUDGEMENTS, MANIFEST, read_manifest
from tests.harness.builders import act, config, evaluation, play_or_judge

BEHAVIOUR: dict[str, Any] = {}


def behave(request: ChatRequest) -> Any:
    return BEHAVIOUR.get(request.identity.role, play_or_judge)(request)


def small(**changes: Any) -> dict[str, Any]:
    models = {"m": {"provider": "scripted", "function": "tests.harness.test_cli:behave"}}
    return config(**({"models": models, "strategists": ["vanilla", "null"], "judge": "m"} | changes))


class Shell:
    """The command line in a folder of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self.out = self.err = ""

    def __call__(self, *arguments: str) -> int:
        self._capsys.readouterr()
        try:
            code = main(list(arguments))
        except SystemExit as ended:  # argparse
            code = int(ended.code or 0)
        self.out, self.err = self._capsys.readouterr()
        assert "Traceback" not in self.out + self.err
        return code

    def config(self, **changes: Any) -> str:
        (self.folder / "small.yaml").write_text(yaml.safe_dump(small(**changes)))
        return "small.yaml"

    def play(self, **changes: Any) -> Path:
        """A finished run in results/run."""
        self("run", self.config(**changes), "--name", "run")
        return self.folder / "results" / "run"


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRATEGIST_HARNESS_HOME", str(tmp_path / "home"))
    for name in [name for name in os.environ if name.endswith(("_API_KEY", "_BASE_URL"))]:
        monkeypatch.delenv(name)
    BEHAVIOUR.clear()
    yield Shell(tmp_path, capsys)
    BEHAVIOUR.clear()


def test_a_run_that_finishes_exits_0_prints_the_ranking_and_where_the_records_lie(shell: Shell) -> None:
    assert shell("run", shell.config()) == 0
    runs = list((shell.folder / "results").iterdir())
    assert len(runs) == 1
    assert runs[0].name.startswith("small-")
    assert f"Records: results/{runs[0].name}" in shell.out
    assert "4 of 4 planned episodes finished, failed: 0, not played: 0, unscored: 0." in shell.out
    for words in ("vanilla", "null", "5.00", "95 %"):
        assert words in shell.out


def test_the_same_command_continues_the_run_and_prints_the_same_ranking(shell: Shell) -> None:
    shell("run", shell.config())
    first = shell.out
    assert shell("run", shell.config()) == 0
    assert shell.out == first
    assert len(list((shell.folder / "results").iterdir())) == 1


def test_a_run_s_folder_plays_its_experiment_again_into_a_folder_of_its_own(shell: Shell) -> None:
    run = shell.play(seed=7)
    (shell.folder / "small.yaml").unlink()
    assert shell("run", "results/run", "--name", "run-again") == 0
    again = shell.folder / "results" / "run-again"
    assert read_manifest(again)["identity"] == read_manifest(run)["identity"]
    ids = [[json.loads(line)["episode_id"] for line in (each / EPISODES).open()] for each in (run, again)]
    assert sorted(ids[0]) == sorted(ids[1]) != []


def test_a_run_s_settings_name_no_file_of_this_machine(shell: Shell) -> None:
    path = shell.play() / MANIFEST
    (shell.folder / "mine.txt").write_text("a secret")
    manifest = json.loads(path.read_text())
    manifest["config"]["actors"][0]["prompt"] = "../../mine.txt"
    path.write_text(json.dumps(manifest))
    assert shell("run", "results/run", "--name", "again") == 2
    assert "only an experiment file may name a prompt's file" in shell.err


def test_a_folder_that_is_no_run_is_said_so(shell: Shell) -> None:
    (shell.folder / "here").mkdir()
    assert shell("run", "here") == 2
    assert "here is not a run: it has no manifest.json" in shell.err


def test_failed_episodes_exit_4_and_say_what_to_do(shell: Shell) -> None:
    def down(request: ChatRequest) -> str:
        raise EpisodeError("infrastructure", "HTTP 503")

    BEHAVIOUR["actor"] = down
    assert shell("run", shell.config()) == 4
    assert "0 of 4 planned episodes finished, failed: 4 infrastructure" in shell.out
    assert "Run the same command again" in shell.out
    BEHAVIOUR.clear()
    assert shell("run", shell.config()) == 0


def test_unscored_episodes_exit_4(shell: Shell) -> None:
    BEHAVIOUR["judge"] = lambda request: "fine, both"
    assert shell("run", shell.config()) == 4
    assert "unscored: 4." in shell.out


def test_without_a_judge_nothing_is_owed_and_the_run_exits_0(shell: Shell) -> None:
    assert shell("run", shell.config(judge=None)) == 0
    assert "unscored: 4." in shell.out


def test_dry_run_prints_cells_and_episodes_and_plays_nothing(shell: Shell) -> None:
    assert shell("run", shell.config(), "--dry-run") == 0
    assert "2 cells, 4 episodes" in shell.out
    assert "sotopia | builtin-test | self-play\n" in shell.out
    assert "m | null " in shell.out
    assert not (shell.folder / "results").exists()


@pytest.mark.parametrize(("episodes", "said"), [(16, True), (64, False)])
def test_dry_run_says_when_so_few_episodes_can_not_keep_an_endpoint_full(
    shell: Shell, episodes: int, said: bool
) -> None:
    model = {"provider": "openai", "model": "x", "base_url": "http://127.0.0.1:9/v1", "concurrency": 64}
    settings = {"models": {"m": model}, "limits": {"episodes_at_once": episodes}}
    assert shell("run", shell.config(**settings), "--dry-run") == 0
    assert ("'m' takes 64 calls at once (`concurrency`), and 16 episodes make at most 16" in shell.out) is said


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def openai(**more: Any) -> dict[str, Any]:
    return {"m": {"provider": "openai", "model": "x", **more}}


# What is wrong -> arguments of `run`, changes of the config, what the message has to say.
BAD_RUNS: dict[str, tuple[list[str], dict[str, Any], list[str]]] = {
    "missing config": (["absent.yaml"], {}, ["no experiment file absent.yaml"]),
    "a folder for a config": (["."], {}, [". is not a run"]),
    "unknown key": ([], {"nam": 1}, ["small.yaml", "`nam`", "Did you mean 'name'?"]),
    "unknown model": ([], {"actors": ["mm"]}, ["unknown model 'mm'", "Did you mean 'm'?"]),
    "unknown environment": ([], {"environments": [{"name": "sotopa", "split": "all"}]}, ["'sotopa'", "'sotopia'"]),
    "unknown split": ([], {"environments": [{"name": "sotopia", "split": "hrd"}]}, ["'hrd'", "'hard'"]),
    "unknown judge": ([], {"judge": {"model": "m", "kind": "sotopa"}}, ["unknown judge 'sotopa'"]),
    "missing key": ([], {"models": openai()}, ["model 'm'", "OPENAI_API_KEY"]),
    "missing named key": (
        [],
        {"models": openai(base_url="https://models.example.com/v1", api_key_env="MY_KEY")},
        ["model 'm'", "MY_KEY"],
    ),
    "data not imported": (
        [],
        {"environments": [{"name": "sotopia", "split": "all"}]},
        ["not imported", "harness data fetch sotopia"],
    ),
    "negative limit": ([], {"limits": {"episodes_at_once": -1}}, ["`limits.episodes_at_once`", "-1"]),
    "negative tasks": (["--set", "environments.0.tasks=-1"], {}, ["`environments.0.tasks`"]),
    "empty matrix": (["--set", "include=[{actor: nobody}]"], {}, ["matrix is empty"]),
    "override without a place": (["--set", "nothing"], {}, ["--set 'nothing'", "KEY.KEY=VALUE"]),
    "a name that is a path": (["--name", "../run"], {}, ["--name '../run'", "without slashes"]),
    "a negative budget": (["--max-tokens", "-5"], {}, ["--max-tokens", "above 0"]),
}


@pytest.mark.parametrize(("arguments", "changes", "said"), BAD_RUNS.values(), ids=BAD_RUNS)
def test_bad_input_exits_2_with_one_message_that_names_it(
    shell: Shell, arguments: list[str], changes: dict[str, Any], said: list[str]
) -> None:
    own_file = bool(arguments) and not arguments[0].startswith("-")
    config = [] if own_file else [shell.config(**changes)]
    assert shell("run", *config, *arguments) == 2
    assert shell.err.startswith("harness: ")
    for words in said:
        assert words in shell.err
    assert len(shell.err) < 800


def test_an_unreachable_endpoint_exits_2_after_its_tries(shell: Shell) -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    assert shell("run", shell.config(models=openai(base_url=url, retries=1))) == 2
    assert url in shell.err
    assert "model 'm'" in shell.err
    assert "cannot be used" in shell.err


def corrupt(name: str) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        lines = (run / name).read_bytes().splitlines(keepends=True)
        lines[1] = b'{"half": \n'
        (run / name).write_bytes(b"".join(lines))

    return damage


def other_schema(run: Path) -> None:
    lines = (run / EPISODES).read_text().splitlines(keepends=True)
    lines[1] = json.dumps({"from": "another tool"}) + "\n"
    (run / EPISODES).write_text("".join(lines))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a corrupted episode": (corrupt(EPISODES), "episodes.jsonl, line 2"),
    "a corrupted judgement": (corrupt(JUDGEMENTS), "judgements.jsonl, line 2"),
    "a line of something else": (other_schema, "episodes.jsonl, line 2"),
    "a manifest that is cut off": (lambda run: (run / MANIFEST).write_text("{"), "manifest.json cannot be read"),
    "a manifest of something else": (lambda run: (run / MANIFEST).write_text("{}"), "manifest.json"),
    "no manifest": (lambda run: (run / MANIFEST).unlink(), "is not a run"),
}
READERS = {
    "show": lambda run: ["show", str(run)],
    "show an episode": lambda run: ["show", str(run), "0"],
    "leaderboard": lambda run: ["leaderboard", str(run)],
    "judge": lambda run: ["judge", str(run), "--judge", "m"],
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize(("damage", "said"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_run_is_named_by_file_and_line_whoever_reads_it(
    shell: Shell, damage: Callable[[Path], None], said: str, reader: Callable[[Path], list[str]]
) -> None:
    run = shell.play()
    damage(run)
    for index in run.glob("*.index"):
        index.unlink()
    code = shell(*reader(run))
    if said == "is not a run" and "leaderboard" in reader(run):
        said = "no run in"
    if "judgement" in said and reader(run)[0] == "show" and len(reader(run)) == 3:
        assert code in (2, 4)  # either the unknown id or the damaged line
        return
    reads = reader(run)[0] != "judge" and said not in ("is not a run", "no run in")
    assert code == (4 if reads else 2), shell.out
    assert said in shell.err


def test_an_index_that_is_up_to_date_does_not_hide_a_line_that_was_damaged_later(shell: Shell) -> None:
    run = shell.play()
    rows = [json.loads(line) for line in (run / EPISODES).read_text().splitlines()]
    text = (run / EPISODES).read_bytes()
    (run / EPISODES).write_bytes(text.replace(b'"turns":', b'"tUrns":', 1))
    assert shell("show", str(run), rows[0]["episode_id"]) == 4
    assert "episodes.jsonl, line 1" in shell.err
    assert "turns" in shell.err


def test_a_corrupted_line_stops_the_run_from_being_continued_blindly(shell: Shell) -> None:
    run = shell.play()
    corrupt(EPISODES)(run)
    assert shell("run", "small.yaml", "--name", "run") == 2
    assert "line 2" in shell.err
    assert "harness repair results/run" in shell.err
    lines = (run / EPISODES).read_bytes().splitlines(keepends=True)
    (run / EPISODES).write_bytes(b"".join(lines[:1] + lines[2:]))
    assert shell("run", "small.yaml", "--name", "run") == 0
    assert "4 of 4 planned" in shell.out


def test_a_changed_config_is_refused_with_the_difference(shell: Shell) -> None:
    shell.play()
    assert shell("run", "small.yaml", "--name", "run", "--set", "seed=7") == 2
    assert "seed: 0 -> 7" in shell.err
    assert "--name" in shell.err


@pytest.mark.parametrize("arguments", [["rum"], ["run", "--nonsense"], ["data"], []], ids=str)
def test_a_command_that_does_not_exist_exits_2(shell: Shell, arguments: list[str]) -> None:
    assert shell(*arguments) == 2
    assert "usage: harness" in shell.err


def test_help_names_the_exit_codes(shell: Shell) -> None:
    for arguments in (["--help"], ["run", "--help"]):
        assert shell(*arguments) == 0
        for code in ("0 all finished", "2 bad input", "4 finished with failed or unfinished", "130 interrupted"):
            assert code in " ".join(shell.out.split())


def test_list_shows_every_kind_of_part(shell: Shell) -> None:
    assert shell("list") == 0
    for words in (
        "environment sotopia: 2 seat(s), protocol sotopia-0.1.4",
        "split builtin-test:",
        "scripted agent small-talk:",
        "strategist epo:",
        "strategist shuffled:",
        "provider openai",
        "provider scripted",
        "judge sotopia:",
    ):
        assert words in shell.out


def test_list_goes_on_past_a_part_that_does_not_load(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    import environments
    from agents.strategists import REGISTRY

    monkeypatch.setitem(environments.REGISTRY.builtin, "broken", "no.such.module:make")
    monkeypatch.setitem(REGISTRY.builtin, "broken", "agents.strategists.vanilla:NOTHING")
    assert shell("list") == 0
    assert "environment broken: not usable here" in shell.out
    assert "strategist broken: not usable here" in shell.out
    assert "judge sotopia:" in shell.out


def test_show_lists_cells_and_episodes(shell: Shell) -> None:
    run = shell.play()
    assert shell("show", str(run)) == 0
    assert "4 episodes" in shell.out
    assert "builtin-test" in shell.out
    episode = json.loads((run / EPISODES).read_text().splitlines()[0])
    assert episode["episode_id"] in shell.out


def test_show_an_episode_prints_the_dialogue_with_strategies_actions_and_the_judges_reasons(shell: Shell) -> None:
    BEHAVIOUR["actor"] = lambda request: act("speak", "let us share it", thought="be kind")
    run = shell.play(strategists=["react"])
    episode = json.loads((run / EPISODES).read_text().splitlines()[0])
    assert shell("show", str(run), episode["episode_id"][:6]) == 0
    for words in (
        'said: "let us share it"',
        "strategy (actor): be kind",
        episode["seats"][0]["name"],
        "The conversation is too long",
        "goal 5: because of goal",
        "overall 0.71",
    ):
        assert words in shell.out


@pytest.mark.parametrize("prefix", ["zz", ""])
def test_show_an_episode_that_is_not_one_exits_2(shell: Shell, prefix: str) -> None:
    run = shell.play()
    assert shell("show", str(run), prefix) == 2
    assert "episodes whose id begins with" in shell.err


HOSTILE = "[/x] [bold red]loud[/] [link=file:///]a[/link] \x1b[31mred\x1b[0m \x07 \u202eback \r over :smile:"


def test_agents_words_are_printed_as_text_without_markup_or_control_characters(shell: Shell) -> None:
    def judge(request: ChatRequest) -> str:
        answer = evaluation()
        answer["agent_1"]["goal"]["reasoning"] = HOSTILE
        return json.dumps(answer)

    BEHAVIOUR.update(actor=lambda request: act("speak", HOSTILE, thought=HOSTILE), judge=judge)
    run = shell.play(strategists=["react"])
    episode = json.loads((run / EPISODES).read_text().splitlines()[0])["episode_id"]
    assert shell("show", str(run), episode) == 0
    shown = (
        HOSTILE.replace("\x1b", "\\x1b").replace("\x07", "\\x07").replace("\u202e", "\\x202e").replace("\r", "\\x0d")
    )
    assert shell.out.count(shown) == 1 + 4 + 4, "reasoning, four strategies, four lines"
    assert not any(char in shell.out for char in "\x1b\x07\u202e\r")
    for command in (["show", str(run)], ["leaderboard", str(run)]):
        assert shell(*command) == 0


def test_a_failures_message_is_printed_as_text_too(shell: Shell) -> None:
    def fail(request: ChatRequest) -> str:
        raise EpisodeError("model", HOSTILE)

    BEHAVIOUR["actor"] = fail
    run = shell.play()
    episode = json.loads((run / EPISODES).read_text().splitlines()[0])["episode_id"]
    assert shell("show", str(run), episode) == 0
    assert "failed, model: [/x] [bold red]loud[/]" in shell.out
    assert "\x1b" not in shell.out


def test_the_leaderboard_has_four_forms_with_the_same_numbers(shell: Shell) -> None:
    run = shell.play()
    assert shell("leaderboard", str(run), "--format", "json") == 0
    rows = json.loads(shell.out)
    assert {row["strategist"] for row in rows} == {"vanilla", "null"}
    assert {row["goal"] for row in rows} == {5.0}
    assert shell("leaderboard", str(run), "--format", "csv") == 0
    table = list(csv.DictReader(io.StringIO(shell.out)))
    assert [row["strategist"] for row in table] == [row["strategist"] for row in rows]
    assert [float(row["low"]) for row in table] == pytest.approx([row["low"] for row in rows])
    assert shell("leaderboard", str(run), "--format", "markdown") == 0
    lines = shell.out.splitlines()
    assert len(lines) == 2 + len(rows)
    assert all(line.startswith("|") for line in lines)
    assert shell("leaderboard", str(run)) == 0
    assert "5.00" in shell.out
    assert "planned" in shell.out


def test_the_leaderboard_reads_a_folder_of_runs(shell: Shell) -> None:
    shell.play()
    shell("run", "small.yaml", "--name", "other", "--set", "seed=1")
    assert shell("leaderboard", "results") == 0
    assert "other" in shell.out
    assert "run" in shell.out


@pytest.mark.parametrize("path", ["nowhere", "."])
def test_the_leaderboard_of_nothing_exits_2(shell: Shell, path: str) -> None:
    assert shell("leaderboard", path) == 2
    assert "run" in shell.err


def test_judging_again_adds_a_judgement_and_keeps_the_first(shell: Shell) -> None:
    run = shell.play()
    before = (run / EPISODES).read_bytes(), (run / JUDGEMENTS).read_bytes()
    BEHAVIOUR["judge"] = lambda request: json.dumps(evaluation(goal=9))
    file = shell.folder / "models.yaml"
    file.write_text(yaml.safe_dump({"models": {"other": small()["models"]["m"]}}))
    assert shell("judge", str(run), "--judge", "other", "--model-config", str(file)) == 0
    assert "4 scored now, 0 unscored" in shell.out
    assert (run / EPISODES).read_bytes() == before[0]
    assert (run / JUDGEMENTS).read_bytes().startswith(before[1])
    label = next(word for word in shell.out.split() if word.startswith("sotopia/other/")).rstrip(":")
    assert shell("leaderboard", str(run), "--format", "json", "--judge", label) == 0
    assert {row["goal"] for row in json.loads(shell.out)} == {9.0}
    assert shell("leaderboard", str(run), "--format", "json") == 0
    assert {row["goal"] for row in json.loads(shell.out)} == {5.0}
    assert shell("judge", str(run), "--judge", "other", "--model-config", str(file)) == 0
    assert "0 scored now" in shell.out


def test_judging_with_what_is_not_there_exits_2(shell: Shell) -> None:
    run = str(shell.play())
    url = f"http://127.0.0.1:{free_port()}/v1"
    (shell.folder / "far.yaml").write_text(yaml.safe_dump({"models": {"far": openai(base_url=url, retries=0)["m"]}}))
    (shell.folder / "bad.yaml").write_text("- a")
    for arguments, said in {
        ("--judge", "zz"): "unknown model 'zz'",
        ("--judge", "m", "--kind", "sotopa"): "unknown judge 'sotopa'",
        ("--judge", "m", "--model-config", "absent.yaml"): "absent.yaml cannot be read",
        ("--judge", "m", "--model-config", "bad.yaml"): "no model 'm'",
        ("--judge", "far", "--model-config", "far.yaml"): "cannot be used",
    }.items():
        assert shell("judge", run, *arguments) == 2, arguments
        assert said in shell.err


def test_judge_leaves_what_could_not_be_read_owed_and_exits_4(shell: Shell) -> None:
    run = shell.play(judge=None)
    BEHAVIOUR["judge"] = lambda request: "?"
    assert shell("judge", str(run), "--judge", "m") == 4
    assert "0 scored now, 4 unscored" in shell.out
    BEHAVIOUR.clear()
    assert shell("judge", str(run), "--judge", "m") == 0
    assert "4 scored now" in shell.out


def test_a_reader_that_closes_the_pipe_is_no_error(shell: Shell) -> None:
    run = shell.play()
    command = f"{sys.executable} -m harness.cli leaderboard {run} --format csv | true"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr


def test_retry_failed_takes_a_reason_and_never_the_experiments_file(shell: Shell) -> None:
    def unreadable(request: ChatRequest) -> str:
        return "no action in here"

    BEHAVIOUR["actor"] = unreadable
    where = ("--results", "results", "--name", "run")
    assert shell("run", shell.config(), *where) == 4
    BEHAVIOUR.clear()
    assert shell("run", shell.config(), *where, "--retry-failed", "no-such-reason") == 2
    assert "it has: unreadable-answer" in shell.err
    assert shell("run", shell.config(), *where) == 4
    assert "0 of 4 planned" in shell.out
    assert shell("run", *where, "--retry-failed", shell.config()) == 0
    assert "4 of 4 planned" in shell.out


@pytest.mark.parametrize("what", ["moved", "deleted", "replaced"])
def test_a_results_folder_that_goes_away_under_a_run_ends_it_with_a_sentence(shell: Shell, what: str) -> None:
    results = shell.folder / "results"
    calls = 0

    def go(request: ChatRequest) -> Any:
        nonlocal calls
        calls += 1
        if calls == 12:
            if what == "deleted":
                shutil.rmtree(results)
            else:
                results.rename(shell.folder / "elsewhere")
            if what == "replaced":
                shutil.copytree(shell.folder / "elsewhere", results)
        return play_or_judge(request)

    BEHAVIOUR.update(actor=go, strategist=go)
    config = shell.config(limits={"episodes_at_once": 1})
    assert shell("run", config, "--name", "run") == 4
    assert "results/run/episodes.jsonl was moved or deleted under the run, which ends here" in shell.err
    assert shell.err.count("moved or deleted") == 1
    if what == "moved":
        assert not results.exists(), "nothing new was begun where the folder was"
        (shell.folder / "elsewhere").rename(results)
        BEHAVIOUR.clear()
        assert shell("run", config, "--name", "run") == 0
        assert "4 of 4 planned episodes finished" in shell.out
