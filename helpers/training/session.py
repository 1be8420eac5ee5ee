"""A training run that is described by plain values: equal settings, equal numbers. What panels show and scripts repeat.

>>> session = Session(Setting(data="moons", rule="local, parallel", epochs=20))
>>> for step in session:
...     pass
>>> step.epoch, len(session.predict(session.test_set.X))
(20, 4)
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple, cast

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, mse_loss
from torch.optim import SGD, Adam, RMSprop, Rprop

from helpers.datasets import Points, datasets
from helpers.networks import layered_net, quicken
from helpers.options import OneOf, Option, Real, Whole
from helpers.training.evaluation import Scores, layer_outputs, layer_scores, mode
from helpers.training.layers import blank_decoders, make_decoders, refit
from helpers.training.rules import RULES

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "Mish": nn.Mish,
    "tanh": nn.Tanh,
    "ReLU": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "linear": nn.Identity,
}
OPTIMIZERS: dict[str, Callable[..., Any]] = {"Rprop": Rprop, "Adam": Adam, "RMSprop": RMSprop, "SGD": SGD}


class Net(NamedTuple):
    """The hidden part of a net: widths, the name of the activation, and whether rows are scaled to length 1."""

    hidden: tuple[int, ...]
    activation: str = "tanh"
    normalize: bool = False

    @property
    def words(self) -> str:
        """The net in a few words, as those of `NETS` are named."""
        return f"{'-'.join(map(str, self.hidden))} {self.activation}{', unit rows' if self.normalize else ''}".strip()

    def check(self) -> None:
        """Refuse what no net can be built from."""
        if not isinstance(self.hidden, (tuple, list)):
            raise TypeError(f"net must have a tuple of widths, such as (16, 16), got {self.hidden!r}")
        for width in self.hidden:
            Whole(1).check("net: a width", width)
        OneOf(ACTIVATIONS).check("net: activation", self.activation)
        OneOf((True, False)).check("net: normalize", self.normalize)

    def build(self, inputs: int, outputs: int, seed: int | None) -> nn.Sequential:
        """Make the net, a block a layer; equal seeds give equal weights."""
        widths = [inputs, *self.hidden, outputs]
        return layered_net(widths, activation=ACTIVATIONS[self.activation], normalize=self.normalize, seed=seed)


OPTIONS: dict[str, Option] = {
    "data": OneOf([name for name in datasets if name != "normal"]),  # whose targets are classes
    "rule": OneOf(RULES),
    "optimizer": OneOf(OPTIMIZERS),
    "rate": Real(0, above=True),
    "seed": Whole(0),
    "epochs": Whole(1),
    "noise": Real(0),
    "each_block": OneOf((True, False)),
}
"""What each field of a setting may be, but for ``net`` and ``samples``, which have two forms each."""
NETS = {
    "100-100-10 Mish": Net((100, 100, 10), "Mish", True),
    "32-32-32 tanh": Net((32, 32, 32)),
    "16-16 tanh": Net((16, 16)),
}


@dataclass(frozen=True)
class Setting:
    """All that a run depends on.

    Attributes
    ----------
    data, rule, optimizer : str
        Names in ``datasets``, ``RULES``, ``OPTIMIZERS``.
    net : str or Net
        A name in ``NETS``, or a net of one's own.
    rate : float
        Learning rate, more than 0; of Rprop, the first step length.
    seed : int
        Of data, net, decoders and shuffles.
    epochs : int
        Passes over the data. The sequential rule shares them among its blocks: all rules see the data equally often.
    noise : float
        Added to the inputs of both sets, a standard deviation.
    samples : int or None
        Training points; as many as the data set has unless told.
    each_block : bool
        Whether the sequential rule gets all the epochs for each of its blocks instead: equal updates.
    """

    data: str = "signed_xor"
    rule: str = "local, parallel"
    net: str | Net = "100-100-10 Mish"
    optimizer: str = "Rprop"
    rate: float = 0.01
    seed: int = 0
    epochs: int = 200
    noise: float = 0.0
    samples: int | None = None
    each_block: bool = False

    def __post_init__(self) -> None:
        for name, option in OPTIONS.items():
            object.__setattr__(self, name, option.check(name, getattr(self, name)))
        if self.samples is not None:
            Whole(1).check("samples", self.samples)
        if not isinstance(self.net, Net):
            OneOf(NETS).check("net", self.net)
        self.layers.check()

    @property
    def layers(self) -> Net:
        """The net, whether it was named or given."""
        return NETS[self.net] if isinstance(self.net, str) else self.net

    @property
    def schedule(self) -> tuple[int, int]:
        """The epochs that the rule is called with, and the steps that it then yields."""
        blocks = len(self.layers.hidden) + 1
        if self.rule != "local, sequential":
            return self.epochs, self.epochs
        each = self.epochs if self.each_block else max(1, self.epochs // blocks)
        return each, each * blocks


@lru_cache(maxsize=8)
def points_of(data: str, noise: float, samples: int | None, seed: int) -> tuple[Points, Points]:
    """Return training and test set of a name; they are shared, so change nothing in them."""
    train, test = datasets[data][:2]
    return train(samples=samples, noise=noise, seed=seed), test(noise=noise, seed=seed)


class View:
    """A net as it stood at a moment: what its layers answer, and what its hidden units do."""

    def __init__(self, model: nn.Sequential, answer: Callable[[ArrayLike | Tensor], list[Scores]]) -> None:
        self.model, self.answer = model, answer

    def __call__(self, X: ArrayLike | Tensor) -> list[Scores]:
        """Return the answer (n, k) of every layer."""
        return self.answer(X)

    def units(self, X: ArrayLike | Tensor, layers: int | None = None) -> list[Scores]:
        """Return the outputs (n, width) of the first ``layers`` hidden blocks, of all of them unless told."""
        x = torch.as_tensor(X, dtype=torch.float32)
        with torch.no_grad(), mode(False, self.model):
            return [h.numpy() for h in layer_outputs(list(self.model)[:-1][:layers], x)]


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
    count, total : int
        Steps taken, steps in all.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.training_set, self.test_set = points_of(setting.data, setting.noise, setting.samples, setting.seed)
        X, Y = self.training_set.X, self.training_set.Y
        self.model = setting.layers.build(X.shape[1], Y.shape[1], setting.seed)
        epochs, self.total = setting.schedule
        self.count, self.step = 0, cast(Any, None)
        self._lock = threading.RLock()  # the net has one user at a time: a step, an answer, or the copy of a snapshot
        self.decoders: Sequence[nn.Module] | None = (
            make_decoders(self.model, X, seed=setting.seed) if setting.rule.startswith("local,") else None
        )
        optimizer = partial(OPTIMIZERS[setting.optimizer], lr=setting.rate)
        self.steps: Iterator[Any] = RULES[setting.rule](
            self.model, optimizer, mse_loss, binary_cross_entropy, epochs, [(X, Y)], seed=setting.seed
        )

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        with self._lock:
            self.step = step = next(self.steps)
            self.count += 1
            self.decoders = getattr(step, "decoders", None)
            return step

    def predict(self, X: ArrayLike | Tensor) -> list[Scores]:
        """Return the answer (n, k) of every layer; without decoders, through read-outs fitted on 200 points."""
        with self._lock:
            if self._answers_itself:
                own: list[Scores] = self.step.predict(X)
                return own
            return self._answer(self.model, self.decoders, X)

    def units(self, X: ArrayLike | Tensor) -> list[Scores]:
        """Return the outputs (n, width) of every hidden block."""
        with self._lock:
            return View(self.model, self.predict).units(X)

    def snapshot(self, quick: bool = False) -> View:
        """Return the net as of now, a copy of its own: the run and other snapshots go on, in other threads too.

        A rule that answers in a way of its own is copied with all that its last step holds.

        Parameters
        ----------
        quick : bool
            Whether the layers answer by `QuickMish`: sooner, and to 1e-5, of which no picture shows anything.
        """
        with self._lock:
            if self._answers_itself:
                model, step = copy.deepcopy((self.model, self.step))
                return View(model, step.predict)
            model, decoders = copy.deepcopy((self.model, self.decoders))
        shown = quicken(model) if quick else model
        return View(shown, partial(self._answer, model, decoders, shown=shown))

    @property
    def _answers_itself(self) -> bool:
        return self.decoders is None and hasattr(self.step, "predict")

    def _answer(
        self,
        model: nn.Sequential,
        decoders: Sequence[nn.Module] | None,
        X: ArrayLike | Tensor,
        *,
        shown: nn.Sequential | None = None,
    ) -> list[Scores]:
        """Answer through decoders, or through blank ones that are fitted now, on the exact net."""
        points = self.training_set
        ends = decoders or refit(blank_decoders(model, points.X), model, points.X[:200], points.Y[:200])
        return layer_scores(shown or model, ends, X)
