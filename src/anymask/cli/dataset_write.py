"""`anymask dataset write`: labelled photographs as shards in SA-1B's layout; it resumes."""

import argparse
import json

from tqdm import tqdm


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's arguments to `parser`."""
    add = parser.add_argument
    add("source", metavar="SOURCE", help="a labelled set, a folder of sets, or SA-1B's JSON")
    add("--photos", metavar="DIR", help="of such JSON, if they are not beside it")
    add("-o", "--output", required=True, metavar="DIR", help="folder for the shards")
    add("--shortest-side", type=int, default=1500, metavar="PX", help="of images (1500)")
    add("--images-per-shard", type=int, default=1000, metavar="N", help="(1000)")
    add("--first-image-id", type=int, default=1, metavar="N", help="ids go on from it (1)")
    add(
        "--released-bbox",
        action="store_true",
        help="boxes one pixel short in width and height, as in SA-1B's own files",
    )
    add("--processes", type=int, metavar="N", help="(all cores)")
    add("--json", action="store_true", help="print the manifest")


def run(args: argparse.Namespace) -> int:
    """Write the shards and print what they are; return 0.

    Raises:
        AnymaskError: no such source, a photograph or mask that cannot be used, no room.
    """
    from anymask.cli.output_folder import make_output_folder
    from anymask.dataset.release_sources import read_release_sources
    from anymask.dataset.release_writing import ReleaseConfig, write_release

    config = ReleaseConfig(
        shortest_side=args.shortest_side,
        images_per_shard=args.images_per_shard,
        released_bbox=args.released_bbox,
        first_image_id=args.first_image_id,
    )
    sources = read_release_sources(args.source, args.photos)
    output = make_output_folder(args.output)
    with tqdm(total=len(sources), unit="image", disable=None) as bar:
        manifest = write_release(
            sources, output, config, num_processes=args.processes, on_image=bar.update
        )
    if args.json:
        print(json.dumps(manifest.to_json()))
    else:
        print(
            f"{output}: {manifest.num_images} images, {manifest.num_masks} masks, "
            f"{len(manifest.shards)} shards"
        )
    return 0
