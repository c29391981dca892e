"""The files that many names in annotations stand for, and how many of them are called otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

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

    Attributes:
        by_name: the file of each name that has one.
        missing: names without a file.
        outside: of names that lead out of the folder, what is wrong with each.
        renamed: names that are not those of their files.
    """

    def __init__(
        self,
        folder: DataFolder,
        names: Iterable[str],
        starts: Sequence[str] = ("",),
        anywhere: Callable[[str], bool] | None = None,
    ) -> None:
        self.by_name: dict[str, str] = {}
        self.missing: list[str] = []
        self.outside: list[str] = []
        self.renamed: list[str] = []
        others = []
        for name in dict.fromkeys(names):
            found = None
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
        taken = set(self.by_name.values())
        loosely: dict[str, str] = {}
        for name in others:
            try:
                found, _ = folder.named(name, starts, anywhere)
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
        if self.renamed:
            shown = examples(f"{name!r} is {self.by_name[name]!r}" for name in self.renamed)
            problems.append(Problem(file, "file-by-other-name", f"{len(self.renamed)}: {shown}", len(self.renamed)))
