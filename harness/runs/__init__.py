"""Many episodes: the plan, what is left of it, budgets, what a person sees meanwhile, and where episodes are played."""
