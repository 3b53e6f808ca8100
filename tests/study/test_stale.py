"""Results of other inputs or settings than the study's are never handed out as its own."""

import dataclasses
import json
import shutil

import pytest

from bias_toolkit import InputError, Settings, Study, load_model
from bias_toolkit.study import steps
from bias_toolkit.study.settings import INTERVAL_RULE, SPLITS

OTHER_MODEL = "demo:fully-connected"
SETS_OF_WEIGHTS = (("model", 1.5), ("averaged", 2.5))


@pytest.fixture(scope="module")
def others(complete, tmp_path_factory):
    """Values of settings and inputs that are files."""
    import torch

    folder = tmp_path_factory.mktemp("others")
    (folder / "mapping.json").write_text(json.dumps({"0": "1"}))
    flags = {"file_name": "a.JPEG"} | dict.fromkeys(_factors(), 0)
    (folder / "imagenet-x.jsonl").write_text(json.dumps(flags) + "\n")
    network = load_model("demo:global-pooling").module
    sets = {key: {name: value * by for name, value in network.state_dict().items()} for key, by in SETS_OF_WEIGHTS}
    torch.save(sets, folder / "weights.pt")
    return {
        "label_map": folder / "mapping.json",
        "imagenet_x": folder / "imagenet-x.jsonl",
        "weights": folder / "weights.pt",
        "train": complete.test,
        "test": complete.train,
        "model": OTHER_MODEL,
        **{f"{split}_folder": getattr(complete, split) for split in ("train", "test")},
        "tables": {split: _table(getattr(complete, split), folder / f"{split}.csv") for split in ("train", "test")},
    }


@pytest.fixture(scope="module")
def present(complete):
    """The complete study, opened once: all its results can be read."""
    study = Study(complete.folder)
    assert all(current(study, complete.explained).values())
    return study


def _table(images, file):
    """A table elsewhere of the images in a folder."""
    names = [image.relative_to(images).as_posix() for image in sorted(images.rglob("*.*")) if image.suffix != ".txt"]
    file.write_text("\n".join(["path", *names]))
    return file


def _factors():
    from bias_toolkit.datasets.imagenet_x import FACTORS

    return FACTORS


def opened(folder, others, changes):
    """The study with changes, in which `...` stands for a value of `others`."""
    given = {name: others[name] if value is ... else value for name, value in changes.items()}
    # A folder of images belongs to a table.
    given |= {split: others["tables"][split] for split in ("train", "test") if f"{split}_folder" in changes}
    return Study(folder, **given)


READ = [
    ({"feature": "4"}, lambda study: study.features("test"), "embed"),
    ({"feature": "4"}, lambda study: study.training_index, "embed"),
    ({"feature": "4"}, lambda study: study.measures, "sweep"),
    ({"model": ...}, lambda study: study.features("train"), "embed"),
    ({"model": ...}, lambda study: study.measures, "sweep"),
    ({"model": ...}, lambda study: study.responses, "sweep"),
    ({"model": ...}, lambda study: study.noise_floor, "sweep"),
    ({"model": ...}, lambda study: study.runtime_reason, "sweep"),
    ({"model": ...}, lambda study: study.model_record, "embed"),
    ({"model": ...}, lambda study: study.located("train"), "objects"),
    ({"model": ...}, lambda study: study.framed, "map"),
    ({"weights": ...}, lambda study: study.measures, "sweep"),
    ({"train": ...}, lambda study: study.images("train"), "report"),
    ({"train": ...}, lambda study: study.mean_images("train"), "objects"),
    ({"test": ...}, lambda study: study.objects("test"), "report"),
    ({"test": ...}, lambda study: study.neighbours, "index"),
    ({"label_map": ...}, lambda study: study.label_record, "sweep"),
    ({"label_map": ...}, lambda study: study.measures, "sweep"),
    ({"label_map": ...}, lambda study: study.framed, "map"),
    ({"label_map": ...}, lambda study: study.size_curve, "sizes"),
    ({"imagenet_x": ...}, lambda study: study.analysis, "analyse"),
    ({"imagenet_x": ...}, lambda study: study.results.per_image, "analyse"),
    ({"map_images": 3}, lambda study: study.framing_map, "map"),
    ({"map_images": 3}, lambda study: study.framed, "map"),
    ({"map_positions": (0.4,)}, lambda study: study.framing_map, "map"),
    ({"map_surroundings": ("mean",)}, lambda study: study.framing_map, "map"),
    ({"size_images": 2}, lambda study: study.size_curve, "sizes"),
    ({"size_images": 2}, lambda study: study.size_measures, "sizes"),
    ({"layer_images": 2}, lambda study: study.layers, "layers"),
    ({"remedy_images": 3}, lambda study: study.remedy_effects, "remedies"),
    ({"train_epochs": 2}, lambda study: study.remedied, "remedies"),
    ({"metric": "cosine"}, lambda study: study.reach, "remedies"),
    ({"share_flagged": 0.3}, lambda study: study.flag_evaluation, "flag"),
    ({"label_map": ...}, lambda study: study.flag_values, "flag"),
    ({"index": "IVF2,Flat"}, lambda study: study.flag_classes, "flag"),
    ({"boxes": "given"}, lambda study: study.framing("train"), "objects"),
    ({"boxes": "estimated"}, lambda study: study.framing("train"), "objects"),
    ({"boxes": "estimated"}, lambda study: study.framing_comparison, "objects"),
    ({"metric": "cosine"}, lambda study: study.distances, "index"),
    ({"neighbours": 2}, lambda study: study.neighbours_of(study.images("test")["image_id"].iloc[0]), "index"),
    ({"feature_size": 0.9}, lambda study: study.features("test"), "embed"),
    ({"feature_size": 0.9}, lambda study: study.training_spacing, "index"),
    ({"batch_size": 7}, lambda study: study.responses, "sweep"),
    ({"batch_size": 7}, lambda study: study.features("train"), "embed"),
    ({"precision": 0.2}, lambda study: study.measures, "sweep"),
    ({"protocols": ("embed", "crop", "offsets")}, lambda study: study.results.per_image, "analyse"),
    ({"protocols": ("crop", "offsets", "embed")}, lambda study: study.measures, "sweep"),
    ({"resamples": 101}, lambda study: study.plot("distance-vs-invariance"), "analyse"),
    ({"bins": 3}, lambda study: study.findings(), "report"),
    ({"seed": 1}, lambda study: study.framing_summary("test"), "objects"),
]


