"""Headings and captions of the page's sections: what a newcomer should look at, in one to three sentences."""

DIFFERENCES = (
    "Difference to the baseline",
    "Each point is the mean over seeds of a method's AP minus the baseline's with the same seed; its line is the 95% "
    "interval. Look at whether the line crosses 0: if it does, these seeds do not tell the two methods apart.",
)
DIFFERENCES_OF_ONE_SEED = (
    DIFFERENCES[0],
    "Each point is the difference of a single run to a single run. Without more seeds nobody can say how much of it "
    "is chance.",
)
AVERAGE_PRECISION = (
    "Average precision over training",
    "Average precision on the validation images after each epoch. Look at how soon a line rises, and whether it still "
    "rises at the end: then more epochs would change the result.",
)
PER_CLASS = (
    "Average precision by class",
    "In brackets, how many boxes a class has there: the fewer, the less its AP says. Look at the rare and the small "
    "classes: a loss that re-balances examples should help there first.",
)
LOSSES = (
    "Is it learning?",
    "Coloured: the loss that was minimised; dashed: the plain loss, the same examples without weights. Each is divided "
    "by its first value, because the one is a mean over positives and the other over all examples. The value of a "
    "harmonized loss says little: each region's mean loss is pinned by its range of gradient norm. Whether the model "
    "learns shows in the plain loss: look at whether the dashed line falls.",
)
NORMS_CLS = (
    "Where the examples are: classification",
    "How many examples (pairs of an anchor and a class) of the trained model have which gradient norm g = |p − p*|: "
    "0 is right, 1 is completely wrong, and easy negatives outnumber all others (note the logarithmic scale). Look "
    "at the right end: a bump there is the outliers, objects that the model denies, or sees where the labels have "
    "none.",
)
REWEIGHTED_CLS = (
    "What each loss makes of a gradient: classification",
    "The gradient that each loss gives an example of gradient norm g, scaled so that all losses have the same total "
    "over this model's examples (focal without its α); dashed is cross entropy, which leaves g as it is. Where a "
    "curve lies above it, the loss amplifies such examples, below, it quiets them. Focal always quiets the easy "
    "end, GHM-C whatever is crowded, at either end.",
)
SHARES = (
    "Who carries the gradient",
    "Each unit region's share of a loss's gradient (lines) over its share of the examples (grey), both logarithmic. "
    "As published GHM-C gives a region of ten examples as much weight as one of a million: its line stays level while "
    "the crowd falls away, so on small data a handful of examples decides where the model goes. With weights of at "
    "most 1, the default, only the crowd is quieted. Compare the effective numbers of examples below: the fewer share "
    "the gradient, the noisier the training.",
)
NORMS_BOX = (
    "Where the examples are: box regression",
    "How many box coordinates of positive anchors have which gradient norm g = |d| / √(d² + μ²) of ASL1, with d the "
    "residual; on the left are boxes that already fit. Look at the right end: coordinates far off, among them the "
    "outliers that smooth L1 can't tell from hard examples.",
)
REWEIGHTED_BOX = (
    "What each loss makes of a gradient: box regression",
    "The gradient that each box loss gives a coordinate, scaled to the same total over this model's residuals; "
    "dashed is ASL1, which leaves its gradient norm as it is, and the upper axis gives the residual. Look at the "
    "right end: a crowd of large residuals is quieted by GHM-R, here with the run's own options and as published "
    "without a cap; smooth L1 gives them its full strength.",
)
WEIGHTS = (
    "Harmonizing weights over training",
    "The harmonizing weight β of each unit region (a range of gradient norm g) over the epochs: white is 1, as in "
    "the plain loss, orange regions are crowded and quieted, purple ones sparse and amplified, grey ones empty. "
    "Look for weights in the hundreds, or that change from epoch to epoch: there, few examples steer the training.",
)
REGRESSION_LOSSES = (
    "The box losses themselves",
    "The two box losses (solid) and their gradient norms (dashed). Beyond δ smooth L1 is a straight line: every "
    "larger residual has the gradient 1, and an outlier looks like any hard example. ASL1's gradient norm keeps "
    "growing with the residual, which is how GHM-R sees how many residuals are how large.",
)
SAMPLES = (
    "Sample images",
    "Evaluation images, with predictions of score {threshold:g} or more. Blue: found, the box overlaps a label of "
    "its class by at least half (IoU 0.5); orange: a prediction that matches no label; yellow, dashed: a label that "
    "was missed. An orange box on a real object is a missing label, not a mistake of the model.",
)
THRESHOLDS = (
    "Which threshold to deploy",
    "Precision, recall and F1 on {split}; each threshold is the one with the largest F1 on {chosen_on}. A detection is "
    "right that overlaps an object of its class by half (IoU 0.5), each object once, the highest score first. Look at "
    "how flat F1 is around the threshold: the flatter, the less the choice matters. Calibration: on the dashed line a "
    "score is the probability that the detection is right.",
)
ERRORS = (
    "What kinds of errors",
    "On {split}, detections of score {threshold:.2f} or more. Wrong class: half or more on an object of another class; "
    "badly placed: on an object of its class by less than half; duplicate: on one that was found already; missed: an "
    "object that none of these explains. In the matrix, a row is a true class, its colours are shares of the row.",
)
WORST_IMAGES = (
    "The images with most errors",
    "Predictions of score {threshold:.2f} or more. Blue: found; orange: wrong; yellow, dashed: missed. Look for labels "
    "that are wrong or missing before you blame the model.",
)
GRADIENTS = (
    "Gradients, for the curious",
    "Where the trained model's examples are, and what each loss makes of them.",
)
GLOSSARY = (
    ("AP", "average precision in points (0 to 100), mean over IoU thresholds from 0.5 to 0.95"),
    ("AP50, AP75", "the same at an IoU of 0.5, of 0.75"),
    ("IoU", "intersection over union: how well two boxes overlap, from 0 to 1"),
    ("precision, recall", "part of the detections that is right; part of the objects that is found"),
    ("F1", "2 × precision × recall / (precision + recall)"),
    ("threshold", "lowest score of a detection that counts"),
    ("anchor", "a place and size at which a detector looks for an object"),
    ("example", "a pair of an anchor and a class; for boxes, one of the four coordinates of an anchor with an object"),
    ("positive", "an anchor that holds an object, for the object's class"),
    ("gradient norm g", "how wrong an example is: |p − p*| for classes, |d| / √(d² + μ²) for boxes"),
    ("unit region", "one of the M equal parts of the range of g"),
    ("gradient density", "how many examples have about the same g"),
    ("harmonizing weight β", "what GHM multiplies an example's loss by: less where the density is high"),
    ("seed", "number from which initialisation, order of the images and augmentation follow"),
    ("95 % interval", "range that holds the true mean difference for 95 of 100 such comparisons"),
)
"""Terms of the page, a line each."""
