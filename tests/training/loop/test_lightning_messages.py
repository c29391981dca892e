import logging
import warnings

import pytest
from lightning.fabric.utilities.warnings import PossibleUserWarning

from torchghm.training.loop.lightning_messages import without_lightning_messages


def test_lightnings_advice_is_silent_and_other_warnings_are_not():
    logger = logging.getLogger("lightning.pytorch")
    before = logger.level
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with without_lightning_messages():
            assert not logger.isEnabledFor(logging.WARNING)
            warnings.warn("use more workers", PossibleUserWarning, stacklevel=1)
            warnings.warn("of the user's own", UserWarning, stacklevel=1)
        warnings.warn("afterwards", PossibleUserWarning, stacklevel=1)
    assert [str(warning.message) for warning in seen] == ["of the user's own", "afterwards"]
    assert logger.level == before


def test_an_error_inside_leaves_the_levels_as_they_were():
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    before = [logger.level for logger in loggers]
    with pytest.raises(KeyError), without_lightning_messages():
        raise KeyError
    assert [logger.level for logger in loggers] == before
