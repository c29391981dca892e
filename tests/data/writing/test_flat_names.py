from torchghm.data.writing.flat_names import flat_names


def test_names_without_folders_and_without_repetition():
    names = ["a/1.jpg", "b/1.png", "c/1.jpg", "1.jpg", "x/A.jpg", "y/a.jpg", "a/1.jpg"]
    found = flat_names(names)
    assert found["a/1.jpg"] == "1.jpg"
    assert found["b/1.png"] == "b__1.png"
    assert found["y/a.jpg"] == "y__a.jpg"
    stems = [name.rpartition(".")[0].casefold() for name in found.values()]
    assert len(set(stems)) == len(found) == 6
