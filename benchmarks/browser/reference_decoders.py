"""Write the reference's own decoder graphs for `web/bench/click_to_mask.mjs`.

    python reference_decoders.py GRAPHS_DIR

`segment_anything`'s decoder, exported by its own code with random weights: with the embedding grid
of our default model, and with the 64 x 64 that was released. Time does not depend on the weights.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

from make_graphs import write_reference

from anymask.model.checkpoints import build_sam
from anymask.model.presets import preset


def main() -> None:
    """Write the files and decoders.json."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    decoders = []
    for image_size in (preset("small").image_size, 1024):
        config = replace(preset("vit_b"), image_size=image_size)
        file = f"reference_{config.grid_size}.onnx"
        write_reference(build_sam(config, seed=0), folder / file)
        decoders.append(
            {
                "file": file,
                "grid_size": config.grid_size,
                "embed_dim": config.embed_dim,
                "image_size": image_size,
            }
        )
    (folder / "decoders.json").write_text(json.dumps(decoders))


if __name__ == "__main__":
    main()
