"""XML files of others as trees: no document types, so no entities that grow or reach out."""

from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from anymask.core.errors import InvalidInputError

_MAX_DEPTH = 32


def read_xml(path: Path) -> Element:
    """Return the root element of a file.

    Raises:
        InvalidInputError: not XML, damaged, nested too deeply, or with a document type (which is
            where entities are declared).
    """
    parser = expat.ParserCreate()
    builder = TreeBuilder()
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _MAX_DEPTH:
            raise InvalidInputError(
                f"XML must be nested at most {_MAX_DEPTH} deep, got more. Is it annotations?"
            )
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: object) -> None:
        raise InvalidInputError("XML must have no DOCTYPE, got one. Remove it.")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        with path.open("rb") as stream:
            parser.ParseFile(stream)
        return builder.close()
    except (expat.ExpatError, LookupError, OSError, ValueError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError(f"file must be whole XML, got: {error}. Write it again.") from None
