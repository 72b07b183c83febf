/** Which images are shown, and in which order. */
import { COLUMNS, type ImageEntry, type MaskColumn, type Site } from "./site";

/** From the first to the second, both included. */
export type Range = readonly [number, number];

export type Order = "place" | "name" | "masks" | "predictedIou" | "stability";

export interface Filter {
  /** A part of the file's name or the image's id; any case. */
  readonly text: string;
  readonly numMasks: Range;
  /** Of the image, in pixels. */
  readonly shortestSide: Range;
  /** Images need a mask within all of these. */
  readonly masks: Readonly<Record<MaskColumn, Range>>;
  readonly order: Order;
  readonly isDescending: boolean;
}

export const EVERYTHING: Range = [-Infinity, Infinity];

export const NO_FILTER: Filter = {
  text: "",
  numMasks: EVERYTHING,
  shortestSide: EVERYTHING,
  masks: { predictedIou: EVERYTHING, stability: EVERYTHING, relativeSize: EVERYTHING },
  order: "place",
  isDescending: false,
};

const ROUNDING = 1e-6; // of numbers kept in 32 bits

export const isIn = ([low, high]: Range, value: number): boolean =>
  value >= low - ROUNDING && value <= high + ROUNDING;

export const isEverything = ([low, high]: Range): boolean => low === -Infinity && high === Infinity;

/** The images that pass, in the order that is asked for. */
export function matching(site: Site, filter: Filter): ImageEntry[] {
  const text = filter.text.trim().toLowerCase();
  const found = site.images.filter(
    (image) =>
      (image.name.toLowerCase().includes(text) || String(image.id).includes(text)) &&
      isIn(filter.numMasks, image.numMasks) &&
      isIn(filter.shortestSide, Math.min(image.width, image.height)) &&
      hasMask(site, image, filter),
  );
  const compare = comparison(site, filter.order);
  found.sort(filter.isDescending ? (a, b) => compare(b, a) : compare);
  return found;
}

/** Whether a mask passes, `index` being its place among all masks of the site. */
export function passes(site: Site, index: number, filter: Filter): boolean {
  return COLUMNS.every((column) => {
    const range = filter.masks[column];
    return isEverything(range) || isIn(range, site.columns[column][index]!);
  });
}

function hasMask(site: Site, image: ImageEntry, filter: Filter): boolean {
  if (COLUMNS.every((column) => isEverything(filter.masks[column]))) return true;
  for (let mask = 0; mask < image.numMasks; mask++)
    if (passes(site, image.firstMask + mask, filter)) return true;
  return false;
}

function comparison(site: Site, order: Order): (a: ImageEntry, b: ImageEntry) => number {
  if (order === "place") return (a, b) => a.place - b.place;
  if (order === "name")
    return (a, b) =>
      a.name.localeCompare(b.name, undefined, { numeric: true }) || a.place - b.place;
  if (order === "masks") return (a, b) => a.numMasks - b.numMasks || a.place - b.place;
  const means = site.images.map((image) => mean(site, image, order));
  return (a, b) => means[a.place]! - means[b.place]! || a.place - b.place;
}

/** Of an image's masks; 0 where nothing is known, so that all numbers compare. */
function mean(site: Site, { firstMask, numMasks }: ImageEntry, column: MaskColumn): number {
  const values = site.columns[column].subarray(firstMask, firstMask + numMasks);
  const known = values.filter((value) => !Number.isNaN(value));
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : 0;
}
