"""The index of the training features, and their distances from each other."""

from bias_toolkit.pipeline.step import Job, step
from bias_toolkit.study.steps.features import features


@step(
    "index",
    needs=[features.of("train")],
    settings=["index", "metric", "seed"],
    limits=["memory"],
    check=lambda inputs: inputs.check_index(),
    command="index",
    writes=["index.json", "index.parquet", "index.faiss", "vectors.npy", "spacing.npy", "reason.txt"],
)
def index(job: Job) -> None:
    """Build the index, and write the reason for its choice."""
    from bias_toolkit.features.index import StoredFeatures, TrainingIndex, leave_one_out_distances
    from bias_toolkit.foundation.files import write_array, write_text

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
    write_array(leave_one_out_distances(built, seed=settings.seed, progress=job.progress), job.folder / "spacing.npy")
    write_text(built.reason + "\n", job.folder / "reason.txt")
    built.save(job.folder)
