"""Data sets of the course, all of one type: two builders, for training and for test, and a description.

A new data set is a function under a line ``@data_set("what is to be learned")``: CONTRIBUTING shows one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Generator, Tensor, as_tensor, randperm
from torch.utils.data import TensorDataset

from helpers.options import Real, Whole

Floats = NDArray[np.float64]
Drawn = tuple[Floats, Floats]
Entry = TypeVar("Entry")


class Points(TensorDataset):
    """Inputs ``X`` of shape (n, d) and targets ``Y`` of shape (n, k), float32, as a torch ``Dataset``."""

    def __init__(self, X: Tensor, Y: Tensor) -> None:
        super().__init__(X, Y)
        self.X, self.Y = X, Y

    def batches(self, size: int, seed: int | None = None) -> Shuffled:
        """Return pairs X (size, d) and Y (size, k), in a new order in each pass; the last pair may be smaller."""
        drawn = Generator().seed() if seed is None else Whole(0).check("seed", seed)
        return Shuffled(self.X, self.Y, Whole(1).check("size", size), Generator().manual_seed(drawn))


class Shuffled:
    """Batches in a new order in each pass, of ``size`` rows each or of the sizes listed; one batch stays as it is.

    Batches are cuts of a shuffled copy of all rows: faster than a ``DataLoader``, which fetches row by row.
    """

    def __init__(self, X: Tensor, Y: Tensor, size: int | list[int], generator: Generator | None) -> None:
        self.X, self.Y, self.size, self.generator = X, Y, size, generator

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if len(self.X.split(self.size)) == 1:
            return iter([(self.X, self.Y)])  # whose order does not matter
        order = randperm(len(self.X), generator=self.generator).to(self.X.device)
        return zip(self.X[order].split(self.size), self.Y[order].split(self.size))


class DataSet(NamedTuple):
    """An entry of the registry: ``train(...)`` and ``test(...)`` build `Points`; ``description`` is LaTeX."""

    train: Callable[..., Points]
    test: Callable[..., Points]
    description: str


class Registry(dict[str, Entry]):
    """A dict whose missing key is answered with the names there are."""

    def __init__(self, kind: str, **entries: Entry) -> None:
        super().__init__(entries)
        self.kind = kind

    def __missing__(self, name: str) -> Entry:
        raise KeyError(f"no {self.kind} is called {name!r}; choose one of: {', '.join(self)}")


datasets: Registry[DataSet] = Registry("data set")
descriptions: Registry[str] = Registry("data set")


def data_set(description: str, *, pools: bool = False) -> Callable[[Callable[..., Drawn]], Callable[..., Drawn]]:
    """Register a function ``(rng, samples=1000, **options) -> (X, Y)`` as the data set of its own name.

    With ``pools`` the function gets ``split``, 0 or 1, too: the splits come from pools of their own.
    """

    def register(draw: Callable[..., Drawn]) -> Callable[..., Drawn]:
        draws = [functools.partial(draw, split=split) if pools else draw for split in (0, 1)]
        train, test = (functools.partial(build, draws[split], split) for split in (0, 1))
        datasets[draw.__name__] = DataSet(train, test, description)
        descriptions[draw.__name__] = description
        return draw

    return register


def build(
    draw: Callable[..., Drawn], split: int, /, *, samples: int | None = None, noise: float = 0.0,
    seed: int | None = 0, **options: Any,
) -> Points:  # fmt: skip
    """Draw one split of a data set: what ``datasets[name].train`` and ``.test`` call, with ``draw`` and ``split``.

    Parameters
    ----------
    samples : int, optional
        Number of points, 1 or more. By default 1000 (of the digits all: 1000 for training, 797 for test).
    noise : float
        Standard deviation of the Gaussian noise added to X after labelling, in units of X; 0 or more.
    seed : int or None
        0 or more; equal seeds give equal points, others for training than for test. None draws new points each time.
    **options
        What the data set offers beyond these: ``dimension`` of ``"normal"``.
    """
    if samples is not None:
        options["samples"] = Whole(1).check("samples", samples)
    rng = np.random.default_rng(None if seed is None else [Whole(0).check("seed", seed), split])
    scale = Real(0).check("noise", noise)
    X, Y = draw(rng, **options)
    if scale:
        if X is Y:
            raise ValueError(f"noise must be 0 where the targets are the inputs themselves, got {noise!r}")
        X = X + scale * rng.standard_normal(X.shape)
    return Points(as_tensor(X.astype(np.float32)), as_tensor(Y.astype(np.float32)))


def one_hot(labels: NDArray[np.intp], classes: int = 2) -> Floats:
    """Targets of shape (n, 1) for two classes, one-hot of shape (n, classes) for more."""
    return labels[:, None].astype(float) if classes == 2 else np.eye(classes)[labels]


def halves(rng: np.random.Generator, samples: int) -> NDArray[np.intp]:
    """Labels 0 and 1, equally many of each, in a random order."""
    return rng.permutation(np.arange(samples) % 2)


def at(radius: Floats, angle: Floats) -> Floats:
    """Points (n, 2) by their polar coordinates."""
    points: Floats = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return points


@data_set(r"Given a point $\vec{x} \in [-1, 1]^2$: class 1 if $x_0 x_1 \geq 0$, class 0 otherwise.")
def signed_xor(rng: np.random.Generator, samples: int = 1000) -> Drawn:
    """Uniform points in a square; class 1 where both coordinates have one sign."""
    X = (rng.random((samples, 2)) - 0.5) * 2
    return X, (X[:, :1] * X[:, 1:] >= 0).astype(float)


@data_set(
    r"Given a point $\vec{x} \in \mathbb{R}^2$ drawn from one of two Gaussian clouds around $(-0.5, -0.5)$ and "
    r"$(0.5, 0.5)$: name the cloud."
)
def gaussian(rng: np.random.Generator, samples: int = 1000) -> Drawn:
    """Two Gaussian clouds of equal size, with a variance of 0.06 in each direction."""
    labels = halves(rng, samples)
    clouds = [rng.multivariate_normal((m, m), 0.06 * np.eye(2), samples, "ignore") for m in (-0.5, 0.5)]
    return np.stack(clouds)[labels, np.arange(samples)], one_hot(labels)


@data_set(r"Given $\vec{x} \sim N(0, I)$ in $\mathbb{R}^d$: give back $\vec{x}$ ($Y = X$, for idempotent nets).")
def normal(rng: np.random.Generator, samples: int = 1000, dimension: int = 5) -> Drawn:
    """Standard normal samples of any dimension; the target is the input."""
    X = rng.standard_normal((samples, Whole(1).check("dimension", dimension)))
    return X, X


@data_set(
    r"Given a point $\vec{x} \in \mathbb{R}^2$: class 1 on the outer ring ($r \approx 0.9$), "
    r"class 0 on the inner one ($r \approx 0.4$)."
)
def rings(rng: np.random.Generator, samples: int = 1000) -> Drawn:
    """Two rings around the origin, 0.2 thick."""
    labels = halves(rng, samples)
    radius = 0.4 + 0.5 * labels + rng.uniform(-0.1, 0.1, samples)
    return at(radius, rng.uniform(0, 2 * np.pi, samples)), one_hot(labels)


@data_set(
    r"Given a point $\vec{x} \in \mathbb{R}^2$ on one of two spirals that wind around each other: name the spiral."
)
def spirals(rng: np.random.Generator, samples: int = 1000) -> Drawn:
    """Two Archimedean spirals of 1.5 turns, half a turn apart."""
    labels = halves(rng, samples)
    radius = np.sqrt(rng.uniform(0.01, 1, samples))
    return at(radius, 3 * np.pi * radius + np.pi * labels), one_hot(labels)


@data_set(
    r"Given a point $\vec{x} \in [-1, 1]^2$ on a board of $4 \times 4$ squares: class 1 on the light squares, "
    r"class 0 on the dark."
)
def checkerboard(rng: np.random.Generator, samples: int = 1000) -> Drawn:
    """Uniform points on a checkerboard of 4 by 4; the corner at (-1, -1) is dark."""
    X = rng.uniform(-1, 1, (samples, 2))
    cells = np.floor((X + 1) * 2).astype(int)
    return X, one_hot(cells.sum(axis=1) % 2)


@data_set(r"Given a point $\vec{x} \in \mathbb{R}^2$ on one of two interleaved half circles: name the half circle.")
def moons(rng: np.random.Generator, samples: int = 1000) -> Drawn:
    """Two interleaved half circles, scaled to about [-1, 1]^2."""
    labels = halves(rng, samples)
    angle = rng.uniform(0, np.pi, samples)
    upper = np.stack([np.cos(angle) - 0.5, np.sin(angle) - 0.25], axis=1)
    return np.where(labels[:, None] == 0, upper, -upper) / 1.5, one_hot(labels)


@data_set(
    r"Given the $8 \times 8$ grey values $\vec{x} \in [0, 1]^{64}$ of a handwritten digit: name the digit "
    r"(ten classes, one-hot).",
    pools=True,
)
def digits(rng: np.random.Generator, samples: int | None = None, *, split: int) -> Drawn:
    """Handwritten digits that scikit-learn bundles (UCI, Alpaydin and Kaynak, 1998): 1000 to train, 797 held out."""
    from sklearn.datasets import load_digits  # a second to import, and no other data set needs it
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    pool = train_test_split(np.arange(len(labels)), train_size=1000, stratify=labels, random_state=0)[split]
    if samples is not None and samples > len(pool):
        raise ValueError(f"samples must be {len(pool)} or less for this split of the digits, got {samples}")
    chosen = rng.permutation(pool)[:samples]
    return images[chosen] / 16, one_hot(labels[chosen], 10)
