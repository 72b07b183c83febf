/** What `anymask dataset view` has written, as values. */
import { type Rle, rleFromCoco } from "../core/rle";
import type { Point } from "../core/brush";

/** index.json: what is known before an image is opened; images by columns. */
interface IndexFile {
  readonly version: number;
  readonly title: string;
  readonly palette: readonly string[];
  readonly score_scale: number;
  readonly unknown: number;
  readonly images: {
    readonly ids: readonly number[];
    readonly names: readonly string[];
    readonly widths: readonly number[];
    readonly heights: readonly number[];
    readonly num_masks: readonly number[];
    readonly pictures: readonly string[];
  };
  readonly regions: Readonly<Record<string, readonly Region[]>> | null;
  readonly num_broken_rules: number | null;
  readonly num_problems: number;
}

/** A blurred face or plate; the box is half-open, in pixels. */
export interface Region {
  readonly box: readonly [number, number, number, number];
  readonly kind: string;
}

export interface ImageEntry {
  /** In the data set's order. */
  readonly place: number;
  readonly id: number;
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly numMasks: number;
  /** The number of masks of all images before it. */
  readonly firstMask: number;
  /** Addresses, relative to the page. */
  readonly picture: string;
  readonly small: string;
  readonly smallMasks: string;
  readonly masks: string;
}

/** What can be asked of a mask without opening its image; each from 0 to about 1. */
export type MaskColumn = "predictedIou" | "stability" | "relativeSize";

export interface Site {
  readonly title: string;
  readonly palette: readonly string[];
  readonly images: readonly ImageEntry[];
  readonly numMasks: number;
  /** Of all masks in the order of images; `NaN` where nothing is known. */
  readonly columns: Readonly<Record<MaskColumn, Float32Array>>;
  readonly regions: ReadonlyMap<number, readonly Region[]> | null;
  /** How often the format's rules are broken; null where nobody has looked. */
  readonly numBrokenRules: number | null;
  readonly numLeftOut: number;
}

/** A mask with what its data set says of it; null and "" where it says nothing. */
export interface ShownMask {
  /** In the image's list, which gives its colour. */
  readonly place: number;
  readonly id: number;
  readonly mask: Rle;
  readonly area: number;
  readonly category: string;
  readonly predictedIou: number | null;
  readonly stability: number | null;
  readonly points: readonly Point[];
  /** x, y, width, height. */
  readonly cropBox: readonly [number, number, number, number] | null;
}

interface MaskFile {
  readonly annotations: readonly {
    readonly id: number;
    readonly area: number;
    readonly segmentation: { readonly size: readonly [number, number]; readonly counts: string };
    readonly category: string;
    readonly predicted_iou: number | null;
    readonly stability_score: number | null;
    readonly point_coords: readonly (readonly [number, number])[];
    readonly crop_box: readonly [number, number, number, number] | null;
  }[];
}

export const COLUMNS: readonly MaskColumn[] = ["predictedIou", "stability", "relativeSize"];

const VERSION = 1;

/** Everything but the images; an error says what is missing. */
export async function loadSite(): Promise<Site> {
  const [index, bytes] = await Promise.all([
    fetched("index.json").then((answer) => answer.json() as Promise<IndexFile>),
    fetched("masks.bin").then((answer) => answer.arrayBuffer()),
  ]);
  if (index.version !== VERSION)
    throw new Error(`The page and its index.json are of two versions. Write the viewer again.`);
  return siteOf(index, new Uint8Array(bytes));
}

/** The site of its two files. */
export function siteOf(index: IndexFile, bytes: Uint8Array): Site {
  const { ids, names, widths, heights, num_masks: counts, pictures } = index.images;
  let numMasks = 0;
  const images = ids.map((id, place): ImageEntry => {
    const picture = pictures[place]!;
    const stem = picture.slice(0, picture.lastIndexOf("."));
    const firstMask = numMasks;
    numMasks += counts[place]!;
    return {
      place,
      id,
      name: names[place]!,
      width: widths[place]!,
      height: heights[place]!,
      numMasks: counts[place]!,
      firstMask,
      picture,
      small: `${stem}_small.jpg`,
      smallMasks: `${stem}_masks.png`,
      masks: `${stem}.json`,
    };
  });
  const column = (row: number) =>
    Float32Array.from(bytes.subarray(row * numMasks, (row + 1) * numMasks), (byte) =>
      byte === index.unknown ? NaN : byte / index.score_scale,
    );
  return {
    title: index.title,
    palette: index.palette,
    images,
    numMasks,
    columns: { predictedIou: column(0), stability: column(1), relativeSize: column(2) },
    regions:
      index.regions &&
      new Map(Object.entries(index.regions).map(([place, regions]) => [Number(place), regions])),
    numBrokenRules: index.num_broken_rules,
    numLeftOut: index.num_problems,
  };
}

/** The masks of an image. */
export async function loadMasks(image: ImageEntry): Promise<ShownMask[]> {
  const { annotations } = (await (await fetched(image.masks)).json()) as MaskFile;
  return annotations.map((one, place) => ({
    place,
    id: one.id,
    mask: rleFromCoco(one.segmentation),
    area: one.area,
    category: one.category,
    predictedIou: one.predicted_iou,
    stability: one.stability_score,
    points: one.point_coords.map(([x, y]) => ({ x, y })),
    cropBox: one.crop_box,
  }));
}

export async function loadPicture(image: ImageEntry): Promise<Blob> {
  return (await fetched(image.picture)).blob();
}

async function fetched(path: string): Promise<Response> {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path} could not be loaded (${answer.status}).`);
  return answer;
}
