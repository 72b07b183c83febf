/** The five views of a mask that raters get (App. G): each is drawn on a canvas of its own. */
import type { Box } from "../../core/bitmap";
import { outline } from "../../core/outline";
import { type Rle, columnRuns, rleBox } from "../../core/rle";

export interface Rated {
  readonly picture: CanvasImageSource;
  readonly mask: Rle;
  readonly points: readonly (readonly [number, number])[];
}

interface View {
  readonly name: string;
  readonly isCrop: boolean;
  readonly hasPicture: boolean;
  readonly hasMask: boolean;
}

export const VIEWS: readonly View[] = [
  { name: "Image", isCrop: false, hasPicture: true, hasMask: false },
  { name: "Image with mask", isCrop: false, hasPicture: true, hasMask: true },
  { name: "Mask", isCrop: false, hasPicture: false, hasMask: true },
  { name: "Close-up", isCrop: true, hasPicture: true, hasMask: false },
  { name: "Close-up with mask", isCrop: true, hasPicture: true, hasMask: true },
];

const MARGIN = 0.3; // of the mask's longer side, around it
const LEAST_MARGIN = 16; // pixels
const LONGEST = 1000; // pixels of a canvas
const [RED, PURPLE, YELLOW] = ["#ff2d2d", "#440154", "#fde725"] as const;

/** The part of the image around a mask that close-ups show. */
export function closeUp(mask: Rle): Box {
  const [height, width] = mask.size;
  const { x0, y0, x1, y1 } = rleBox(mask);
  const margin = Math.max(LEAST_MARGIN, Math.round(MARGIN * Math.max(x1 - x0, y1 - y0)));
  return {
    x0: Math.max(0, x0 - margin),
    y0: Math.max(0, y0 - margin),
    x1: Math.min(width, x1 + margin),
    y1: Math.min(height, y1 + margin),
  };
}

/** Sizes the canvas to the view and draws it. */
export function drawView(canvas: HTMLCanvasElement, view: View, { picture, mask, points }: Rated) {
  const [height, width] = mask.size;
  const part = view.isCrop ? closeUp(mask) : { x0: 0, y0: 0, x1: width, y1: height };
  const size = [part.x1 - part.x0, part.y1 - part.y0] as const;
  const scale = LONGEST / Math.max(...size);
  canvas.width = Math.round(size[0] * scale);
  canvas.height = Math.round(size[1] * scale);
  const context = canvas.getContext("2d")!;
  context.setTransform(scale, 0, 0, scale, -part.x0 * scale, -part.y0 * scale);
  if (view.hasPicture) context.drawImage(picture, 0, 0, width, height);
  else {
    context.fillStyle = PURPLE;
    context.fillRect(0, 0, width, height);
  }
  if (view.hasMask) {
    context.fillStyle = view.hasPicture ? RED : YELLOW;
    context.globalAlpha = view.hasPicture ? 0.4 : 1;
    const runs = new Path2D();
    for (const [x, from, to] of columnRuns(mask)) runs.rect(x, from, 1, to - from);
    context.fill(runs);
    context.globalAlpha = 1;
    if (view.hasPicture) stroke(context, outline(mask), 2.5 / scale);
  }
  if (view.hasPicture) for (const point of points) dot(context, point, 7 / scale);
}

function stroke(context: CanvasRenderingContext2D, lines: readonly number[], width: number) {
  context.strokeStyle = RED;
  context.lineWidth = width;
  context.beginPath();
  for (let i = 0; i < lines.length; i += 4) {
    context.moveTo(lines[i]!, lines[i + 1]!);
    context.lineTo(lines[i + 2]!, lines[i + 3]!);
  }
  context.stroke();
}

function dot(context: CanvasRenderingContext2D, [x, y]: readonly [number, number], radius: number) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = "#22c55e";
  context.fill();
  context.lineWidth = radius / 3;
  context.strokeStyle = "#ffffff";
  context.stroke();
}
