import pytest


@pytest.fixture
def pool(tmp_path, write_photos):
    return write_photos(tmp_path / "pool")


def test_json_is_one_object_and_fit_takes_the_backbone(handful, pool, photos, tmp_path):
    made = handful(
        "pretrain", pool, "--size", 24, "--budget", "3steps", "--out", tmp_path / "backbone", "--json"
    ).json()
    assert (made["method"], made["from"], made["n"], made["steps"]) == ("simclr", "small", 24, 3)
    fitted = handful(
        "fit", photos, "--backbone", tmp_path / "backbone", "--budget", "3fits", "--out", tmp_path / "model", "--json"
    ).json()
    assert "small-network@24+" in fitted["recipe"]["description"]
    assert handful("predict", tmp_path / "model", photos / "test" / "red" / "0.png", "--json").json()["predictions"]


def test_words_tell_what_was_learned_and_what_comes_next(handful, pool, photos, tmp_path):
    said = handful(
        "pretrain", pool, "--size", 24, "--budget", "2steps", "--labels", photos, "--out", tmp_path / "backbone"
    )
    assert said.code == 0
    assert "exact probe, leave-one-out" in said.out
    assert "learned   2 steps, 2.0 epochs of 24 images" in said.out
    assert "--backbone" in said.out


def test_what_makes_no_sense_is_one_line(handful, pool, tmp_path):
    out = ("--out", tmp_path / "out")
    handful("pretrain", tmp_path / "nowhere", *out).error("no such folder or file", "nowhere")
    handful("pretrain", pool, "--method", "dino", *out).error("no method 'dino'", "--method", "simclr")
    handful("pretrain", pool, "--from", "resnet", *out).error("no network 'resnet'", "--from")
    handful("pretrain", pool, "--size", 28, *out).error("28 pixels", "--size")
    handful("pretrain", pool, "--budget", "soon", *out).error("cannot read the budget", "--budget")
    handful("pretrain", pool, "--labels", tmp_path / "nowhere", *out).error("nowhere")
    assert not (tmp_path / "out").exists()
