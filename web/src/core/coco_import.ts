/** COCO JSON from anywhere as objects of the open picture: run lengths, plain or as text, and polygons. */
import { type Annotation, newAnnotation } from "./document";
import { combine } from "./mask_sets";
import { polygonToRle } from "./polygon";
import type { Click } from "./prompts";
import { type Rle, emptyRle, rleArea, rleFromCoco, rleFromCounts } from "./rle";

export interface Imported {
  readonly annotations: readonly Annotation[];
  /** Of this picture, but empty, damaged or of another size. */
  readonly numSkipped: number;
}

type Json = Readonly<Record<string, unknown>>;

const UNNAMED = "object"; // as `toCoco` writes it

/**
 * The objects that a COCO file has for a picture, which is found by its name, else by its size
 * where the file knows one picture of that size.
 *
 * @param newId names an object that has no `uuid`.
 * @param numBegun objects that the picture has had so far; gives each new one its colour.
 * @throws RangeError one line that says why the file has nothing for this picture.
 */
export function fromCoco(
  text: string,
  image: { fileName: string; width: number; height: number },
  newId: () => string,
  numBegun: number,
): Imported {
  const coco = parsed(text);
  const size = [image.height, image.width] as const;
  const imageId = imageIdOf(rows(coco.images), image);
  const names = new Map(rows(coco.categories).map(({ id, name }) => [id, String(name)]));
  const own = rows(coco.annotations).filter((row) => row.image_id === imageId);
  const annotations: Annotation[] = [];
  for (const row of own) {
    const mask = maskOf(row.segmentation, size);
    if (!mask || !rleArea(mask)) continue;
    const id = typeof row.uuid === "string" ? row.uuid : newId();
    const name = names.get(row.category_id) ?? "";
    annotations.push({
      ...newAnnotation(id, mask, numBegun + annotations.length),
      name: name === UNNAMED ? "" : name,
      clicks: clicksOf(row),
      predictedIou: typeof row.predicted_iou === "number" ? row.predicted_iou : null,
    });
  }
  if (!annotations.length)
    throw new RangeError(
      `The file must have masks for ${image.fileName}, got ${own.length ? "only empty or damaged ones" : "none"}.`,
    );
  return { annotations, numSkipped: own.length - annotations.length };
}

function parsed(text: string): Json {
  let value: unknown = null;
  try {
    value = JSON.parse(text);
  } catch {
    // said below
  }
  if (!isObject(value) || !Array.isArray(value.images) || !Array.isArray(value.annotations))
    throw new RangeError(
      'The file must be COCO JSON with "images" and "annotations", got another.',
    );
  return value;
}

function imageIdOf(
  images: readonly Json[],
  { fileName, width, height }: { fileName: string; width: number; height: number },
): unknown {
  const sameSize = images.filter((image) => image.width === width && image.height === height);
  const named = images.filter(
    (image) => String(image.file_name).split(/[/\\]/).at(-1) === fileName,
  );
  const wrong = named[0];
  if (wrong && !named.some((image) => sameSize.includes(image)))
    throw new RangeError(
      `${fileName} must be of ${width} x ${height} pixels in the file, got ${String(wrong.width)} x ${String(wrong.height)}.`,
    );
  const found = named.find((image) => sameSize.includes(image)) ?? sameSize[0];
  if (!found || (!named.length && sameSize.length > 1))
    throw new RangeError(
      `The file must know ${fileName}, or one picture of ${width} x ${height} pixels, got ${sameSize.length}.`,
    );
  return found.id;
}

/** The mask of a segmentation, or null where it is none of this size. */
function maskOf(segmentation: unknown, size: readonly [number, number]): Rle | null {
  if (Array.isArray(segmentation)) return ofPolygons(segmentation, size);
  if (!isObject(segmentation)) return null;
  const { size: given, counts } = segmentation;
  if (!Array.isArray(given) || given[0] !== size[0] || given[1] !== size[1]) return null;
  try {
    if (typeof counts === "string") return rleFromCoco({ size, counts });
    return isNumbers(counts) ? rleFromCounts(size, counts) : null;
  } catch {
    return null; // damaged
  }
}

function ofPolygons(polygons: readonly unknown[], size: readonly [number, number]): Rle | null {
  if (!polygons.every((polygon) => isNumbers(polygon) && polygon.length >= 6)) return null;
  return (polygons as number[][])
    .map((flat) =>
      Array.from({ length: flat.length >> 1 }, (_, i) => ({
        x: flat[2 * i]!,
        y: flat[2 * i + 1]!,
      })),
    )
    .reduce((mask, points) => combine(mask, polygonToRle(points, size), "unite"), emptyRle(size));
}

function clicksOf({ point_coords: coords, point_labels: labels }: Json): Click[] {
  if (!Array.isArray(coords) || !isNumbers(labels) || coords.length !== labels.length) return [];
  return coords.flatMap((pair: unknown, i) =>
    isNumbers(pair) && pair.length === 2
      ? [{ x: pair[0]!, y: pair[1]!, label: labels[i] ? (1 as const) : (0 as const) }]
      : [],
  );
}

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null;

const isNumbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((number) => Number.isFinite(number));

const rows = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isObject) : []);
