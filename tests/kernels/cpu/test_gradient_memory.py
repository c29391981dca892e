"""Memory that large gradients live in, step after step."""

from __future__ import annotations

import gc

import pytest
import torch

from torchghm.kernels.cpu import gradient_memory


@pytest.fixture
def small_is_large(monkeypatch):
    monkeypatch.setattr(gradient_memory, "LARGE", 1000)
    gradient_memory.release_memory()
    yield
    gradient_memory.release_memory()


def test_a_large_gradient_reuses_the_memory_of_the_last(small_is_large):
    like = torch.empty(40, 50, dtype=torch.bfloat16)
    first = gradient_memory.empty_gradient(like)
    assert first.shape == like.shape
    assert first.dtype == like.dtype
    assert first.is_contiguous()
    address = first.data_ptr()
    first.fill_(1)
    second = gradient_memory.empty_gradient(like)
    assert second.data_ptr() != address  # the first is still alive
    second.fill_(2)
    assert (first == 1).all()
    address = second.data_ptr()
    view = second[3:]
    del second
    third = gradient_memory.empty_gradient(like)
    assert third.data_ptr() != address  # a view keeps it alive
    address = third.data_ptr()
    del third, view
    gc.collect()
    assert gradient_memory.empty_gradient(like).data_ptr() == address
    assert gradient_memory.empty_gradient(like[:30]).data_ptr() == address
    larger = gradient_memory.empty_gradient(torch.empty(400, 50))
    larger.fill_(1)
    assert larger.shape == (400, 50)


def test_released_memory_stays_while_a_tensor_lives_in_it(small_is_large):
    tensor = gradient_memory.empty_gradient(torch.empty(2000)).fill_(7)
    gradient_memory.release_memory()
    assert (tensor == 7).all()
    del tensor
    assert gradient_memory.empty_gradient(torch.empty(2000)).shape == (2000,)


def test_small_gradients_are_ordinary_tensors():
    gradient_memory.release_memory()
    gradient_memory.empty_gradient(torch.empty(2000))
    assert not gradient_memory._kept
