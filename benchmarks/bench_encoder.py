"""The ViT image encoder beside the reference package's: time, memory and error at equal weights.

Ours: what `anymask.load_model` makes of the weights, in each dtype. The reference: eager float32.
Random weights in the official layout. `--tuned` runs both with the allocator told to keep freed
memory, which the reference needs and ours does not. `--smoke` takes a tiny model (for the tests).
"""

import argparse
import dataclasses
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from anymask.evaluation.speed.comparison import relative_error
from anymask.evaluation.speed.machine import describe_machine
from anymask.evaluation.speed.memory import peak_bytes
from anymask.evaluation.speed.reference_package import load_reference
from anymask.evaluation.speed.timing import ratio, take_turns
from anymask.model.checkpoints import build_sam
from anymask.model.config import VitConfig
from anymask.model.precision import store_weights
from anymask.model.presets import preset
from anymask.model.sam import Sam

REFERENCE = "reference"
DTYPES = ("bfloat16", "float32")
TUNED = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 35),
    "MALLOC_TOP_PAD_": str(1 << 28),
    "OMP_WAIT_POLICY": "PASSIVE",
}
Encode = Callable[[Tensor], Tensor]


def random_sam(name: str) -> Sam:
    """The preset's structure; relative positions are random too, as they start as zeros."""
    sam = build_sam(preset(name), seed=0).eval()
    torch.manual_seed(0)
    for key, parameter in sam.named_parameters():
        if "rel_pos" in key:
            torch.nn.init.normal_(parameter, std=0.3)
    return sam.requires_grad_(False)


def encoder(name: str, contender: str) -> Encode:
    """(B, 3, S, S) to (B, D, h, w): the reference, or ours in a dtype, with the same weights."""
    sam = random_sam(name)
    if contender == REFERENCE:
        _, reference = load_reference(sam)
        return reference.image_encoder  # type: ignore[no-any-return]
    dtype = getattr(torch, contender)
    store_weights(sam.image_encoder, dtype)

    def encode(images: Tensor) -> Tensor:
        is_short = dtype != torch.float32
        with torch.autocast("cpu", dtype if is_short else None, is_short, cache_enabled=False):
            return sam.encode_images(images).image_embeddings.float()

    return encode


def inputs(name: str, batch: int) -> Tensor:
    """(batch, 3, S, S) of unit variance, as normalised photos."""
    side = preset(name).image_size
    return torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(1))


def matmul_roof(dtype: torch.dtype, size: int, rounds: int = 7) -> float:
    """Floating-point operations a second of a square product: the median."""
    a, b = torch.randn(2, size, size).to(dtype)
    out = torch.empty_like(a)
    times = take_turns({"": partial(torch.mm, a, b, out=out)}, rounds)[""]
    return 2 * size**3 / times.median


def encoder_flops(name: str) -> float:
    """Operations for one image, two a multiplication, as the paper's structure needs them."""
    config = preset(name)
    vit = config.image_encoder
    assert isinstance(vit, VitConfig)
    L, C, D = config.grid_size**2, vit.width, config.embed_dim
    linear = vit.depth * (4 + 2 * vit.mlp_ratio) * L * C * C
    num_windows = math.ceil(config.grid_size / vit.window_size) ** 2
    num_global = len(vit.global_blocks)
    scores = num_global * L * L + (vit.depth - num_global) * num_windows * vit.window_size**4
    ends = L * (3 * vit.patch_size**2 * C + C * D + 9 * D * D)
    return 2 * (linear + 2 * scores * C + ends)


def compare(name: str, rounds: int) -> dict[str, Any]:
    """Seconds, ratios to the reference with their range, and errors."""
    images, encoders = inputs(name, 1), {n: encoder(name, n) for n in (REFERENCE, *DTYPES)}
    last: dict[str, Tensor] = {}

    def run(contender: str) -> None:
        last[contender] = encoders[contender](images)

    times = take_turns({n: partial(run, n) for n in encoders}, rounds)
    return {
        contender: {
            "seconds": times[contender].median,
            "seconds_range": [min(times[contender].seconds), max(times[contender].seconds)],
            "ratio": dataclasses.asdict(ratio(times[REFERENCE], times[contender])),
            "relative_error": relative_error(last[contender], last[REFERENCE]),
        }
        for contender in encoders
    }


def seconds_per_batch(name: str, batches: tuple[int, ...], rounds: int) -> dict[int, float]:
    """Median seconds of a whole batch, in the shortest dtype."""
    encode = encoder(name, DTYPES[0])
    actions = {str(n): partial(encode, inputs(name, n)) for n in batches}
    times = take_turns(actions, rounds)
    return {n: times[str(n)].median for n in batches}


def measure_memory(name: str, contender: str) -> dict[str, int]:
    """Peak bytes of a process of its own: with the weights ready, and at most."""
    command = [sys.executable, __file__, "--model", name, "--memory-of", contender]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {key: int(value) for key, value in json.loads(done.stdout).items()}


def _print_memory(name: str, contender: str) -> None:
    encode, images = encoder(name, contender), inputs(name, 1)
    ready = peak_bytes()
    for _ in range(2):
        encode(images)
    print(json.dumps({"ready": ready, "peak": peak_bytes()}))


def _print_table(result: dict[str, Any]) -> None:
    print(result["machine"])
    roofs = ", ".join(f"{n} {v / 1e12:.2f}" for n, v in result["roof_flops"].items())
    print(f"{result['model']}: {result['flops'] / 1e9:.0f} GFLOP; roofs in TFLOP/s: {roofs}")
    for name, row in result["contenders"].items():
        ratios, memory = row["ratio"], row.get("memory")
        peak = f"  peak {memory['peak'] / 2**20:.0f} MiB" if memory else ""
        print(
            f"{name:10} median {row['seconds']:7.2f} s  ratio {ratios['median']:5.2f} "
            f"({ratios['low']:.2f} to {ratios['high']:.2f})  "
            f"error {row['relative_error']:.4f}{peak}"
        )
    for batch, seconds in result["batches"].items():
        print(f"batch of {batch}: {seconds / batch:.2f} s an image")


@torch.inference_mode()
def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="vit_b", help="vit_b, vit_l or vit_h (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--batches", type=int, nargs="*", default=[], metavar="B")
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--tuned", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.tuned and any(os.environ.get(key) != value for key, value in TUNED.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | TUNED)
    torch.set_num_threads(args.threads)
    if args.memory_of:
        _print_memory(args.model, args.memory_of)
        return
    name, rounds, size = args.model, args.rounds, 4096
    if args.smoke:
        name, rounds, size = "tiny_vit", 1, 64
    contenders = compare(name, rounds)
    if not args.no_memory:
        for contender, row in contenders.items():
            row["memory"] = measure_memory(name, contender)
    result = {
        "machine": describe_machine().describe(),
        "model": name,
        "flops": encoder_flops(name),
        "roof_flops": {n: matmul_roof(getattr(torch, n), size) for n in DTYPES},
        "contenders": contenders,
        "batches": seconds_per_batch(name, tuple(args.batches), rounds) if args.batches else {},
    }
    if args.json:
        print(json.dumps(result))
    else:
        _print_table(result)


if __name__ == "__main__":
    main()
