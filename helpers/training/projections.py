"""A net that pulls images to a learned surface, and what tells such a projection from a look-up table.

A table that answers with the nearest image it knows is idempotent too. The Jacobian tells them apart: on a smooth
idempotent map it is a projector wherever n(x) = x, and its rank is the number of directions in which the surface
extends. A table is constant between its jumps.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from helpers.networks import layered_net
from helpers.options import Whole
from helpers.training.arguments import Factory, make_optimizer
from helpers.training.idempotent import Algorithm, Map, make_loss, numerical_rank

# From 64 grey values through 16 numbers back to 64: tanh inside, and a sigmoid at the end, for values of 0 to 1.
projection_net = partial(layered_net, [64, 128, 16, 128, 64], activation=nn.Tanh, normalize=False)


def train_projection(
    net: nn.Module, optimizer: Factory, steps: int, images: Tensor, *, reconstruction: float = 1.0,
    idempotence: float = 1.0, algorithm: Algorithm = Algorithm.ORDINARY, noise: float = 0.3, batch: int = 100,
    seed: int = 0,
) -> Iterator[float]:  # fmt: skip
    """Train a net to give images back, to clean noisy ones, and to be idempotent; a batch a step of this generator.

    With images x and z = x + noise, the loss is ``reconstruction`` times mean((n(x) - x)²) + mean((n(z) - x)²), plus
    ``idempotence`` times mean((n(n(z)) - n(z))²). The gradient of the last is that of the rule ``algorithm``, ORDINARY
    or MODIFIED; of the modified rule it is divided by n/2, so that equal weights count alike. The yielded loss is that
    before the step. The two weights are 0 or more, and one is not 0; ``noise`` is a standard deviation, in units of the
    images. Each of the ``steps`` takes ``batch`` images, drawn anew from the images (m, n) by the ``seed``.
    """
    Whole(1).check("steps", steps)
    if min(reconstruction, idempotence) < 0 or reconstruction + idempotence <= 0:
        raise ValueError("reconstruction and idempotence must be 0 or more, not both 0")
    if algorithm is Algorithm.ORDINARY_SCALED:
        raise ValueError("algorithm must be ORDINARY or MODIFIED: weights take the place of scales")
    criterion = make_loss(net, algorithm)
    weight = idempotence / (images.shape[1] / 2 if algorithm is Algorithm.MODIFIED else 1.0)
    learner = make_optimizer(optimizer, [p for p in net.parameters() if p.requires_grad])
    generator = torch.Generator().manual_seed(Whole(0).check("seed", seed))

    def run() -> Iterator[float]:
        for _ in range(steps):
            x = images[torch.randint(len(images), (batch,), generator=generator)]
            cleaned = net(x + noise * torch.randn(x.shape, generator=generator))
            loss = reconstruction * ((net(x) - x).square().mean() + (cleaned - x).square().mean())
            loss = loss + weight * criterion(cleaned) if weight else loss
            learner.zero_grad()
            loss.backward()
            learner.step()
            yield float(loss.detach())

    return run()


class MapMeasures(NamedTuple):
    """What tells maps of images apart; each a mean or median over unseen images x.

    The idempotent ``error`` mean((n(n(x)) - n(x))²); median distances of n(x) to x (``moved``) and to the nearest image
    that was trained on (``nearest``); median distances to the clean image of its noisy copy z, then of n(z), n(n(z))
    and n(n(n(z))) (``pulled``); the median of `local_rank`.
    """

    error: float
    moved: float
    nearest: float
    pulled: list[float]
    rank: float


def measure_map(
    f: Map, unseen: Tensor, known: Tensor, *, noise: float = 0.3, places: int = 20, seed: int = 0
) -> MapMeasures:
    """Measure a map of images, a net or any function of tensors, on unseen ones (m, n), beside the known ones (k, n).

    ``noise`` is the standard deviation of the copies' noise, drawn by ``seed``; the Jacobian is taken at the first
    ``places`` unseen images.
    """
    generator = torch.Generator().manual_seed(Whole(0).check("seed", seed))
    with torch.no_grad():
        y, z = f(unseen), unseen + noise * torch.randn(unseen.shape, generator=generator)
        pulled = []
        for _ in range(4):
            pulled.append(_typical(z - unseen))
            z = f(z)
        return MapMeasures(
            float((f(y) - y).square().mean()),
            _typical(y - unseen),
            float(torch.cdist(y, known).min(1).values.median()),
            pulled,
            float(local_rank(f, unseen[:places]).float().median()),
        )


def _typical(differences: Tensor) -> float:
    return float(torch.linalg.vector_norm(differences, dim=1).median())


def local_rank(f: Map, x: Tensor, h: float = 1e-3) -> Tensor:
    """Return the number of singular values above 1/2 of the Jacobian of ``f`` at each x (m, n): shape (m,).

    By central differences, so that a table, which has no graph, can be asked too.
    """
    moves = h * torch.eye(x.shape[1], dtype=x.dtype)
    ahead, behind = ((x[:, None] + sign * moves).flatten(0, 1) for sign in (1, -1))
    with torch.no_grad():
        slopes: Tensor = (f(ahead) - f(behind)) / (2 * h)
    return numerical_rank(slopes.unflatten(0, (len(x), -1)))
