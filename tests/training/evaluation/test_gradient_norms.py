import numpy as np
from tests.data.layouts import CLASSES


def test_gradient_norms_count_every_example(trained, tiny_data):
    counts = np.load(trained.folder.gradient_norms)
    assert all(counts[name].dtype == np.float64 for name in counts)
    assert (
        counts["cls_positive"].shape == counts["cls_negative"].shape == counts["box_residual_counts"].shape == (1000,)
    )
    edges = counts["box_residual_edges"]
    assert edges.shape == (1001,)
    assert edges[0] == 0
    assert (np.diff(edges) > 0).all()
    # Every positive anchor is a positive example of one class, and has four residuals.
    assert counts["box_residual_counts"].sum() == 4 * counts["cls_positive"].sum() > 0
    anchors = 9 * (8 * 8 + 4 * 4 + 2 * 2 + 1 + 1)
    assert 0.8 < (counts["cls_negative"].sum() + counts["cls_positive"].sum()) / (4 * anchors * len(CLASSES)) <= 1
    assert (counts["bins_cls"], counts["bins_box"]) == (30, 10)
    assert all(counts[f"{of}_max_weight"] == 1 for of in ("cls", "box"))
    assert not any(counts[f"{of}_{option}"] for of in ("cls", "box") for option in ("by_regions", "exact"))
    assert np.isnan(counts["delta"])
    residual = counts["box_residual_counts"].cumsum()
    median = np.interp(residual[-1] / 2, residual, edges[1:])
    assert median / 2 < counts["mu"] < 2 * median  # of training batches so far, and of the trained model
    assert np.isnan(counts["focal_gamma"])
    assert np.isnan(counts["focal_alpha"])
