"""Many episodes: the plan, what is left of it, budgets, what a person sees meanwhile, and where episodes are played.

All that is tried again, each kind in one place, from the smallest to the largest:

- a request to an endpoint: `agents.models.asking:Call` decides whether another attempt can help (`retries` of the model, a
  larger token limit, without a refused parameter), `agents.models.errors.failures:Backoff` how long it waits
- an exhausted quota is waited for: `agents.models.quota:Quota` (`limits.quota_wait_s`)
- an unreadable answer (an action, a strategy, a judgement, process rewards): `agents.asking_again:ask_until_read`, as often as
  `harness.reading.parsing:REASKS` says, or for actions the environment's option `reasks`
- a model server that died: `agents.models.local.child:MOST_STARTS`
- an episode whose worker process died: `harness.runs.executors.worker_pool:MOST_DEATHS`; on Ray:
  `harness.runs.executors.cluster:RETRIES`
- a worker process that cannot start: `harness.runs.executors.worker_pool:MOST_BAD_STARTS`
- a failed episode or score, by the next command: `harness.runs.jobs:owed_jobs` (`--retry-failed`)
- a download: `harness.exchange.download:DownloadPolicy`; a live log's write: `harness.exchange.livelog:TRIES`
"""
