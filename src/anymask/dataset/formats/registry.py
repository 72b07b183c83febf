"""The formats that can be written, by the names that commands and the API know them by."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from anymask.core.annotated import AnnotatedImage
from anymask.core.errors import UnknownNameError
from anymask.dataset.formats.coco import write_coco, write_coco_polygons
from anymask.dataset.formats.cvat import write_cvat
from anymask.dataset.formats.labelme import write_labelme
from anymask.dataset.formats.lvis import write_lvis
from anymask.dataset.formats.masks import write_masks
from anymask.dataset.formats.sa1b import write_sa1b
from anymask.dataset.formats.voc import write_voc
from anymask.dataset.formats.written import WrittenFile
from anymask.dataset.formats.yolo import write_yolo


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format of annotation files.

    Attributes:
        name: for commands.
        title: for people.
        write: gives the files of images with masks; the text is the title of the whole.
        picture_folder: where pictures lie beside the files, "" for the same folder.
    """

    name: str
    title: str
    write: Callable[[Iterable[AnnotatedImage], str], Iterator[WrittenFile]]
    picture_folder: str


FORMATS = {
    format.name: format
    for format in (
        Format(name="coco", title="COCO (run lengths)", write=write_coco, picture_folder="images"),
        Format(
            name="coco_polygons",
            title="COCO (polygons)",
            write=write_coco_polygons,
            picture_folder="images",
        ),
        Format(name="lvis", title="LVIS", write=write_lvis, picture_folder="images"),
        Format(name="sa1b", title="SA-1B", write=write_sa1b, picture_folder=""),
        Format(name="yolo", title="YOLO-seg", write=write_yolo, picture_folder="images"),
        Format(name="voc", title="Pascal VOC", write=write_voc, picture_folder="JPEGImages"),
        Format(name="masks", title="PNG masks", write=write_masks, picture_folder="images"),
        Format(name="labelme", title="LabelMe", write=write_labelme, picture_folder=""),
        Format(name="cvat", title="CVAT for images 1.1", write=write_cvat, picture_folder="images"),
    )
}


def get_format(name: str) -> Format:
    """Return the format of that name; UnknownNameError lists the known ones."""
    if name not in FORMATS:
        raise UnknownNameError("format", name, list(FORMATS))
    return FORMATS[name]
