/** Faces and plates of a project's pictures. */
import type { Api } from "./client";

export type RegionKind = "face" | "plate";
/** x0, y0, x1, y1 in pixels of the image. */
export type RegionBox = readonly [number, number, number, number];

export interface StoredRegion {
  readonly box: RegionBox;
  readonly kind: RegionKind;
  readonly score: number;
  /** The detector's name, or "person". */
  readonly source: string;
}

export interface Regions {
  readonly image_id: number;
  /** 0 while nobody has looked. */
  readonly version: number;
  readonly is_done: boolean;
  readonly regions: readonly StoredRegion[];
  /** Why no detector has looked. */
  readonly problem: string | null;
}

export interface PrivacyImage {
  readonly image_id: number;
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly version: number;
  readonly is_done: boolean;
  readonly num_regions: number;
}

interface Page {
  readonly isDone?: boolean;
  readonly after?: number;
  readonly limit: number;
}

export function privacyImages(api: Api, project: number, page: Page): Promise<PrivacyImage[]> {
  const query = new URLSearchParams({ limit: String(page.limit) });
  if (page.isDone !== undefined) query.set("is_done", String(page.isDone));
  if (page.after) query.set("after", String(page.after));
  return api.get(`projects/${project}/privacy?${query}`);
}

/** Lets the detectors look, unless somebody or they have before. */
export const proposeRegions = (api: Api, image: number) =>
  api.call<Regions>("POST", `images/${image}/regions`);

export const saveRegions = (
  api: Api,
  image: number,
  version: number,
  regions: readonly Pick<StoredRegion, "box" | "kind">[],
  is_done: boolean,
) =>
  api.call<Regions>("PUT", `images/${image}/regions`, {
    body: { version, regions: regions.map(({ box, kind }) => ({ box, kind })), is_done },
  });