@pytest.mark.parametrize(
    ("changes", "read", "command"), READ, ids=[f"{'-'.join(each[0])}-{place}" for place, each in enumerate(READ)]
)
def test_a_stale_result_is_refused_with_the_command_that_makes_it_anew(
    complete, present, others, changes, read, command
):
    read(present)
    with pytest.raises(InputError, match=f"`bias-toolkit {command}`"):
        read(opened(complete.folder, others, changes))


FEATURES = {"features/train", "features/test", "index", "neighbours"}
LOCATED = {"located/train", "localisation", "objects"}
MAP = {"map/mean", "map/real", "map/relation"}
SIZES = {"sizes/*", "sizes/curve"}
SWEPT = {"responses/crop", "responses/embed", "responses/offsets", "measures"}
ANALYSIS = {"analysis", "explanation"}
ANALYSED = ANALYSIS | {"flag"}
LAYERS = {"layers/images", "layers/analysis"}
REMEDIES = {"remedies/*", "remedies/comparison"}
TRAINING = {"training/*"} | REMEDIES
REACH = {"reach/copies", "reach/curve"}
OF_THE_MODEL = FEATURES | LOCATED | MAP | SIZES | SWEPT | {"noise"} | ANALYSED | LAYERS | TRAINING | REACH
IMAGES = {"images/train", "images/test", "mean-images/train", "mean-images/test"}
OF_THE_TRAINING_SET = {
    *("images/train", "features/train", "index", "neighbours", "mean-images/train", "map/relation"),
    *LOCATED,
    *ANALYSED,
    *TRAINING,
    *REACH,
}
OF_THE_TEST_SET = OF_THE_MODEL - {"features/train", "index", "training/*", "reach/copies"} | {
    *("images/test", "mean-images/test")
}
ALL = OF_THE_MODEL | IMAGES

