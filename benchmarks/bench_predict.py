"""Time and peak memory of one click, after `embed` and from the file, with the default model.

Prints medians with their spread, and the machine. `--smoke` runs each once (for the tests).
"""

import argparse
import platform
from pathlib import Path


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", type=Path, help="a photo (default: one of scikit-image's)")
    parser.add_argument("--model", help="name or path (default: the default model)")
    parser.add_argument("--smoke", action="store_true")
    args = parser.parse_args()
    repeats = 1 if args.smoke else 30

    import torch

    import anymask
    from anymask.evaluation.speed.memory import peak_bytes
    from anymask.evaluation.speed.timing import take_turns

    path = args.image
    if path is None:
        import skimage

        path = Path(skimage.__file__).parent / "data" / "chelsea.png"
    before = peak_bytes()
    predictor = anymask.load_model(args.model)
    image = anymask.read_image(path)
    H, W, _ = image.shape
    click = anymask.Prompt(point_coords=[[W / 2, H / 2]], point_labels=[1])
    box = anymask.Prompt(box=[W / 4, H / 4, 3 * W / 4, 3 * H / 4])
    embedding = predictor.embed(image)

    many = "64 boxes after embed, per prompt (logits)"
    actions = {
        "embed": lambda: predictor.embed(image),
        "one click after embed (3 masks, full size)": lambda: (
            predictor.predict(embedding, click).masks
        ),
        many: lambda: predictor.predict(embedding, [box] * 64),
        "read, embed, predict": lambda: (
            predictor.predict(predictor.embed(anymask.read_image(path)), click).masks
        ),
    }
    times = take_turns(actions, repeats)
    print(f"{path.name} {W}x{H}, model {predictor.model_id}, {predictor.placement.dtype_name}")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.processor()}")
    for name, taken in times.items():
        each = 1000 / (64 if name == many else 1)
        spread = f"{each * min(taken.seconds):.1f} to {each * max(taken.seconds):.1f}"
        print(f"{name:45} median {each * taken.median:7.1f} ms   ({spread})")
    print(f"peak memory {peak_bytes() >> 20} MB, of which {before >> 20} MB are Python and torch")


if __name__ == "__main__":
    main()
