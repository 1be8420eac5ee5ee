"""A race as the code that a reader would write: pasted into a cell, it gives the same numbers."""

from __future__ import annotations

import textwrap

from helpers.training.race import Race
from helpers.training.session import ACTIVATIONS, OPTIMIZERS

TEMPLATE = """\
from functools import partial

from torch import nn
from torch.nn.functional import binary_cross_entropy, mse_loss
from torch.optim import {optimizer}

from helpers.datasets import datasets
from helpers.networks import layered_net
from helpers.training import RULES, accuracy, predictor

{text}
training_set = datasets["{data}"].train(samples={samples}, noise={noise}, seed={seed})
test_set = datasets["{data}"].test(noise={noise}, seed={seed})
batches = [(training_set.X, training_set.Y)]
epochs = {epochs}{remark}
models, found = {{}}, {{}}
for rule, count in epochs.items():
    model = layered_net({widths}, activation=nn.{activation}, normalize={normalize}, seed={seed})
    optimizer = partial({optimizer}, lr={rate})
    for step in RULES[rule](model, optimizer, mse_loss, binary_cross_entropy, count, batches, seed={seed}):
        pass
    predict = getattr(step, "predict", lambda X: [predictor(model)(X)])  # an answer a layer, where a rule has them
    models[rule], found[rule] = model, accuracy(predict(test_set.X)[-1], test_set.Y)
    print(f"{{rule}}: {{found[rule]:.3f}} of the test points right")
"""


def code_of(race: Race) -> str:
    """Return Python code that trains the nets of a race anew, to the end of its budget.

    Notes
    -----
    It leaves ``models`` and ``found`` (test accuracies), each a dict by rule. At equal seconds it holds the numbers of
    epochs that this race has measured, so that it repeats this race, not the measurement.
    """
    state, first = race.state, race.sessions[0]
    epochs = {session.setting.rule: session.setting.schedule[0] for session in race.sessions}
    return TEMPLATE.format(
        text=textwrap.fill(
            f"State of the playground: {state.text}", 110, initial_indent="# ", subsequent_indent="#   "
        ),
        data=state.data,
        samples=state.samples,
        noise=state.noise,
        seed=state.seed,
        epochs=repr(epochs).replace("'", '"'),
        remark="  # for each of its blocks, where a rule is sequential" if "local, sequential" in epochs else "",
        widths=[first.training_set.X.shape[1], *[state.width] * state.blocks, first.training_set.Y.shape[1]],
        activation=ACTIVATIONS[state.activation].__name__,
        normalize=state.normalize,
        optimizer=OPTIMIZERS[state.optimizer].__name__,
        rate=state.rate,
    )
