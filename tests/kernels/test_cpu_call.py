"""How kernels are called: threads, chunks, compilation, and the memory that gradients live in."""

from __future__ import annotations

import ctypes
import gc
import itertools
import os
import signal
import threading
import time

import numba
import pytest
import torch
from tests.kernels.batches import random_examples, threads_and_chunks

from torchghm.kernels import cpu, cpu_call, cpu_memory, cpu_residual, cpu_threads


def passes(inputs, regions=30):
    table = torch.linspace(1, 2, regions, dtype=torch.float64)
    return (
        cpu.classification_histogram(*inputs, regions, "sigmoid", -100, False),
        *cpu.classification_loss_and_gradient(*inputs, table, "sigmoid", -100, False),
    )


@pytest.fixture
def inputs():
    return random_examples(
        1, activation="sigmoid", rows=500, classes=80, dtype=torch.float32, soft=False, weight="none"
    )


@pytest.mark.parametrize(
    ("count", "numbers", "multiple"),
    [(0, 1, 1024), (1, 1, 1024), (10**6, 1, 1024), (2**40, 1, 1024), (65_536, 1000, 1)],
)
def test_chunks_cover_everything(count, numbers, multiple):
    chunks, size = cpu_call.chunking(count, numbers, multiple)
    assert size % multiple == 0
    assert (chunks - 1) * size < count <= chunks * size or count == chunks == 0
    assert chunks <= cpu_call.MAX_CHUNKS


@pytest.mark.parametrize("count", [65_536, 65_537, 131_073, 140_000, 262_145, 400_000, 10**6, 3 * 10**7])
def test_chunks_are_even_and_as_many_for_two_threads_and_four(count):
    chunks, size = cpu_call.chunking(count, 1, 512)
    assert chunks in (1, 2) or chunks % 4 == 0
    assert (chunks == 1) == (count <= cpu_call.MIN_CHUNK)
    last = count - (chunks - 1) * size
    assert size - last < 512 * chunks  # what is left over once each chunk is a multiple


def test_without_openmp_python_threads_do_the_same(inputs, monkeypatch):
    with threads_and_chunks(3, chunk=1024):
        expected = passes(inputs)
        with monkeypatch.context() as without:
            without.setattr(ctypes, "CDLL", lambda path: object())  # a library without OpenMP
            assert cpu_threads.openmp_team.__wrapped__() == 0
        monkeypatch.setattr(cpu_call, "openmp_team", lambda: 0)
        start, started = threading.Thread.start, []
        monkeypatch.setattr(threading.Thread, "start", lambda thread: started.append(thread) or start(thread))
        for one, other in zip(passes(inputs), expected, strict=True):
            assert torch.equal(one, other)
    assert len(started) == 2 * 3  # for two passes, each on one apart and two more


@pytest.mark.parametrize("allowed", [[False], [True, False], [True, True, False]])
def test_without_openmp_and_without_a_thread_to_spare_the_same(inputs, monkeypatch, allowed):
    with threads_and_chunks(3, chunk=1024):
        expected = passes(inputs)
        monkeypatch.setattr(cpu_call, "openmp_team", lambda: 0)
        start, answers = threading.Thread.start, itertools.cycle(allowed)

        def start_if_allowed(thread):
            if not next(answers):
                raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", start_if_allowed)
        for one, other in zip(passes(inputs), expected, strict=True):
            assert torch.equal(one, other)


def test_without_openmp_what_a_signal_raises_comes_after_the_kernels():
    interrupted, called = threading.Event(), []

    def interrupt(*_):
        interrupted.set()
        raise SystemExit("asked to end")

    def kernel(address):
        time.sleep(0.2)  # until the other thread waits
        os.kill(os.getpid(), signal.SIGUSR1)
        called.append((interrupted.wait(60), address))

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(SystemExit, match="asked to end"):
            cpu_threads.call_apart(kernel, 5)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert called == [(True, 5)]


def test_called_from_many_threads_at_once(inputs):
    expected = passes(inputs)
    results = []
    with threads_and_chunks(2, chunk=1024):
        threads = [threading.Thread(target=lambda: results.append(passes(inputs))) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(results) == 6
    for result in results:
        assert torch.equal(result[0], expected[0])
        assert torch.equal(result[3], expected[3])


def test_compiled_once_where_no_folder_can_be_written(monkeypatch):
    def cfunc(signature, cache=False):
        if cache:
            raise RuntimeError("cannot cache function 'f': no locator available for file 'f.py'")
        return numba.cfunc(signature)

    monkeypatch.setattr(cpu_call, "cfunc", cfunc)
    kernel = cpu_call.compile_kernel.__wrapped__(cpu_residual.histogram_float32)
    residual, sums = torch.tensor([0.0, 5.0]), torch.empty(4, dtype=torch.float64)
    counter = ctypes.c_int64(0)
    arguments = cpu_call.Arguments(
        counter=ctypes.addressof(counter),
        chunks=1,
        chunk_size=1024,
        logits=residual.data_ptr(),
        rows=2,
        regions=2,
        sums=sums.data_ptr(),
        width=4,
        mu=0.02,
    )
    kernel.call(ctypes.addressof(arguments))
    assert sums.tolist() == [1, 1, 0, 0]


def test_other_errors_of_the_compiler_are_not_hidden(monkeypatch):
    def cfunc(signature, cache=False):
        raise RuntimeError("something else")

    monkeypatch.setattr(cpu_call, "cfunc", cfunc)
    with pytest.raises(RuntimeError, match="something else"):
        cpu_call.compile_kernel.__wrapped__(cpu_residual.histogram_float32)


def test_a_second_process_finds_the_compiled_kernel(inputs):
    passes(inputs)
    kernel = cpu_call.compile_kernel.__wrapped__(cpu.cpu_sigmoid.histogram_float32)
    assert kernel.function.cache_hits == 1


@pytest.fixture
def small_is_large(monkeypatch):
    monkeypatch.setattr(cpu_memory, "LARGE", 1000)
    cpu_memory.release_memory()
    yield
    cpu_memory.release_memory()


def test_a_large_gradient_reuses_the_memory_of_the_last(small_is_large):
    like = torch.empty(40, 50, dtype=torch.bfloat16)
    first = cpu_memory.empty_gradient(like)
    assert first.shape == like.shape
    assert first.dtype == like.dtype
    assert first.is_contiguous()
    address = first.data_ptr()
    first.fill_(1)
    second = cpu_memory.empty_gradient(like)
    assert second.data_ptr() != address  # the first is still alive
    second.fill_(2)
    assert (first == 1).all()
    address = second.data_ptr()
    view = second[3:]
    del second
    third = cpu_memory.empty_gradient(like)
    assert third.data_ptr() != address  # a view keeps it alive
    address = third.data_ptr()
    del third, view
    gc.collect()
    assert cpu_memory.empty_gradient(like).data_ptr() == address
    assert cpu_memory.empty_gradient(like[:30]).data_ptr() == address
    larger = cpu_memory.empty_gradient(torch.empty(400, 50))
    larger.fill_(1)
    assert larger.shape == (400, 50)


def test_released_memory_stays_while_a_tensor_lives_in_it(small_is_large):
    tensor = cpu_memory.empty_gradient(torch.empty(2000)).fill_(7)
    cpu_memory.release_memory()
    assert (tensor == 7).all()
    del tensor
    assert cpu_memory.empty_gradient(torch.empty(2000)).shape == (2000,)


def test_small_gradients_are_ordinary_tensors():
    cpu_memory.release_memory()
    cpu_memory.empty_gradient(torch.empty(2000))
    assert not cpu_memory._kept
