/** Two people changed one object: both masks side by side, and the choice. */
import { useEffect, useRef } from "react";
import type { Picture } from "../../canvas/picture";
import { type Box, isEmpty } from "../../core/bitmap";
import type { Annotation } from "../../core/document";
import { rleArea, rleBox, rleToBitmap } from "../../core/rle";
import type { Conflict } from "../../storage/sync";
import { Dialog } from "./Dialog";

const SIDE = 300; // of each picture, in CSS pixels
const MARGIN = 0.15; // around the masks, as a share of their box

interface Props {
  readonly conflict: Conflict;
  readonly picture: Picture;
  readonly onChoose: (choice: "mine" | "theirs" | "both") => void;
}

export function ConflictDialog({ conflict: { mine, theirs }, picture, onChoose }: Props) {
  const box = aroundBoth(mine, theirs, picture);
  return (
    <Dialog title="This object was changed elsewhere, too">
      <div className="conflict">
        <Version title="Mine" annotation={mine} picture={picture} box={box} />
        <Version title="Theirs" annotation={theirs} picture={picture} box={box} />
      </div>
      <div className="conflict-actions">
        <button type="button" onClick={() => onChoose("mine")} autoFocus>
          {mine ? "Keep mine" : "Delete it all the same"}
        </button>
        <button type="button" onClick={() => onChoose("theirs")}>
          {theirs ? "Keep theirs" : "Delete mine"}
        </button>
        {mine && theirs && (
          <button type="button" onClick={() => onChoose("both")}>
            Keep both
          </button>
        )}
      </div>
    </Dialog>
  );
}

interface VersionProps {
  readonly title: string;
  readonly annotation: Annotation | null;
  readonly picture: Picture;
  readonly box: Box;
}

function Version({ title, annotation, picture, box }: VersionProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [boxWidth, boxHeight] = [box.x1 - box.x0, box.y1 - box.y0];
  const scale = SIDE / Math.max(boxWidth, boxHeight);
  const [width, height] = [Math.ceil(boxWidth * scale), Math.ceil(boxHeight * scale)];
  useEffect(() => {
    const context = canvas.current!.getContext("2d")!;
    context.setTransform(2, 0, 0, 2, 0, 0); // sharp on dense screens
    const level = picture.level(scale);
    const shrink = level.width / picture.size.width;
    context.drawImage(
      level,
      box.x0 * shrink,
      box.y0 * shrink,
      boxWidth * shrink,
      boxHeight * shrink,
      0,
      0,
      width,
      height,
    );
    if (!annotation) return;
    context.globalAlpha = 0.6;
    context.imageSmoothingEnabled = scale < 1;
    context.drawImage(painted(annotation, box), 0, 0, width, height);
    context.globalAlpha = 1;
  }, []);
  const name = annotation && (annotation.name || "without a name");
  const area = annotation && `${rleArea(annotation.mask).toLocaleString()} px`;
  return (
    <figure>
      <canvas
        ref={canvas}
        width={2 * width}
        height={2 * height}
        style={{ width, height }}
        role="img"
        aria-label={annotation ? `${title}: ${name}, ${area}` : `${title}: deleted`}
      />
      <figcaption>
        <strong>{title}</strong> {annotation ? `${name} · ${area}` : "deleted"}
      </figcaption>
    </figure>
  );
}

function painted({ mask, colour }: Annotation, box: Box): OffscreenCanvas {
  const { data, width, height } = rleToBitmap(mask, box);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d")!;
  const pixels = Uint32Array.from(data, (inside) => (inside ? 0xff000000 : 0));
  const bytes = new Uint8ClampedArray(pixels.buffer);
  context.putImageData(new ImageData(bytes, width, height), 0, 0);
  context.globalCompositeOperation = "source-in";
  context.fillStyle = colour;
  context.fillRect(0, 0, width, height);
  return canvas;
}

/** The part of the picture that shows both masks. */
function aroundBoth(a: Annotation | null, b: Annotation | null, { size }: Picture): Box {
  const boxes = [a, b].flatMap((one) => (one ? [rleBox(one.mask)] : []));
  const filled = boxes.filter((box) => !isEmpty(box));
  if (!filled.length) return { x0: 0, y0: 0, x1: size.width, y1: size.height };
  const [x0, y0] = [Math.min(...filled.map((f) => f.x0)), Math.min(...filled.map((f) => f.y0))];
  const [x1, y1] = [Math.max(...filled.map((f) => f.x1)), Math.max(...filled.map((f) => f.y1))];
  const margin = Math.ceil(8 + MARGIN * Math.max(x1 - x0, y1 - y0));
  return {
    x0: Math.max(0, x0 - margin),
    y0: Math.max(0, y0 - margin),
    x1: Math.min(size.width, x1 + margin),
    y1: Math.min(size.height, y1 + margin),
  };
}
