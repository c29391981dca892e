"""Checks before a kernel reads memory: shapes, dtypes, and numbers side by side."""

from __future__ import annotations

import pytest
import torch

from torchghm.kernels.checks import check_examples, check_residual, check_table, packed

LOGITS = torch.zeros(6, 4)


def test_what_a_kernel_reads_is_contiguous_and_of_a_dtype_it_knows():
    logits, targets, weight = check_examples(
        torch.zeros(4, 6).T, torch.zeros(6, dtype=torch.uint8), torch.ones(6, dtype=torch.float64), "softmax"
    )
    assert logits.is_contiguous()
    assert targets.dtype == torch.int64
    assert weight.dtype == torch.float32


@pytest.mark.parametrize(
    ("logits", "targets", "weight", "argument"),
    [
        (torch.zeros(6), torch.zeros(6), None, "logits"),
        (LOGITS, torch.zeros(5, dtype=torch.int64), None, "targets"),
        (LOGITS, torch.zeros(6, 3), None, "targets"),
        (LOGITS, torch.zeros(6, dtype=torch.int64), torch.zeros(5), "weight"),
        (LOGITS, torch.zeros(6, dtype=torch.int64), torch.zeros(6, 4), "weight"),
        (LOGITS, torch.zeros(6, dtype=torch.int64, device="meta"), None, "targets"),
    ],
)
def test_examples_that_do_not_fit_are_named(logits, targets, weight, argument):
    with pytest.raises(ValueError, match=f"`{argument}`"):
        check_examples(logits, targets, weight, "softmax")


def test_targets_of_a_float_that_no_kernel_reads_are_a_type_error():
    with pytest.raises(TypeError, match=r"`targets`.*float8"):
        check_examples(LOGITS, torch.zeros(6, 4).to(torch.float8_e5m2), None, "sigmoid")


def test_a_residual_has_one_weight_a_coordinate():
    residual, weight = check_residual(torch.zeros(4, 3).T, torch.ones(4, 3).T)
    assert residual.is_contiguous()
    assert weight.is_contiguous()
    with pytest.raises(ValueError, match="`weight`"):
        check_residual(torch.zeros(3, 4), torch.ones(3))


@pytest.mark.parametrize("table", [torch.zeros(0), torch.zeros(2, 2), torch.zeros(3, device="meta")])
def test_a_table_holds_one_number_a_region_on_the_device_of_the_inputs(table):
    assert check_table(torch.arange(6.0)[::2], LOGITS).tolist() == [0, 2, 4]
    with pytest.raises(ValueError, match="`table`"):
        check_table(table, LOGITS)


def test_a_sign_that_is_still_to_come_is_written():
    negated = torch.tensor([1 + 2j]).conj().imag
    assert negated.is_neg()
    found = packed(negated)
    assert not found.is_neg()
    assert found.tolist() == [-2.0]
