"""Which published combos and roles are "hard", as facts of the original benchmark.

The indices are those of `sotopia_hard.json` (AMPO, taken from DAT): 0-based, into the canonical order of the 450
combos. Any other order gives a plausible but wrong subset, so `check_order` looks at what comes out. The entries
are the environment list 01HAK34YPB1H1RWXQDASDKHSNS of `sotopia benchmark --task hard`: 20 (environment, role)
settings of 5 combos each. The role of an entry is stored only in the published Redis dump and is unknown here; an
environment that is listed twice is taken to be hard for both roles.
"""

from __future__ import annotations

from collections import Counter

from environments.sotopia.profiles import World
from harness.base.errors import BadInput

# fmt: off
HARD_INDICES = (
    5, 19, 26, 47, 49, 50, 53, 66, 78, 79, 84, 99, 104, 115, 131, 142, 152, 153, 155, 156,
    157, 159, 160, 162, 168, 174, 187, 199, 201, 202, 205, 211, 225, 230, 232, 234, 238, 252, 259, 262,
    263, 268, 280, 293, 298, 302, 307, 312, 314, 331, 340, 344, 354, 360, 361, 369, 378, 387, 389, 397,
    409, 414, 421, 422, 427, 433, 436, 437, 444, 447,
)

HARD_ENTRIES = (
    "01H7VFHNV13MHN97GAH73E3KM8", "01H7VFHN5WVC5HKKVBHZBA553R", "01H7VFHNN7XTR99319DS8KZCQM", "01H7VFHN9W0WAFZCBT09PKJJNK",
    "01H7VFHPDZVVCDZR3AARA547CY", "01H7VFHPQQQY6H4DNC6NBQ8XTG", "01H7VFHPQQQY6H4DNC6NBQ8XTG", "01H7VFHN7WJK7VWVRZZTQ6DX9T",
    "01H7VFHN7A1ZX5KSMT2YN9RXC4", "01H7VFHPS5WJW2694R1MNC8JFY", "01H7VFHPS5WJW2694R1MNC8JFY", "01H7VFHNN7XTR99319DS8KZCQM",
    "01H7VFHQ11NAMZS4A2RDGDB01V", "01H7VFHQ11NAMZS4A2RDGDB01V", "01H7VFHPSWGDGEYRP63H2DJKV0", "01H7VFHPSWGDGEYRP63H2DJKV0",
    "01H7VFHNF4G18PC9JHGRC8A1R6", "01H7VFHNNYH3W0VRWVY178K2TK", "01H7VFHP8AN5643B0NR0NP00VE", "01H7VFHN7A1ZX5KSMT2YN9RXC4",
)
# fmt: on

PUBLISHED = 450
"""Number of pairings (sotopia calls them combos) in the published data."""
LISTED = Counter(HARD_ENTRIES)
"""Environment -> how many of the 20 entries it has: 2 = both roles, 1 = one role, which one is unknown."""


def check_order(world: World) -> None:
    """Raise `BadInput` unless the hard indices name 5 combos of each of the 14 hard environments."""
    by_index = {combo.index: combo.scenario_id for combo in world.combos}
    found = Counter(by_index.get(index, "") for index in HARD_INDICES)
    if len(world.combos) != PUBLISHED or found != Counter(dict.fromkeys(LISTED, 5)):
        raise BadInput(
            "these SOTOPIA combos are not the 450 published ones, or not in the canonical order, so the splits `all` and `hard` "
            "cannot be cut from them: put AMPO's env_agent_combos.json beside them (`harness data fetch sotopia` brings it), or "
            "import them as data of your own with `--name mine`"
        )
