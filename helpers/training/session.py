"""A training run that is described by plain values: equal settings, equal numbers. What panels show and scripts repeat.

>>> session = Session(Setting(data="moons", rule="local, parallel", epochs=20))
>>> for step in session:
...     pass
>>> step.epoch, len(session.predict(session.test_set.X))
(20, 4)
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, mse_loss
from torch.optim import SGD, Adam, RMSprop, Rprop

from helpers.datasets import datasets, whole_number
from helpers.networks import layered_net
from helpers.training.evaluation import Scores, layer_scores
from helpers.training.layers import fit_decoders, make_decoders
from helpers.training.rules import RULES

NETS: dict[str, Callable[..., nn.Sequential]] = {
    "100-100-10 Mish": lambda ins, outs, seed: layered_net([ins, 100, 100, 10, outs], seed=seed),
    "32-32-32 tanh": lambda ins, outs, seed: layered_net(
        [ins, 32, 32, 32, outs], activation=nn.Tanh, normalize=False, seed=seed
    ),
    "16-16 tanh": lambda ins, outs, seed: layered_net(
        [ins, 16, 16, outs], activation=nn.Tanh, normalize=False, seed=seed
    ),
}
OPTIMIZERS: dict[str, Callable[..., Any]] = {"Rprop": Rprop, "Adam": Adam, "RMSprop": RMSprop, "SGD": SGD}


@dataclass(frozen=True)
class Setting:
    """All that a run depends on.

    Attributes
    ----------
    data, rule, net, optimizer : str
        Names in ``datasets``, ``RULES``, ``NETS``, ``OPTIMIZERS``.
    rate : float
        Learning rate, more than 0; of Rprop, the first step length.
    seed : int
        Of data, net, decoders and shuffles.
    epochs : int
        Passes over the data. The sequential rule shares them among its blocks: all rules see the data equally often.
    """

    data: str = "signed_xor"
    rule: str = "local, parallel"
    net: str = next(iter(NETS))
    optimizer: str = "Rprop"
    rate: float = 0.01
    seed: int = 0
    epochs: int = 200

    def __post_init__(self) -> None:
        for field, known in (("rule", RULES), ("net", NETS), ("optimizer", OPTIMIZERS)):
            if getattr(self, field) not in known:
                raise ValueError(f"{field} must be one of {', '.join(known)}, got {getattr(self, field)!r}")
        if not self.rate > 0:
            raise ValueError(f"rate must be more than 0, got {self.rate!r}")
        whole_number("epochs", self.epochs, 1)


class Session:
    """A run about to start: its data, its net, its steps, and the answer of every layer at any time.

    Parameters
    ----------
    setting : Setting
        What to run.

    Attributes
    ----------
    training_set, test_set : Points
        The data, as one batch.
    model : nn.Sequential
        The net; it learns as the session is iterated over.
    total : int
        The number of steps.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.training_set, self.test_set = (build(seed=setting.seed) for build in datasets[setting.data][:2])
        X, Y = self.training_set.X, self.training_set.Y
        self.model = NETS[setting.net](X.shape[1], Y.shape[1], setting.seed)
        sequential = setting.rule == "local, sequential"
        epochs = max(1, setting.epochs // len(self.model)) if sequential else setting.epochs
        self.total = epochs * len(self.model) if sequential else epochs
        self._twin: tuple[nn.Sequential, Sequence[nn.Module] | None] | None = None
        self.decoders: Sequence[nn.Module] | None = (
            make_decoders(self.model, X, seed=setting.seed) if setting.rule.startswith("local") else None
        )
        optimizer = partial(OPTIMIZERS[setting.optimizer], lr=setting.rate)
        self.steps: Iterator[Any] = RULES[setting.rule](
            self.model, optimizer, mse_loss, binary_cross_entropy, epochs, [(X, Y)], seed=setting.seed
        )

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        step = next(self.steps)
        self.decoders = getattr(step, "decoders", None)
        return step

    def predict(self, X: ArrayLike | Tensor) -> list[Scores]:
        """Return the answer (n, k) of every layer; without decoders, through read-outs fitted on 200 points."""
        return self._answers(self.model, self.decoders, X)

    def snapshot(self) -> Callable[[ArrayLike | Tensor], list[Scores]]:
        """Return `predict` as of now: the run may go on meanwhile, in another thread too.

        The copy of the weights is kept and filled anew by the next snapshot, which ends the use of this one.
        """
        live = (self.model, self.decoders)
        if self._twin is None or (self._twin[1] is None) != (self.decoders is None):
            self._twin = copy.deepcopy(live)
        with torch.no_grad():
            for held, now in zip(_tensors(*self._twin), _tensors(*live), strict=True):
                held.copy_(now)
        return partial(self._answers, *self._twin)

    def _answers(
        self, model: nn.Sequential, decoders: Sequence[nn.Module] | None, X: ArrayLike | Tensor
    ) -> list[Scores]:
        if decoders is None:
            few = slice(0, 200)
            decoders = fit_decoders(model, self.training_set.X[few], self.training_set.Y[few])
        return layer_scores(model, decoders, X)


def _tensors(model: nn.Module, decoders: Sequence[nn.Module] | None) -> list[Tensor]:
    """All that a net and its decoders compute with."""
    return [t for module in (model, *(decoders or ())) for t in (*module.parameters(), *module.buffers())]
