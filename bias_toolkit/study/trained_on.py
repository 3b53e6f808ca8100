"""Whether a study's model was trained on the study's training set.

If it was not, a distance from the training set is not a distance from what the model learnt.
"""

from collections.abc import Iterable, Mapping, Sequence

from bias_toolkit.models.specs import demo_training_set, has_published_weights, split_spec
from bias_toolkit.study.settings import ON_OTHER, ON_TRAIN, Settings


def trained_on(
    settings: Settings,
    model: str | None,
    train: str | None,
    labels: Iterable[str],
    class_names: Mapping[str, str],
    classes: Sequence[str] | None,
) -> str | None:
    """`train` if the model was trained on the training set, `other` if it was not, None if that is not known.

    The user's answer counts first. Without one, it is known only of published weights. A network that was trained on a
    dataset has a class for each of its labels, so a label that is none of the classes shows that it was not trained on
    this dataset. The reverse does not hold: WordNet ids or names of ImageNet's classes, and ImageNet's layout, are also
    those of other photographs, and of parts of ImageNet.

    Parameters
    ----------
    model, train : the model's name and the training set's path or name, as study.json has them.
    labels : the distinct labels of the training set.
    class_names : the training set's readable names of labels.
    classes : the names of the model's classes, if they are known.
    """
    if settings.trained_on is not None:
        return settings.trained_on
    if settings.weights is not None or model is None or not has_published_weights(model):
        return None
    if split_spec(model)[0] == "demo" and str(train).startswith("demo:"):
        return ON_TRAIN if train == demo_training_set(model) else ON_OTHER
    from bias_toolkit.models.labels import foreign_labels

    return ON_OTHER if classes and foreign_labels(labels, class_names, classes) else None