# By hand: what each change makes stale, besides the report, which lists all settings.
STALE = {
    "train": ({"train": ...}, OF_THE_TRAINING_SET),
    "train_layout": ({"train_layout": "images"}, OF_THE_TRAINING_SET),
    "train_folder": ({"train_folder": ...}, OF_THE_TRAINING_SET),
    "train_sample": ({"train_sample": 5}, OF_THE_TRAINING_SET),
    "test": ({"test": ...}, OF_THE_TEST_SET),
    "test_layout": ({"test_layout": "images"}, OF_THE_TEST_SET),
    "test_folder": ({"test_folder": ...}, OF_THE_TEST_SET),
    "test_sample": ({"test_sample": 5}, OF_THE_TEST_SET),
    "model": ({"model": ...}, OF_THE_MODEL),
    "weights": ({"weights": ...}, OF_THE_MODEL),
    "weights_key": ({"weights": ..., "weights_key": "averaged"}, OF_THE_MODEL),
    "outputs": ({"outputs": "independent"}, OF_THE_MODEL),
    "deep_grey": ({"deep_grey": "maximum"}, ALL),
    "feature": ({"feature": "4"}, OF_THE_MODEL),
    "label_map": ({"label_map": ...}, SWEPT | LOCATED | MAP | SIZES | ANALYSED | TRAINING),
    "imagenet_x": ({"imagenet_x": ...}, ANALYSIS),
    "boxes": ({"boxes": "given"}, {"objects"} | ANALYSED),
    "metric": ({"metric": "cosine"}, {"index", "neighbours", "remedies/comparison", "reach/curve"} | ANALYSED),
    "index": ({"index": "IVF2,Flat"}, {"index", "neighbours", "remedies/comparison"} | ANALYSED),
    "neighbours": ({"neighbours": 4}, {"neighbours", "remedies/comparison"} | ANALYSED),
    "feature_size": ({"feature_size": 0.9}, FEATURES | {"map/relation"} | ANALYSED | TRAINING | REACH),
    "feature_dtype": ({"feature_dtype": "float16"}, FEATURES | ANALYSED | TRAINING | REACH),
    "feature_precision": ({"feature_precision": "bfloat16"}, FEATURES | ANALYSED | TRAINING | REACH),
    "protocols": ({"protocols": ("crop", "embed")}, {"measures"} | ANALYSED),
    "transforms": (
        {"transforms": ("vertical",)},
        {"responses/crop", "responses/embed", "measures", "noise"} | ANALYSED | REMEDIES,
    ),
    "sizes": ({"sizes": (0.9,)}, {"responses/crop", "measures", "noise"} | ANALYSED | REMEDIES),
    "fill": ({"fill": "black"}, {"responses/embed", "measures"} | ANALYSED),
    "sampling": ({"sampling": "random"}, {"responses/crop", "measures", "noise"} | ANALYSED | REMEDIES),
    "draws": ({"draws": 7}, {"responses/offsets", "measures"} | ANALYSED),
    "precision": ({"precision": 0.2}, SWEPT | ANALYSED),
    "bins": ({"bins": 3}, ANALYSIS),
    "map_images": ({"map_images": 3}, MAP),
    "map_positions": ({"map_positions": (0.4,)}, MAP),
    "map_scales": ({"map_scales": (0.4,)}, MAP),
    "map_surroundings": ({"map_surroundings": ("mean",)}, {"map/relation"}),
    "size_images": ({"size_images": 2}, SIZES),
    "layer_images": ({"layer_images": 3}, LAYERS),
    "remedy_images": ({"remedy_images": 3}, REMEDIES),
    "train_epochs": ({"train_epochs": 2}, TRAINING),
    "train_images": ({"train_images": 20}, TRAINING),
    "train_rate": ({"train_rate": 0.01}, TRAINING),
    "resamples": (
        {"resamples": 101},
        {
            "objects",
            "localisation",
            "map/relation",
            "sizes/curve",
            "layers/analysis",
            "remedies/comparison",
            "reach/curve",
        }
        | ANALYSED,
    ),
    "share_flagged": ({"share_flagged": 0.3}, {"flag"}),
    "permutations": ({"permutations": 101}, {"objects", "layers/analysis"} | ANALYSED),
    "placements": ({"placements": 101}, {"objects"} | ANALYSED),
    "noise_images": ({"noise_images": 7}, {"noise"}),
    "batch_size": ({"batch_size": 7}, OF_THE_MODEL - LAYERS),
    "runtime": ({"runtime": "auto"}, set()),
    "device": ({"device": "cpu"}, set()),
    "memory": ({"memory": "2GB"}, set()),
    "trained_on": ({"trained_on": "other"}, set()),
    "figure_formats": ({"figure_formats": ("pdf",)}, set()),
    "figures": ({"figures": "first"}, set()),
    "seed": (
        {"seed": 1},
        {"index", "neighbours", "noise", "localisation", "objects", "mean-images/train", "mean-images/test"}
        | {"responses/offsets", "measures"}
        | MAP
        | SIZES
        | LAYERS
        | TRAINING
        | REACH
        | ANALYSED,
    ),
}


def test_the_table_has_every_setting_and_input():
    assert set(STALE) == {field.name for field in dataclasses.fields(Settings)} | {"train", "test", "model"}


@pytest.mark.parametrize("name", STALE)
def test_a_change_makes_stale_what_depends_on_it_and_nothing_else(complete, present, others, name):
    """By hand, by the steps' declarations, and by what can be read, the same results are stale."""
    changes, expected = STALE[name]
    after = opened(complete.folder, others, changes)
    found = {each for each, is_current in current(after, complete.explained).items() if not is_current}
    assert found == expected
    assert declared(name, present, after, complete.explained) == expected
    with pytest.raises(InputError, match="`bias-toolkit report`"):
        after.findings()


