"""The first answer of a study, `report --quick`: a study of a sample of both sets, in a folder of its own."""

from pathlib import Path

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.foundation.untrusted import inside
from bias_toolkit.study.record import RECORD, DatasetRecord, ModelRecord, StudyRecord, read_record, write_record
from bias_toolkit.study.settings import Settings

FIRST_ANSWER = "quick"
"""Its folder in the study's."""


def place_of_first_answer(study: Path) -> Path:
    """The folder for a study's first answer; InputError if a link is in its place, even to a folder of the study."""
    place = inside(study, FIRST_ANSWER)
    if place.is_symlink():
        raise InputError(f"{place} has to be a folder, and is a link; remove it.")
    return place


def first_answer_in(study: Path) -> Path | None:
    """The folder of a study's first answer; None if it has none, or a link is in its place."""
    try:
        place = place_of_first_answer(study)
    except InputError:
        return None
    return place if (place / RECORD).exists() else None


def record_first_answer(folder: Path, study: StudyRecord, settings: Settings) -> None:
    """Record, in `folder`, which inputs of a study and which settings its first answer is made of."""
    wanted = _named(study.model_copy(update={"settings": settings.to_dict()}))
    try:
        recorded = read_record(folder)
    except InputError:
        recorded = None
    if recorded is None or _named(recorded) != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        write_record(folder, wanted)


def _named(record: StudyRecord) -> StudyRecord:
    """What a record has of the user's choices, without the identities of the inputs."""
    train, test, model = record.train, record.test, record.model
    return StudyRecord(
        settings=record.settings,
        train=DatasetRecord(spec=train.spec),
        test=DatasetRecord(spec=test.spec),
        model=ModelRecord(spec=model.spec, in_memory=model.in_memory),
    )
