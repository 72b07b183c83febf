"""Find labelled sets below a folder and read each as its layout asks."""

from pathlib import Path

from anymask.core.errors import InvalidInputError
from anymask.dataset.coco_folder import annotation_files, json_stem, read_coco_folder
from anymask.dataset.labelled import LabelledImage, existing_folder
from anymask.dataset.mask_folder import is_mask_folder, read_mask_folder
from anymask.dataset.sa1b import is_sa1b_folder, read_sa1b_folder

_LAYOUTS = "images/ with a COCO or LVIS JSON, images/ with masks/, or sa_N.jpg with sa_N.json"


def find_sets(folder: str | Path) -> dict[str, Path]:
    """Return the sets below `folder` as name to path: itself if it is a set, else its sub-folders.

    A set is a folder, or a JSON file where a folder has several (COCO's `annotations/`).

    Raises:
        InvalidInputError: the folder is missing or holds no set.
    """
    if Path(folder).is_file():
        return {json_stem(Path(folder)): Path(folder)}
    folder = existing_folder(folder)
    own = _sets_of(folder)
    if own:
        return own
    sets: dict[str, Path] = {}
    for child in sorted(child for child in folder.iterdir() if child.is_dir()):
        found = _sets_of(child)
        names = {name: name if len(found) == 1 else f"{child.name}-{name}" for name in found}
        sets |= {names[name]: path for name, path in found.items()}
    if not sets:
        raise InvalidInputError(
            f"data folder must hold a set ({_LAYOUTS}) or sub-folders that are sets, got {folder}. "
            "Point at the folder that holds the annotations."
        )
    return sets


def read_set(path: str | Path) -> tuple[LabelledImage, ...]:
    """Return the photographs of a set that `find_sets` found, whatever its layout.

    Raises:
        InvalidInputError: nothing of a known layout is there, or as the layout's reader says.
        ImageReadError: an image file is damaged.
    """
    path = Path(path)
    if path.is_file() or annotation_files(existing_folder(path)):
        return read_coco_folder(path)
    if is_mask_folder(path):
        return read_mask_folder(path)
    if is_sa1b_folder(path):
        return read_sa1b_folder(path)
    raise InvalidInputError(f"set must be {_LAYOUTS}, got {path}. Check the path.")


def _sets_of(folder: Path) -> dict[str, Path]:
    files = annotation_files(folder)
    if len(files) > 1:
        return {json_stem(file): file for file in files}
    if files or is_mask_folder(folder) or is_sa1b_folder(folder):
        return {folder.resolve().name: folder}
    return {}
