/** Where the picture lies on the screen; zoom and pan as arithmetic. */
import type { Box } from "./bitmap";
import type { Point } from "./brush";

/** screen = image * scale + (x, y), in CSS pixels of the canvas. */
export interface Viewport {
  readonly scale: number;
  readonly x: number;
  readonly y: number;
}

/** In CSS pixels, or in pixels of an image. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

const MAX_SCALE = 64;
const MARGIN = 24; // around a picture that fits
const KEPT = 60; // of the picture stays in sight

/** The whole picture in the middle; small ones are not enlarged beyond 8 times. */
export function fit(image: Size, screen: Size): Viewport {
  const room = (side: number) => Math.max(1, side - 2 * MARGIN);
  const scale = Math.min(8, room(screen.width) / image.width, room(screen.height) / image.height);
  return {
    scale,
    x: (screen.width - image.width * scale) / 2,
    y: (screen.height - image.height * scale) / 2,
  };
}

/** A part of the picture in the middle, with room around it; single pixels are not enlarged beyond 16 times. */
export function fitBox(box: Box, screen: Size): Viewport {
  const [width, height] = [box.x1 - box.x0, box.y1 - box.y0];
  const scale = Math.min(16, screen.width / (1.5 * width), screen.height / (1.5 * height));
  return {
    scale,
    x: screen.width / 2 - (box.x0 + width / 2) * scale,
    y: screen.height / 2 - (box.y0 + height / 2) * scale,
  };
}

/** Closer by a factor; what lies under the screen's point `at` stays there. */
export function zoomAt(
  view: Viewport,
  at: Point,
  factor: number,
  image: Size,
  screen: Size,
): Viewport {
  const least = Math.min(fit(image, screen).scale / 2, 1);
  const scale = Math.min(MAX_SCALE, Math.max(least, view.scale * factor));
  const ratio = scale / view.scale;
  const moved = { scale, x: at.x - (at.x - view.x) * ratio, y: at.y - (at.y - view.y) * ratio };
  return keptInSight(moved, image, screen);
}

export function pan(view: Viewport, dx: number, dy: number, image: Size, screen: Size): Viewport {
  return keptInSight({ ...view, x: view.x + dx, y: view.y + dy }, image, screen);
}

/** Continuous image coordinates of a point of the screen. */
export function toImage({ scale, x, y }: Viewport, at: Point): Point {
  return { x: (at.x - x) / scale, y: (at.y - y) / scale };
}

/** The inverse of `toImage`. */
export function toScreen({ scale, x, y }: Viewport, at: Point): Point {
  return { x: at.x * scale + x, y: at.y * scale + y };
}

/** The pixel under a continuous point, or the nearest one of the picture. */
export function pixelAt(at: Point, image: Size): Point {
  const clamp = (value: number, length: number) =>
    Math.min(length - 1, Math.max(0, Math.floor(value)));
  return { x: clamp(at.x, image.width), y: clamp(at.y, image.height) };
}

function keptInSight(view: Viewport, image: Size, screen: Size): Viewport {
  const clamp = (value: number, length: number, room: number) =>
    Math.min(room - KEPT, Math.max(KEPT - length * view.scale, value));
  return {
    scale: view.scale,
    x: clamp(view.x, image.width, screen.width),
    y: clamp(view.y, image.height, screen.height),
  };
}