def tasks_of(study, explained):
    """The tasks whose results the complete study has, by the names of the table, a sweep's by its protocol."""
    from bias_toolkit.explain import Request

    plan = study.results._plan
    tasks = {}
    for task in [*plan.all(), plan.task(steps.explanation, Request(explained))]:
        kind, _, member = task.name.partition("/")
        if kind == "responses":
            member = member.partition("-")[0]
        if kind in ("sizes", "remedies", "training") and member not in ("curve", "comparison"):
            member = "*"
        name = "explanation" if kind == steps.EXPLANATIONS else "/".join(filter(None, (kind, member)))
        if name != "located/test":
            tasks.setdefault(name, []).append(task)
    # Surroundings that are no part of the map any more can still be read.
    for surroundings in ("mean", "real"):
        tasks.setdefault(f"map/{surroundings}", [plan.task(steps.framed, surroundings)])
    # So can mean images, which a report of the first figures alone does not show.
    for split in SPLITS:
        tasks.setdefault(f"mean-images/{split}", [plan.task(steps.mean_images, split)])
    if "responses/offsets" not in tasks:
        sweep = next(sweep for sweep in Study(study.folder).sweeps if sweep.protocol == "offsets")
        tasks["responses/offsets"] = [plan.task(steps.responses, sweep)]
    assert set(tasks) == ALL
    return tasks


def current(study, explained):
    """Whether each result can be read."""
    tasks = tasks_of(study, explained)
    return {
        name: all(study.results.stored.is_current(task.step, task.member) for task in each)
        for name, each in tasks.items()
    }


def declared(name, before, after, explained):
    """The results that depend on a setting or input, by what the steps say of themselves."""
    # The settings that say what an input is; where a model runs changes none of its outputs but by rounding.
    says = {f"{split}_{what}": {split} for split in SPLITS for what in ("layout", "folder", "sample")}
    says |= {"deep_grey": set(SPLITS)} | {each: {"model"} for each in ("weights", "weights_key", "outputs", "feature")}
    former = {task.name: task for tasks in tasks_of(before, explained).values() for task in tasks}

    def depends(task):
        step = task.step
        own = {each if isinstance(each, str) else each[0] for each in step.settings}
        own = {each for each in own if each in task.settings}
        inputs = {step.named(each, task.member) for each in step.inputs}
        is_other_sweep = "noise_sweep" in inputs and before.noise_sweep != after.noise_sweep
        if name in own or says.get(name, {name}) & inputs or is_other_sweep:
            return True
        if task.name not in former or former[task.name].member != task.member:
            return True
        needs = [[need.name for need in each.needs] for each in (task, former[task.name])]
        return needs[0] != needs[1] or any(map(depends, task.needs))

    return {each for each, tasks in tasks_of(after, explained).items() if any(map(depends, tasks))}


def test_a_file_of_labels_or_weights_that_was_changed_is_another(small, others, tmp_path):
    """Where something is computed, files are looked at, and not only their names."""
    folder = shutil.copytree(small.folder, tmp_path / "study")
    study = Study(folder, label_map=others["label_map"]).sweep()
    assert len(study.label_record["indices"]) == 1
    others["label_map"].write_text(json.dumps({"0": "1", "1": "2"}))
    assert len(Study(folder).sweep().label_record["indices"]) == 2
    others["label_map"].write_text(json.dumps({"0": "1"}))


def test_wall_times_and_skipped_images_are_of_what_the_study_is_now(copy_of_complete, others):
    study = Study(copy_of_complete)
    swept = {name for name in study.seconds if name.startswith("responses/")}
    assert swept
    other = Study(copy_of_complete, feature="4")
    assert "images/test" in other.seconds
    assert "features/test" not in other.seconds
    assert not swept & set(Study(copy_of_complete, model=OTHER_MODEL).seconds)


def test_images_that_another_test_set_left_out_are_not_listed(few, fast, tmp_path):
    folder = shutil.copytree(few["test"].parent, tmp_path / "test")
    damaged = sorted(folder.glob("*.png"))[0]
    damaged.write_bytes(b"")
    study = Study(tmp_path / "study", few["train"], folder / "images.csv", "demo", **fast).read_images()
    assert study.skipped_images["image_id"].tolist() == [damaged.name]
    assert Study(study.folder, test=few["test"]).skipped_images.empty


def test_every_step_that_gives_intervals_has_their_rule_in_its_key():
    given = (
        steps.analysis,
        steps.objects,
        steps.localisation,
        steps.noise,
        steps.neighbours,
        steps.size_curve,
        steps.framing_map,
    )
    assert {step.also()["intervals"] for step in given} == {INTERVAL_RULE}
