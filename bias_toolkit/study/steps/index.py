"""The index of the training features."""

from bias_toolkit.pipeline.step import Job, step
from bias_toolkit.study.steps.features import features


@step(
    "index",
    needs=[features.of("train")],
    settings=["index", "metric", "seed"],
    limits=["memory"],
    check=lambda inputs: inputs.check_index(),
    command="index",
    writes=["index.json", "index.parquet", "index.faiss", "vectors.npy", "reason.txt"],
)
def index(job: Job) -> None:
    """Build the index, and write the reason for its choice."""
    from bias_toolkit.features.index import StoredFeatures, TrainingIndex
    from bias_toolkit.foundation.files import write_text

    store, settings = job.results.features("train"), job.settings
    built = TrainingIndex.build(
        StoredFeatures(store.arrays),
        store.image_ids,
        settings.metric,
        index=settings.index,
        memory=settings.memory,
        seed=settings.seed,
        progress=job.progress,
    )
    write_text(built.reason + "\n", job.folder / "reason.txt")
    built.save(job.folder)
