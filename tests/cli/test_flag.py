"""`flag`: fitting, flagging new images, and evaluating on another study."""

import json
import shutil

import pandas as pd
import pytest


@pytest.fixture(scope="module")
def study(two_flagged, tmp_path_factory):
    return shutil.copytree(two_flagged[0].folder, tmp_path_factory.mktemp("flagged") / "study")


def test_flag_says_how_good_it_is(study, run):
    code, out, _ = run("flag", study)
    assert code == 0
    assert "Evaluated on 70 test images, in folds." in out
    assert "1 − margin" in out
    found = json.loads(run("flag", study, "--json")[1])
    assert len(found["evaluation"]) == 8
    for finding in found["findings"]:
        assert finding["claim"] in out.replace("\n", " ")


def test_new_images_are_flagged_in_a_table(study, photographs, run, tmp_path):
    folder = tmp_path / "new"
    shutil.copytree(photographs["test"].parent, folder, ignore=shutil.ignore_patterns("*.csv"))
    names = sorted(path.name for path in folder.iterdir())
    (folder / names[0]).write_bytes(b"no image")
    whole = (folder / names[1]).read_bytes()
    (folder / names[1]).write_bytes(whole[: len(whole) // 2])
    out = tmp_path / "flags.csv"
    code, said, _ = run("flag", study, folder, "--out", out)
    assert code == 0
    table = pd.read_csv(out)
    assert sorted(table["image"]) == names
    unread = table[table["reason"].notna()]
    assert sorted(unread["image"]) == names[:2]
    assert unread["probability"].isna().all()
    assert f"2 images could not be read (for example {names[1]}); the column reason says why." in said
    n = int(table["flagged"].eq(True).sum())
    assert f"{n} of 68 images are flagged, by the margin alone." in said
    as_json = json.loads(run("flag", study, folder, "--out", out, "--json")[1])
    assert len(as_json["images"]) == len(names)
    assert sum(bool(row["flagged"]) for row in as_json["images"]) == n


def test_a_table_with_boxes_says_which_are_framed_unlike(study, photographs, run, tmp_path):
    out, images = tmp_path / "flags.csv", photographs["test"].parent
    alone = shutil.copy(photographs["test"], tmp_path)
    code, _, err = run("flag", study, "--new-folder", images)
    assert code == 2
    assert "--new-folder are of NEW_IMAGES" in err
    given = (alone, "--new-folder", images, "--new-layout", "table")
    assert run("flag", study, *given, "--out", out, "--share-flagged", 0.5)[0] == 0
    table = pd.read_csv(out, keep_default_na=False)
    assert run("flag", study, photographs["test"], "--out", out, "--share-flagged", 0.5)[0] == 0
    pd.testing.assert_frame_equal(table, pd.read_csv(out, keep_default_na=False))
    assert table["why"].str.contains("framed unlike").any()
    assert run("flag", study, "--share-flagged", 0.2)[0] == 0


def test_the_flag_is_evaluated_on_another_study(study, two_flagged, run):
    other = two_flagged[1].folder
    code, out, _ = run("flag", study, "--evaluate-on", other)
    assert code == 0
    assert f"Fitted to the test images of {study}, and evaluated on 70 test images of {other}." in out
    code, _, err = run("flag", study, "--evaluate-on", study)
    assert code == 2
    assert "has not both unstable and stable test images" in err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("new",), "NEW_IMAGES and --out FILE, the CSV table to write, have to be given together"),
        (("--out", "flags.csv"), "have to be given together"),
        (("new", "--out", "absent/flags.csv"), "there is no folder absent"),
        (("new", "--out", "flags.csv", "--evaluate-on", "other"), "Give either NEW_IMAGES or --evaluate-on STUDY"),
        (("absent", "--out", "flags.csv"), "there is no file or folder"),
        (("--share-flagged", 1), "--share-flagged is 1, but must be above 0 and below 1"),
        (("--evaluate-on", "absent"), "holds no study"),
    ],
)
def test_bad_options_are_one_sentence(study, run, arguments, named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run("flag", study, *arguments)
    assert code == 2
    assert named in err
    assert not out
    assert list(tmp_path.iterdir()) == []
