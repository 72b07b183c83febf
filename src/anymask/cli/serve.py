"""`anymask serve`: the annotation studio's server, or the studio as a folder that needs none."""

import argparse
import json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    add = parser.add_argument
    add(
        "--static",
        metavar="DIR",
        help="serve nothing: write the studio and a model into a folder that any web server can "
        "host",
    )
    add("--model", metavar="NAME_OR_PATH", help="a known model or a checkpoint (default: built in)")
    add("--json", action="store_true", help="with --static: print JSON")
    add("--data", metavar="DIR", help="folder of database and files (default: studio)")
    add("--host", help="address to listen on (default: 127.0.0.1)")
    add("--port", type=int, metavar="N", help="port to listen on (default: 8000)")
    add("--sample", action="store_true", help="begin with a project of sample photos")
    add("--no-auth", action="store_true", help="without accounts, for this machine only")


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C, or write the folder and print where it is; return 0.

    Other settings of the server come from the environment (docs/server.md).

    Raises:
        AnymaskError: no such model, a setting that cannot be used, something else in the folder,
            or no room.
    """
    if args.static is None:
        _serve(args)
    else:
        _write(args)
    return 0


def _serve(args: argparse.Namespace) -> None:
    from anymask.core.errors import MissingExtraError

    try:
        from anymask.server.run import serve
        from anymask.server.settings import ServerSettings
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "fastapi", "server") from None
    given = {
        "folder": args.data,
        "host": args.host,
        "port": args.port,
        "model": args.model,
        "auth": False if args.no_auth else None,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    serve(
        ServerSettings.from_environment(**chosen),
        lambda line: print(line, flush=True),
        has_samples=args.sample,
    )


def _write(args: argparse.Namespace) -> None:
    from anymask.model.checkpoints import load_sam
    from anymask.server.static_site import write_static_site

    model, model_id = load_sam(args.model)
    site = write_static_site(model, model_id, args.static)
    result = {
        "path": str(site.path),
        "model_id": model_id,
        "num_files": site.num_files,
        "num_bytes": site.num_bytes,
    }
    text = (
        f"{site.path}: {site.num_files} files, {site.num_bytes / 1e6:.1f} MB. "
        f"Try it: python -m http.server --bind 127.0.0.1 -d {site.path}"
    )
    print(json.dumps(result) if args.json else text)
