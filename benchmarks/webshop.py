"""WebShop: time per step against the original's recorded figures, search against bm25s, start-up and memory.

    python benchmarks/webshop.py [--items DIR]                 the 1,000 real products (built-in ones without DIR)
    python benchmarks/webshop.py --scale 1000000 [--place DIR] a generated catalogue of that size
    python benchmarks/webshop.py --memory 20000                resident memory over that many episodes

The original's figures are CPU milliseconds on one core of a 2-core x86 machine (median of 300 episodes), so ratios
hold for a machine of that kind. bm25s (optional) runs in the same process on the same tokens.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from environments.base import Action
from environments.webshop.catalogue.generate import write_builtin
from environments.webshop.catalogue.importer import Import, find_files
from environments.webshop.catalogue.nouns import from_table, read_tagged_titles
from environments.webshop.catalogue.store import Catalogue, iterate, open_store
from environments.webshop.goals.goals import goal_table
from environments.webshop.options import Kind
from environments.webshop.search.analysis import analyse
from environments.webshop.shop.baselines import BASELINES
from environments.webshop.shop.play import PlaySettings, WebShopPlay
from environments.webshop.shop.simulator import Shop, open_session

ORIGINAL_MS = {"reset": 3.4, "search": 23.6, "next": 29.3, "item": 20.1, "option": 17.3, "sub page": 8.4, "buy": 26.6}
"""CPU milliseconds of the original (median), per kind of step."""

ORIGINAL_SEARCH_MS = 2.5
"""Lucene alone, wall milliseconds (median), 50 hits."""

SETTINGS = PlaySettings("text", 1000, None)


def cpu_ms(call: Callable[[], object]) -> float:
    start = time.thread_time_ns()
    call()
    return (time.thread_time_ns() - start) / 1e6


def median(values: Sequence[float]) -> float:
    return percentile(values, 0.5)


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def resident_mb() -> tuple[float, float]:
    """(all resident memory, the part that is this process's own and not a page of a file), MB."""
    total = own = 0
    for line in Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Rss:"):
            total = int(line.split()[1])
        if line.startswith("Anonymous:"):
            own = int(line.split()[1])
    return total / 1024, own / 1024


def episode(play: WebShopPlay, times: dict[str, list[float]]) -> None:
    """One episode that makes every kind of step, timing each with the reading of text and actions."""

    def step(kind: str, text: str) -> None:
        def run() -> None:
            play.step(0, Action(text))
            play.available()

        times[kind].append(cpu_ms(run))

    goal = play.session.goal
    step("search", f"search[{' '.join(goal.instruction.translate(str.maketrans('[]', '  ')).split())}]")
    if play.session.page.targets.get("next >"):
        step("next", "click[next >]")
        step("next", "click[< prev]")
    shown = [name for name, (role, _) in play.session.page.targets.items() if role == "link"]
    if not shown:
        return
    step("item", f"click[{shown[0]}]")
    for name, (role, _) in list(play.session.page.targets.items()):
        if role == "option" and "[" not in name and "]" not in name:
            step("option", f"click[{name}]")
            break
    for name in ("description", "features", "reviews"):
        step("sub page", f"click[{name}]")
        step("item", "click[< prev]")
    step("buy", "click[buy now]")


def reset(shop: Shop, index: int) -> tuple[WebShopPlay, float]:
    """A new episode of a goal, and the CPU milliseconds it took."""
    start = time.thread_time_ns()
    play = WebShopPlay(open_session(shop, shop.goals.goal(index), str(index)), SETTINGS)
    play.available()
    return play, (time.thread_time_ns() - start) / 1e6


def bench_steps(catalogue: Catalogue, kind: Kind, episodes: int) -> None:
    table = goal_table(catalogue, kind, 0)
    shop = Shop(table)
    times: dict[str, list[float]] = {name: [] for name in ORIGINAL_MS}
    rng = Random(7)
    for number in range(episodes + 20):
        if number == 20:  # after 20 episodes to warm up, as the original's figures
            times = {name: [] for name in ORIGINAL_MS}
        play, spent = reset(shop, rng.randrange(len(table)))
        times["reset"].append(spent)
        episode(play, times)
    print(f"\nsteps, {episodes} episodes, CPU ms          median      p95   original    ratio")
    for name, values in times.items():
        middle = median(values)
        ratio = ORIGINAL_MS[name] / middle
        print(f"  {name:10}  ({len(values):5} times)  {middle:10.4f} {percentile(values, 0.95):8.4f} ", end="")
        print(f"{ORIGINAL_MS[name]:10.1f} {ratio:7.0f}x")
    steps = [value for name, values in times.items() if name != "reset" for value in values]
    print(f"  {len(steps) / sum(steps) * 1000:,.0f} steps a CPU second")


def queries(catalogue: Catalogue, kind: Kind, count: int) -> list[str]:
    """Instructions, titles, and pieces of both."""
    table = goal_table(catalogue, kind, 0)
    rng = Random(3)
    found = []
    for _ in range(count // 2):
        text = table.goal(rng.randrange(len(table))).instruction
        title = catalogue.card(rng.randrange(catalogue.size))[2]
        found += [text, " ".join(rng.sample(title.split(), min(4, len(title.split()))))]
    return found


def bench_search(catalogue: Catalogue, kind: Kind, count: int, compare: bool) -> None:
    texts = queries(catalogue, kind, count)
    for text in texts[:20]:
        catalogue.index.search(text)
    times = []
    for text in texts:
        start = time.perf_counter()
        catalogue.index.search(text)
        times.append((time.perf_counter() - start) * 1e3)
    ratio = ORIGINAL_SEARCH_MS / median(times)
    print(f"\nsearch, {count} queries (analysis included), wall ms: median {median(times):.3f}, ", end="")
    print(f"p95 {percentile(times, 0.95):.3f}; Lucene at 1,000 products {ORIGINAL_SEARCH_MS}: {ratio:.0f}x")
    compare_exhaustive(catalogue, texts)
    if compare:
        compare_bm25s(catalogue, texts, median(times))


def compare_exhaustive(catalogue: Catalogue, texts: list[str]) -> None:
    """The search that skips what cannot reach the top, and the one that scores every match, in turn: CPU, and whether both give
    the same documents and scores."""
    index = catalogue.index
    bounded, exhaustive, same = [], [], 0
    for text in texts:
        if not (terms := index._query(text)):
            continue
        start = time.thread_time()
        found = index._search_bounded(terms, 50)
        between = time.thread_time()
        every = index._search_all(terms, 50)
        exhaustive.append(1e3 * (time.thread_time() - between))
        bounded.append(1e3 * (between - start))
        for term, _ in terms:
            term.kept = None  # what a small index keeps would be no search
        same += found.documents.tolist() == every.documents.tolist() and found.scores.tolist() == every.scores.tolist()
    print(f"  CPU ms: skipping median {median(bounded):.2f}, p95 {percentile(bounded, 0.95):.2f}; every match ", end="")
    print(
        f"{median(exhaustive):.2f}, {percentile(exhaustive, 0.95):.2f}: {median(exhaustive) / median(bounded):.1f}x; ",
        end="",
    )
    print(f"the same for {same} of {len(bounded)} queries")


def compare_bm25s(catalogue: Catalogue, texts: list[str], ours: float) -> None:
    """bm25s on the same tokens, tokenising of queries included."""
    try:
        import bm25s
    except ImportError:
        print("  bm25s is not installed; no comparison")
        return
    products = list(iterate(catalogue))
    index = bm25s.BM25(method="lucene", k1=0.9, b=0.4)
    index.index([analyse(product.document()) for product in products], show_progress=False)
    times, same = [], 0
    for text in texts:
        start = time.perf_counter()
        found, _ = index.retrieve([analyse(text)], k=50, show_progress=False)
        times.append((time.perf_counter() - start) * 1e3)
        best = [catalogue.asin_at(int(document)) for document in catalogue.index.search(text).documents[:10]]
        same += [products[int(place)].asin for place in found[0][:10]] == best
    middle = median(times)
    print(f"  bm25s, same tokens: median {middle:.3f}, p95 {percentile(times, 0.95):.3f}: ", end="")
    print(f"{middle / ours:.1f}x ours; its top 10 equals Lucene's for {same / len(texts):.0%}")


def bench_start(place: Path, kind: Kind) -> None:
    """A new process: interpreter and imports, then the store, its goals and a first search."""
    code = (
        "import time; t=time.perf_counter()\n"
        "from environments.webshop.catalogue.store import open_store\n"
        "from environments.webshop.goals.goals import goal_table\n"
        "from pathlib import Path; import sys; a=time.perf_counter()\n"
        "c=open_store(Path(sys.argv[1])); g=goal_table(c, sys.argv[2], 0); g.goal(0)\n"
        "c.index.search(g.goal(0).instruction)\n"
        "print(f'imports {a-t:.3f} s, store to first search {time.perf_counter()-a:.3f} s')\n"
    )
    command = [sys.executable, "-c", code, str(place), kind]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])}
    for label in ("first start (draws kept from it on)", "later start"):
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
        print(f"{label}: {done.stdout.strip()}")


