/** Where one is, in the address: the grid, or an image with or without one of its masks. */

export interface Place {
  /** In the data set's order. */
  readonly image: number;
  readonly mask: number | null;
}

export function imageHash(image: number, mask: number | null = null): string {
  return `#image=${image}${mask === null ? "" : `&mask=${mask}`}`;
}

/** Null is the grid, as is every address that says nothing. */
export function placeOf(hash: string): Place | null {
  const found = /^#image=(\d+)(?:&mask=(\d+))?$/.exec(hash);
  if (!found) return null;
  return { image: Number(found[1]), mask: found[2] === undefined ? null : Number(found[2]) };
}
