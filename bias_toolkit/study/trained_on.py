"""Whether a study's model was trained on the study's training set.

If it was not, a distance from the training set is not a distance from what the model learnt.
"""

from collections.abc import Iterable, Mapping, Sequence

from bias_toolkit.models.specs import demo_training_set, has_published_weights, split_spec
from bias_toolkit.study.settings import ON_OTHER, ON_TRAIN, Settings

PROBABLY_OTHER = "probably other"


def trained_on(
    settings: Settings,
    model: str | None,
    train: str | None,
    labels: Iterable[str],
    class_names: Mapping[str, str],
    classes: Sequence[str] | None,
) -> str | None:
    """`train` if the model was trained on the training set, `other` or `probably other` if not, None if not known.

    The user's answer counts first. Without one, it is known only of the demo's networks, and of published weights on
    the demo's datasets. A network that was trained on a dataset has a class for each of its labels. So where most
    labels are none of the classes of published weights, these were probably not trained on this dataset; the same
    classes may have other names. The reverse does not hold: WordNet ids or names of ImageNet's classes, and ImageNet's
    layout, are also those of other photographs, and of parts of ImageNet.

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
    if str(train).startswith("demo:"):
        is_own = split_spec(model)[0] == "demo" and train == demo_training_set(model)
        return ON_TRAIN if is_own else ON_OTHER
    from bias_toolkit.models.labels import foreign_labels

    labels = list(labels)
    n_foreign = len(foreign_labels(labels, class_names, classes)) if classes else 0
    if split_spec(model)[0] == "demo":
        return ON_OTHER if n_foreign else None
    return PROBABLY_OTHER if 2 * n_foreign > len(labels) else None