def bench_memory(catalogue: Catalogue, kind: Kind, episodes: int) -> None:
    """Resident memory while random clickers play."""
    table = goal_table(catalogue, kind, 0)
    shop = Shop(table)
    rng = Random(5)
    print(f"\nmemory over {episodes} episodes (MB resident, MB of its own)")
    for number in range(episodes):
        play = WebShopPlay(
            open_session(shop, table.goal(rng.randrange(len(table))), "1"), PlaySettings("text", 10, None)
        )
        while not play.done:
            play.step(0, BASELINES["random"].act(play, 0, rng))
        if (number + 1) % (episodes // 10) == 0:
            print(f"  {number + 1:7}: {resident_mb()[0]:7.1f} {resident_mb()[1]:7.1f}", flush=True)


def prepare(options: argparse.Namespace, scratch: Path) -> tuple[Path, Kind]:
    """Build the store, saying how long it took."""
    start, usage = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    kind: Kind = "human"
    if options.items:
        files = find_files(options.items)
        if files.nouns is None:
            sys.exit(f"{options.items}: no title_pos.jsonl.gz")
        place = scratch / "real"
        count = Import(files, from_table(read_tagged_titles(files.nouns))).run(place)
        kind = "synthetic"
    else:
        count = options.scale or 1000
        place = (options.place or scratch) / f"builtin-{count}"
        if not (place / "meta.json").exists():
            write_builtin(place, count, 0)
    after = resource.getrusage(resource.RUSAGE_SELF)
    size = sum(path.stat().st_size for path in place.iterdir()) / 2**20
    print(f"store of {count:,} products ({size:,.0f} MB): {time.perf_counter() - start:.1f} s wall, ", end="")
    print(f"{after.ru_utime - usage.ru_utime:.1f} s CPU, peak {after.ru_maxrss / 1024:,.0f} MB")
    return place, kind


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=Path, help="folder with the published product files and title_pos.jsonl.gz")
    parser.add_argument("--scale", type=int, help="size of a generated catalogue")
    parser.add_argument("--place", type=Path, help="keep the generated catalogue here (and use it again)")
    parser.add_argument("--episodes", type=int, default=300)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--memory", type=int, help="measure memory over so many episodes instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="webshop-bench-") as scratch:
        place, kind = prepare(options, Path(scratch))
        catalogue = open_store(place)
        if options.memory:
            bench_memory(catalogue, kind, options.memory)
            return
        bench_start(place, kind)
        bench_search(catalogue, kind, options.queries, compare=catalogue.size <= 50_000)
        bench_steps(catalogue, kind, options.episodes)
        print(
            f"\nresident {resident_mb()[0]:,.0f} MB, of which its own (not pages of shared files) {resident_mb()[1]:,.0f} MB"
        )


if __name__ == "__main__":
    main()
