import json

import pytest
import torch
from tests.training.tiny import TINY

from torchghm.training import load_recipe, train
from torchghm.training.run_folder import PACKAGES, RunFolder


def test_the_recipe_and_the_versions_are_kept(trained):
    assert load_recipe(trained.folder.recipe) == TINY
    versions = json.loads(trained.folder.versions.read_text())
    assert set(versions) == {"torchghm", *PACKAGES, "python", "platform", "device"}
    assert versions["device"] == "cpu"
    assert versions["torch"].startswith(torch.__version__.split("+")[0])


def test_another_run_is_not_overwritten_unasked(trained, tiny_data):
    with pytest.raises(FileExistsError, match=r"holds another run.*--resume.*--overwrite"):
        train(tiny_data, recipe=TINY, out=trained.folder.path, progress=False)


def test_other_files_are_never_overwritten(tiny_data, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match="is not empty and holds no run"):
            train(tiny_data, recipe=TINY, out=tmp_path, overwrite=overwrite, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_run_is_not_resumed_with_another_recipe(trained, tiny_data):
    with pytest.raises(ValueError, match=r"another recipe: optimizer.lr was 0.0005 and is 0.1"):
        train(tiny_data, recipe=TINY.with_values({"optimizer.lr": 0.1}), out=trained.folder.path, resume=True)


def test_what_a_killed_process_left_behind_is_removed(tmp_path):
    folder = RunFolder(tmp_path)
    folder.prepare(TINY, "cpu")
    folder.checkpoints.mkdir()
    for name in (".last.ckpt.123", "last.ckpt"):
        (folder.checkpoints / name).touch()
    (folder.path / ".results.json.7").touch()
    folder.prepare(TINY, "cpu", resume=True)
    assert [path.name for path in folder.checkpoints.iterdir()] == ["last.ckpt"]
    assert sorted(path.name for path in folder.path.iterdir()) == ["checkpoints", "recipe.yaml", "versions.json"]


def test_a_folder_with_a_recipe_of_its_owner_is_no_run(tiny_data, tmp_path):
    (tmp_path / "recipe.yaml").write_text("name: mine\n")
    (tmp_path / "samples").mkdir()
    for arguments in ({"overwrite": True}, {"resume": True}):
        with pytest.raises(FileExistsError, match="holds no run"):
            train(tiny_data, recipe=TINY, out=tmp_path, progress=False, **arguments)
    assert (tmp_path / "recipe.yaml").read_text() == "name: mine\n"
    assert (tmp_path / "samples").is_dir()


def test_overwriting_a_run_removes_all_of_it(tmp_path):
    folder = RunFolder(tmp_path)
    folder.prepare(TINY, "cpu")
    for file in (folder.page, folder.results, folder.class_metrics):
        file.write_text("{}")
    folder.prepare(TINY, "cpu")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recipe.yaml", "versions.json"]


@pytest.mark.parametrize("content", ["{}", "[]", "{", '{"cls": "ce"}', "[" * 100_000])
def test_results_that_are_something_else_are_named(tmp_path, content):
    folder = RunFolder(tmp_path)
    folder.results.write_text(content)
    with pytest.raises(ValueError, match=r"results\.json' (can't be read|to hold cls, box, seed, split)"):
        folder.read_results()
