"""`anymask models`: known weights, fetching official ones, what a file holds, merging adapters."""

import argparse
import json
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's actions and their arguments to `parser`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="the known models and which are here")
    fetching = actions.add_parser("download", help="fetch official weights; resumes and verifies")
    fetching.add_argument("name", metavar="NAME", help="vit_b, vit_l or vit_h")
    showing = actions.add_parser("show", help="configuration, sizes and metadata of a checkpoint")
    verifying = actions.add_parser("verify", help="check that a checkpoint is whole")
    merging = actions.add_parser("merge", help="a fine-tuned model from its base and its adapter")
    for action in (showing, verifying):
        action.add_argument("model", metavar="NAME_OR_PATH", help="a known model or a checkpoint")
    merging.add_argument("base", metavar="BASE", help="the model that was fine-tuned")
    merging.add_argument("adapter", metavar="ADAPTER", help="adapter.safetensors of the run")
    merging.add_argument("-o", "--output", required=True, metavar="FILE", help="the new checkpoint")
    for action in (listing, fetching, showing, verifying, merging):
        action.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Do what `args.action` says, print the result, return 0.

    Raises:
        AnymaskError: no such model, a damaged file, no network, no room.
    """
    if args.action == "list":
        result: Any = _list()
        lines = [
            f"{row['name']:6} {_megabytes(row['num_bytes']):>10}  {row['path'] or row['get']}"
            for row in result
        ]
    elif args.action == "download":
        from anymask.model.downloads import download

        result = {"name": args.name, "path": str(download(args.name))}
        lines = [result["path"]]
    elif args.action == "show":
        result = _show(args.model)
        lines = _show_lines(result)
    elif args.action == "merge":
        result = _merge(args.base, args.adapter, Path(args.output))
        lines = [f"{result['path']} is {result['model_id']}"]
    else:
        result = _verify(args.model)
        known = f", the official {result['official']}" if result["official"] else ""
        lines = [f"{result['path']} is whole{known}", f"SHA-256 {result['sha256']}"]
    print(json.dumps(result) if args.json else "\n".join(lines))
    return 0


def _list() -> list[dict[str, Any]]:
    from anymask.model.downloads import OFFICIAL_FILES, official_path
    from anymask.model.locations import shipped_path
    from anymask.model.presets import DEFAULT_NAME

    rows = [
        _row(name, official_path(name), entry.num_bytes, f"anymask models download {name}")
        for name, entry in OFFICIAL_FILES.items()
    ]
    return [_row(DEFAULT_NAME, shipped_path(), None, "reinstall anymask"), *rows]


def _row(name: str, path: Path, num_bytes: int | None, how_to_get: str) -> dict[str, Any]:
    is_here = path.is_file()
    return {
        "name": name,
        "num_bytes": path.stat().st_size if is_here else num_bytes,
        "path": str(path) if is_here else None,
        "get": None if is_here else how_to_get,
    }


def _show(name_or_path: str) -> dict[str, Any]:
    from anymask.model.checkpoint_files import read_metadata
    from anymask.model.checkpoints import load_sam
    from anymask.model.locations import locate

    path = locate(name_or_path)
    model, model_id = load_sam(path)
    parts = {
        name: sum(parameter.numel() for parameter in part.parameters())
        for name, part in model.named_children()
    }
    return {
        "model_id": model_id,
        "path": str(path),
        "num_parameters": {**parts, "total": sum(parts.values())},
        "config": model.config.to_json(),
        # the configuration is shown above, read
        "metadata": {k: v for k, v in read_metadata(path).items() if k != "anymask_config"},
    }


def _show_lines(result: dict[str, Any]) -> list[str]:
    return [
        f"{result['model_id']}  {result['path']}",
        *(f"{count:>13,}  {part}" for part, count in result["num_parameters"].items()),
        *(f"{key}: {value}" for key, value in result["config"].items()),
        *(f"{key}: {value}" for key, value in result["metadata"].items()),
    ]


def _verify(name_or_path: str) -> dict[str, Any]:
    from anymask.model.downloads import OFFICIAL_FILES, official_path, verify

    if name_or_path in OFFICIAL_FILES:
        path = official_path(name_or_path)
        verify(path, name_or_path)
        entry = OFFICIAL_FILES[name_or_path]
        return {"path": str(path), "official": name_or_path, "sha256": entry.sha256}
    return _verify_file(name_or_path)


def _verify_file(name_or_path: str) -> dict[str, Any]:
    """Load the checkpoint, which names what is wrong, and compare it to the official files."""
    from anymask.model.checkpoint_files import weights_file
    from anymask.model.checkpoints import load_sam
    from anymask.model.downloads import OFFICIAL_FILES, sha256_of
    from anymask.model.locations import locate

    path = locate(name_or_path)
    load_sam(path)
    digest = sha256_of(weights_file(path))
    official = next((n for n, entry in OFFICIAL_FILES.items() if entry.sha256 == digest), None)
    return {"path": str(path), "official": official, "sha256": digest}


def _merge(base: str, adapter_path: str, output: Path) -> dict[str, Any]:
    from anymask.model.adapters import apply_adapter, load_adapter
    from anymask.model.checkpoints import load_sam, save_sam
    from anymask.model.lora import merge_lora

    adapter = load_adapter(adapter_path)
    model, base_id = load_sam(base)
    apply_adapter(model, base_id, adapter)
    merge_lora(model)
    save_sam(model, output, metadata={"fine_tuned_from": base_id})
    return {"path": str(output), "base_id": base_id, "model_id": load_sam(output)[1]}


def _megabytes(num_bytes: int | None) -> str:
    return "" if num_bytes is None else f"{num_bytes / 1e6:.1f} MB"
