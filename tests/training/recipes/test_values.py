import pytest

from torchghm.training.recipes.values import nested, read_assignments


def test_assignments_are_yaml():
    values = read_assignments(["optimizer.lr=1e-3", "data.image_size=[64, 85]", "model.weights=none", "a.b=null"])
    assert values == {"optimizer.lr": 0.001, "data.image_size": [64, 85], "model.weights": "none", "a.b": None}
    assert nested(values)["a"] == {"b": None}


@pytest.mark.parametrize("assignment", ["optimizer.lr", "=3", "a=["])
def test_bad_assignments_are_shown(assignment):
    with pytest.raises(ValueError) as error:
        read_assignments([assignment])
    assert assignment in str(error.value)
