"""Solutions to the exercises of lecture 09. Try first: the checks in the notebook say what is missing."""

import statistics
from collections.abc import Sequence

from helpers.training.runs import Outcome, Run


def each_weight_changes(text: str) -> dict[str, int]:
    """Count how often each weight is changed under each rule of a state."""
    run = Run.from_text(text)
    shared = max(1, run.epochs // (len(run.hidden) + 1))  # the output is a block too
    return {rule: shared if rule == "local, sequential" and run.equal == "passes" else run.epochs for rule in run.rules}


def winner(races: Sequence[Sequence[Outcome]]) -> str:
    """Return the rule with the highest median test accuracy over several races."""
    test: dict[str, list[float]] = {}
    for race in races:
        for outcome in race:
            test.setdefault(outcome.rule, []).append(outcome.test)
    return max(test, key=lambda rule: statistics.median(test[rule]))


def local_wins() -> str:
    """Return a state in which the local rule leads: a tanh net that gradient descent alone moves slowly."""
    return (
        "data=signed_xor; samples=200; hidden=16-16-16-16; activation=tanh; normalize=no; "
        "rules=back-propagation | local, parallel; equal=passes; epochs=100; optimizer=SGD; rate=0.5"
    )
