"""What all tests share: one thread (tiny nets are faster on one), the same examples in every run, and small data."""

from __future__ import annotations

import hypothesis
import pytest
import torch

from helpers.datasets import Points, datasets

# For new examples: `pytest --hypothesis-profile=default --hypothesis-seed=1`.
hypothesis.settings.register_profile("same examples", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("same examples")


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def xor() -> Points:
    return datasets["signed_xor"].train(samples=60, seed=3)


@pytest.fixture
def batches(xor: Points) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return list(zip(xor.X.split(20), xor.Y.split(20)))
