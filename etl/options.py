"""Which options of our own verbs, and arguments of `routerset`, have no effect beside others."""

from __future__ import annotations

from routerset.release.evaluator.options import Rule

_PLACE = "it is of the run that a dry one leaves out"
BUILD = (
    Rule("dry_run", never=frozenset({"runner=dask", "workers", "scheduler", "check"}), says=_PLACE),
    Rule("scheduler", needs=("runner=dask",), says="--runner dask"),
    Rule(
        "scheduler", never=frozenset({"workers"}), says="a cluster has the workers that were started for it"
    ),
)
VERIFY = (
    Rule("config", needs=("against",), says="--against DUMPS, which it says how to read again"),
    Rule("config", needs=("dumps",), says="dumps to read again, and a build has tables"),
)
STATUS = (Rule("config", needs=("build",), says="a build; a release, and what is published, has none"),)
LEADERBOARD = (
    *(
        Rule(name, needs=("eval_results",), says="--eval-results DIR")
        for name in ("dataset", "revision", "url")
    ),
    Rule("eval_results", needs=("dataset",), says="--dataset ORG/NAME, the release on the Hub"),
)
