/** A large picture as square tiles at several resolutions: painted once, then only moved and scaled. */
import { type Box, emptyBox, intersection, isEmpty, union } from "../core/bitmap";
import { scaled } from "../core/overlay";
import { type Size, type Viewport, toImage } from "../core/viewport";

const SIDE = 512; // pixels of a tile
const MAX_TILES = 128; // a MiB each
const FRAME_MS = 5; // for painting new tiles while others can stand in

/** Paints a box of a level, which has halved the picture `level` times, in that level's pixels. */
export type PaintTile = (
  context: OffscreenCanvasRenderingContext2D,
  box: Box,
  level: number,
) => void;

interface Tile {
  readonly context: OffscreenCanvasRenderingContext2D;
  readonly level: number;
  /** In pixels of its level. */
  readonly box: Box;
  /** What is not as it should be, in pixels of its level. */
  dirty: Box;
}

export class Tiles {
  private readonly tiles = new Map<string, Tile>(); // the one drawn last is the last
  private readonly numLevels: number;

  constructor(
    private readonly size: Size,
    private readonly paint: PaintTile,
  ) {
    const longest = Math.max(size.width, size.height);
    this.numLevels = Math.max(1, Math.ceil(Math.log2(longest / SIDE)) + 1);
  }

  /** A box of the picture looks different from now on. */
  invalidate(box: Box): void {
    if (isEmpty(box)) return;
    for (const tile of this.tiles.values())
      tile.dirty = union(tile.dirty, intersection(scaled(box, 2 ** tile.level), tile.box));
  }

  /**
   * Draw what a screen shows, on a context whose unit is a device pixel; false while coarser tiles
   * stand in for some.
   *
   * @param view in device pixels.
   */
  draw(context: CanvasRenderingContext2D, view: Viewport, screen: Size): boolean {
    const wanted = Math.floor(Math.log2(1 / view.scale));
    const level = Math.min(this.numLevels - 1, Math.max(0, wanted));
    const step = 2 ** level;
    const [from, to] = [
      toImage(view, { x: 0, y: 0 }),
      toImage(view, { x: screen.width, y: screen.height }),
    ];
    const seen = scaled({ x0: from.x, y0: from.y, x1: to.x, y1: to.y }, step);
    const shown = intersection(seen, this.levelBox(level));
    const deadline = performance.now() + FRAME_MS;
    let isDone = true;
    for (const [column, row] of places(shown)) {
      const tile = this.tile(level, column, row);
      const isLate = isWhole(tile) && performance.now() > deadline;
      const other = isLate ? this.standIn(level, column, row) : null;
      if (other) isDone = false;
      else this.repair(tile);
      blit(context, other ?? tile, intersection(shown, tile.box), step, view);
    }
    this.forget();
    return isDone;
  }

  /** Paint one tile that is not on the screen yet, coarse ones first; false when there is none. */
  prepare(): boolean {
    for (let level = this.numLevels - 1; level >= 0; level--)
      for (const [column, row] of places(this.levelBox(level))) {
        const known = this.tiles.get(key(level, column, row));
        if (!known && this.tiles.size >= MAX_TILES) return false;
        if (known && isEmpty(known.dirty)) continue;
        this.repair(known ?? this.tile(level, column, row));
        return true;
      }
    return false;
  }

  /** The tile of a place, new ones unpainted. */
  private tile(level: number, column: number, row: number): Tile {
    const name = key(level, column, row);
    let tile = this.tiles.get(name);
    if (tile) this.tiles.delete(name);
    else {
      const [x0, y0] = [column * SIDE, row * SIDE];
      const square = { x0, y0, x1: x0 + SIDE, y1: y0 + SIDE };
      const box = intersection(square, this.levelBox(level));
      const canvas = new OffscreenCanvas(box.x1 - box.x0, box.y1 - box.y0);
      tile = { context: canvas.getContext("2d")!, level, box, dirty: box };
    }
    this.tiles.set(name, tile);
    return tile;
  }

  /** A painted tile of a coarser level that covers the place. */
  private standIn(level: number, column: number, row: number): Tile | null {
    for (let coarse = level + 1; coarse < this.numLevels; coarse++) {
      const steps = coarse - level;
      const tile = this.tiles.get(key(coarse, column >> steps, row >> steps));
      if (tile && isEmpty(tile.dirty)) return tile;
    }
    return null;
  }

  private repair(tile: Tile): void {
    const { context, box, dirty, level } = tile;
    if (isEmpty(dirty)) return;
    context.setTransform(1, 0, 0, 1, -box.x0, -box.y0);
    this.paint(context, dirty, level);
    tile.dirty = emptyBox;
  }

  /** Keep memory bounded; the coarsest tiles are few and stand in for all others. */
  private forget(): void {
    for (const [name, { level }] of this.tiles) {
      if (this.tiles.size <= MAX_TILES) return;
      if (level < this.numLevels - 2) this.tiles.delete(name);
    }
  }

  private levelBox(level: number): Box {
    const { width, height } = this.size;
    return scaled({ x0: 0, y0: 0, x1: width, y1: height }, 2 ** level);
  }
}

const key = (level: number, column: number, row: number) => `${level} ${column} ${row}`;

const isWhole = ({ dirty, box }: Tile) =>
  dirty.x1 - dirty.x0 === box.x1 - box.x0 && dirty.y1 - dirty.y0 === box.y1 - box.y0;

/** Columns and rows of the tiles that a box of a level touches. */
function* places(box: Box): Generator<[number, number]> {
  if (isEmpty(box)) return;
  const { x0, y0, x1, y1 } = scaled(box, SIDE);
  for (let row = y0; row < y1; row++)
    for (let column = x0; column < x1; column++) yield [column, row];
}

/** Draw a part, in pixels of a level with `step` pixels of the image in each, from a tile of any level. */
function blit(
  context: CanvasRenderingContext2D,
  { context: { canvas }, box, level }: Tile,
  part: Box,
  step: number,
  { scale, x, y }: Viewport,
): void {
  // Edges on whole device pixels: neighbours meet there without a seam.
  const place = (at: number, offset: number) => Math.round(at * step * scale + offset);
  const [left, top] = [place(part.x0, x), place(part.y0, y)];
  const ratio = step / 2 ** level;
  context.drawImage(
    canvas,
    part.x0 * ratio - box.x0,
    part.y0 * ratio - box.y0,
    (part.x1 - part.x0) * ratio,
    (part.y1 - part.y0) * ratio,
    left,
    top,
    place(part.x1, x) - left,
    place(part.y1, y) - top,
  );
}
