"""The files that many names in annotations stand for, and how many of them are called otherwise."""

from __future__ import annotations

import filecmp
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from torchghm.data.folders.file_names import without_id
from torchghm.data.folders.folder import DataFolder
from torchghm.data.problems import FileError, Problem, examples


class FoundFiles:
    """Files by the names that the data have for them.

    A name that leads nowhere is looked for by looser rules (`DataFolder.named`), once all others have theirs: two names
    never stand for one file by these rules.

    Arguments:
        folder: the data.
        names: as the data have them.
        starts: folders that names may be relative to.
        anywhere: take the only file of that name in the whole folder of which this is true, too.
        alike: groups of folders among the starts, none of which is likelier than another of its group: a name that
            several have with different contents stands for none of them.

    Attributes:
        by_name: the file of each name that has one.
        missing: names without a file.
        ambiguous: names that several folders have with different contents, with two of the files.
        outside: of names that lead out of the folder, what is wrong with each.
        renamed: names that are not those of their files.
    """

    def __init__(
        self,
        folder: DataFolder,
        names: Iterable[str],
        starts: Sequence[str] = ("",),
        anywhere: Callable[[str], bool] | None = None,
        alike: Sequence[Sequence[str]] = (),
    ) -> None:
        self.folder = folder
        self.by_name: dict[str, str] = {}
        self.missing: list[str] = []
        self.ambiguous: dict[str, tuple[str, str]] = {}
        self.outside: list[str] = []
        self.renamed: list[str] = []
        others = []
        group_of = {start: [each for each in group if each in starts] for group in alike for start in group}
        for name in dict.fromkeys(names):
            found, start = None, ""
            for start in starts:
                try:
                    found = folder.file(name, start)
                except FileError:
                    break
                if found is not None:
                    break
            if found is None:
                others.append(name)
            else:
                self.by_name[name] = found
                self._compare(name, found, [each for each in group_of.get(start, ()) if each != start])
        taken = set(self.by_name.values())
        loosely: dict[str, str] = {}
        for name in others:
            try:
                found, _ = folder.named(name, starts, anywhere)
                if found is None and without_id(name) != name:
                    found, _ = folder.named(without_id(name), starts, anywhere)
            except FileError as error:
                self.outside.append(str(error))
                continue
            if found is None:
                self.missing.append(name)
            else:
                loosely[name] = found
        times: dict[str, int] = {}
        for found in loosely.values():
            times[found] = times.get(found, 0) + 1
        for name, found in loosely.items():
            if found in taken or times[found] > 1:
                self.missing.append(name)
            else:
                self.by_name[name] = found
                self.renamed.append(name)

    def _compare(self, name: str, found: str, starts: Sequence[str]) -> None:
        for start in starts:
            other = self.folder.file(name, start)
            if other is not None and other != found and not _are_equal(self.folder.root, found, other):
                self.ambiguous[name] = (found, other)
                return

    def report(self, file: str, where: str, problems: list[Problem]) -> None:
        """Add what is wrong with the names in an annotation file to the problems.

        Arguments:
            file: the annotation file.
            where: words that say where they were looked for ("of 'train'").
            problems: so far.
        """
        for what, found in (("path-outside", self.outside), ("missing-image", [repr(name) for name in self.missing])):
            if found:
                problems.append(Problem(file, what, f"{len(found)} {where}: {examples(found)}", len(found)))
        if self.ambiguous:
            shown = examples(f"{name!r} can be {' or '.join(files)}" for name, files in self.ambiguous.items())
            detail = f"{len(self.ambiguous)}, with different contents: {shown}; name the folders, too"
            problems.append(Problem(file, "ambiguous-image", detail, len(self.ambiguous)))
        if self.renamed:
            shown = examples(f"{name!r} is {self.by_name[name]!r}" for name in self.renamed)
            problems.append(Problem(file, "file-by-other-name", f"{len(self.renamed)}: {shown}", len(self.renamed)))


def _are_equal(root: Path, first: str, second: str) -> bool:
    try:
        return filecmp.cmp(root / first, root / second, shallow=False)
    except OSError:
        return False
