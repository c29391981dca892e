"""Every kind of problem that a data set can have: how bad it is, what it means, what to do about it."""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of problem.

    Attributes:
        fatal: the data cannot be used before it is repaired; any other kind has been dealt with.
        meaning: what is wrong, and what was done about it.
        remedy: what to do.
        note: nothing is lost or doubtful; `strict` lets it pass.
        drops: objects are lost, so that a split may be left without any.
    """

    fatal: bool
    meaning: str
    remedy: str
    note: bool = False
    drops: bool = False

    @property
    def severity(self) -> str:
        """`error`, `warning` or `note`."""
        return "error" if self.fatal else "note" if self.note else "warning"


def _error(meaning: str, remedy: str) -> Kind:
    return Kind(True, meaning, remedy)


def _warning(meaning: str, remedy: str) -> Kind:
    return Kind(False, meaning, remedy)


def _dropped(meaning: str, remedy: str) -> Kind:
    return Kind(False, f"{meaning}, dropped", remedy, drops=True)


def _note(meaning: str, remedy: str = "nothing") -> Kind:
    return Kind(False, meaning, remedy, note=True)


_SAY_BOXES = (
    "write them as the layout has them, or say what they are with --boxes, in training --set data.boxes=...: xyxy, "
    "xywh or cxcywh, with -pixels or -fractions"
)


KINDS: dict[str, Kind] = {
    # The folder and its files
    "unusable-folder": _error("the folder cannot be read as a data set", "one of the layouts in docs/data.md"),
    "malformed-annotations": _error("the annotation file cannot be read", "repair what the message names"),
    "missing-annotations": _error("a listed image has no annotation file", "add the file, or strike the image off"),
    "missing-image": _error("an annotated image is not there", "add the image, or strike it off"),
    "ambiguous-image": _error("several images could be the annotated one", "rename all but one of them"),
    "unreadable-image": _error("an image cannot be decoded", "convert it, or remove it and its annotations"),
    "unusable-shard": _error(
        "a tar shard is missing, or is not the one that its index was made for", "make the shards anew"
    ),
    "size-mismatch": _error(
        "the annotation states another image size than the image has", "annotate the image as it is now"
    ),
    "path-outside": _error("a name leads out of the data folder", "put the file into the data folder"),
    "unknown-category": _error("an object has a category that is not defined", "define it, or count from 0"),
    "duplicate-category": _error("two categories share an id", "give each an id of its own"),
    "class-lists-contradict": _error(
        "two statements of the class names give a class different numbers", "delete the wrong one, or write both alike"
    ),
    "splits-contradict": _error("two statements put an image into different splits", "remove one of them"),
    "duplicate-split": _error("two lists of images are of one split", "join them, or rename one"),
    "duplicate-annotations": _error(
        "two annotation files are of one image, with different objects", "remove the one that is not right"
    ),
    "duplicate-image-id": _error("two images share an id", "give each an id of its own"),
    "missing-labels": _error(
        "more than a few images have no label file: nobody has said that there is nothing to see in them",
        "put the label files where they belong, or say --unlabelled background, in training --set "
        "data.unlabelled=background",
    ),
    "boxes-look-like-corners": _error("boxes that should be a place and sides look like corners", _SAY_BOXES),
    "boxes-unlike-masks": _error(
        "most boxes are elsewhere than the masks of their objects, as if one was scaled",
        "write both in pixels of the images, or say what the boxes are with --boxes",
    ),
    "boxes-look-like-sides": _error("boxes that should be corners look like a corner and sides", _SAY_BOXES),
    "boxes-stick-out": _error("boxes stick out of their image that would fit in another form", _SAY_BOXES),
    "boxes-of-another-size": _error(
        "most boxes stick out of their image, as if drawn on a larger one",
        "scale them to the images that are there, or say what they are with --boxes",
    ),
    "axes-look-exchanged": _error(
        "boxes whose x and y look exchanged", "write x before y, and width before height; if they are right say --boxes"
    ),
    "boxes-look-like-fractions": _error("boxes that should be in pixels look like fractions", _SAY_BOXES),
    "boxes-look-like-percent": _error(
        "boxes that should be in pixels look like percent or thousandths of their image",
        "write them in pixels; if they are right say --boxes",
    ),
    "boxes-look-like-pixels": _error("boxes that should be fractions look like pixels", _SAY_BOXES),
    "shapes-not-read": _error(
        "shapes that the converter does not read, which would become background", "draw boxes, or export COCO"
    ),
    "all-crowds": _error(
        "every object is a crowd, which is not learned",
        "if each is one object say --crowds objects, in training --set data.crowds=objects",
    ),
    "no-training-boxes": _error("there is no box at all to train with", "see the other problems"),
    "not-trainable": _error(
        "training needs boxes in 'train' to learn from, and in 'val' to be judged by", "add the split"
    ),
    # Splits and images
    "no-boxes": _warning("a split has no box at all: AP cannot be measured on it", "see the other problems"),
    "absent-split": _warning("a split that is named is not there, left out", "add it, or strike it off"),
    "splits-differ": _warning(
        "images whose file or folder is called after another split than the stated one, which is followed",
        "none, if that is so",
    ),
    "split-of-the-rest": _warning(
        "images in no folder of a split, where others are in one for validation, taken to train with",
        "move them into train/",
    ),
    "split-by-other-name": _note("a folder of a less usual name is taken for the split for validation"),
    "unlabelled-split": _warning("a split without any label file, left out", "add the label files"),
    "unread-files": _warning(
        "lists or folders that look like splits, or like parts of one, are not read", "name them as the layout does"
    ),
    "folds-not-read": _warning(
        "images have numbers of folds or sets, by which no split is drawn",
        "write the split of each: train, val or test",
    ),
    "shared-image": _warning("an image is in more than one split", "take it out of one of them"),
    "repeated-image": _warning(
        "an image is listed twice in one split, taken once with all its objects", "list it once"
    ),
    "unlabelled-image": _warning(
        "images without a label file, taken for images with nothing to see", "add an empty file for each such image"
    ),
    "background-image": _note("images without a label file, which were said to have nothing to see"),
    "image-left-out": _warning("images all of whose objects were dropped, left out", "repair their objects"),
    "undecoded-image": _warning("images of a kind that is not decoded, left out", "convert them to JPEG or PNG"),
    "images-of-one-name": _warning(
        "images of one name and different kinds, of which <filename> names one, the others left out",
        "rename all but one",
    ),
    "shared-labels": _warning("images of one name and different kinds share their labels", "rename all but one"),
    "annotation-without-image": _warning("objects of an image that is not listed, dropped", "add the image"),
    "unlisted-annotations": _warning(
        "annotation files that no list of a split names, or in a folder of a free name and of no image, or of one that "
        "has another already, left out",
        "list them, or delete them",
    ),
    "unread-annotations": _warning(
        "images that are left out, with annotation files in another layout, or in a folder that no split has",
        "list them, or convert them to the layout of the others",
    ),
    "other-layout": _note("annotations in another layout, too, which are not read", "delete those that are left over"),
    "unlisted-image": _note("images that no annotation and no list names, left out", "annotate them, or nothing"),
    "unusual-suffix": _note("images whose names end in a way that some tools do not know, read all the same"),
    # Names
    "file-by-other-name": _note("files that are called a little otherwise than the data say, found all the same"),
    "labels-elsewhere": _warning(
        "label or annotation files in another folder than the usual one, taken", "none, if they are the right ones"
    ),
    "other-filename": _warning(
        "files whose <filename> or imagePath is that of another image, taken by their own name",
        "write the right name, or rename the file",
    ),
    "class-lists-differ": _warning(
        "class lists with different names, of which settings and what lies beside the label files are followed",
        "delete those that are left over",
    ),
    "class-names-unclear": _warning(
        "classes that are numbers, beside a list of names that leaves open which is which, left as they are",
        "write the number before each name",
    ),
    "class-names-beside": _note("classes that are numbers or codes, called as a list beside them has it"),
    "ids-of-other-type": _note("ids of different types, equal as numbers"),
    "repeated-category-name": _warning("categories of the same name are taken as one class", "rename one"),
    "similar-class-names": _warning(
        "classes whose names differ by blanks, case or how accents are written alone", "spell them alike"
    ),
    # Objects
    "class-of-crowds": _warning(
        "a class most of whose objects are crowds or difficult, which are not learned",
        "say --crowds objects, if they are objects",
    ),
    "class-not-in-train": _warning(
        "a class with objects to judge by and none to train with, so that nothing of it is learned",
        "move some into train, or spell it as train does",
    ),
    "class-of-no-object": _warning(
        "objects of a class that is called as if it were none, learned all the same",
        "strike them off, or mark them as crowds",
    ),
    "first-class-unused": _warning(
        "every class but the first has objects, as if classes were counted from 1", "count from 0, if that is so"
    ),
    "duplicate-object": _warning("objects listed again with the same class and box, dropped", "list each once"),
    "repeated-annotation": _warning("objects listed again with the same id and all else, dropped", "list each once"),
    "parts-joined": _warning(
        "polygons of one class and group, taken as one object with the box around them",
        "none, if groups are the parts of objects",
    ),
    "corners-swapped": _warning("boxes whose corners are exchanged, put in order", "none, if the count is right"),
    "box-from-mask": _warning("objects without a box, whose mask has one, taken", "none, if the count is right"),
    "box-in-other-form": _warning("boxes written in another way, read all the same", "none, if the count is right"),
    "line-in-other-form": _warning("lines written in another way, read all the same", "none, if the count is right"),
    "columns-told": _warning("lines with more than a box, of which the box is taken", "check what they are taken for"),
    "box-clipped": _warning("boxes partly outside their image, clipped to it", "none, if the count is small"),
    "box-below-a-pixel-wide": _warning(
        "boxes that are not a pixel wide or high: nothing can be learned from them",
        "draw them again, or strike them off",
    ),
    "box-missing": _dropped("objects without a box", "add the box"),
    "box-incomplete": _dropped("boxes that lack a coordinate; what is known of their place is masked", "complete them"),
    "box-not-numbers": _dropped("boxes that are not four numbers", "write four numbers"),
    "line-not-numbers": _dropped("lines with something else than numbers", "write numbers"),
    "line-of-unknown-columns": _dropped("lines whose numbers are not known to be a box", "write class and box"),
    "box-not-finite": _dropped("boxes with NaN or infinite coordinates", "repair them"),
    "box-without-area": _dropped("boxes of zero width or height", "repair them"),
    "box-below-a-pixel": _dropped("boxes within the first pixel of their image, perhaps fractions", "write pixels"),
    "box-outside": Kind(False, "boxes wholly outside their image, dropped", "repair them", drops=True),
    "box-not-normalised": _dropped("boxes whose coordinates are not in 0..1", "repair them"),
}
"""By a stable name. An error makes the data unusable; a warning or a note has been dealt with."""
