/** What a person asks and what the model answers. */
import { type ImageFrame, inputSize } from "./frames";
import { type Rle, columnRuns } from "./rle";

/** A click on a pixel, in whole pixels of the image. */
export interface Click {
  readonly x: number;
  readonly y: number;
  /** 1 belongs to the object, 0 does not. */
  readonly label: 0 | 1;
}

/** xyxy in pixels of the image. */
export type PromptBox = readonly [number, number, number, number];

export interface Prompt {
  readonly clicks: readonly Click[];
  readonly box: PromptBox | null;
  /** Logits (side * side) of an earlier answer. */
  readonly maskInput: Float32Array | null;
}

/** The masks of one prompt: the single one, then the three of an ambiguous prompt. */
export interface Answer {
  /** (1 + 3) * side * side, in the model's square. */
  readonly logits: Float32Array;
  readonly side: number;
  /** The model's estimates of the masks' IoU. */
  readonly ious: readonly number[];
  /** The mask that answers, by the paper's rule. */
  readonly best: number;
}

/** Who answers prompts about the open picture: the model in the page's worker, or a server. */
export interface Assistant {
  /** Every question is answered, in order. */
  ask(prompt: Prompt, onAnswer: (answer: Answer) => void): void;
  /** Answered when nothing else is to do; a later preview or question takes the place of this one. */
  askPreview(prompt: Prompt, onAnswer: (answer: Answer) => void): void;
}

/** Whether two prompts ask the same. */
export function isSamePrompt(a: Prompt, b: Prompt): boolean {
  return (
    isSameList(a.clicks, b.clicks, (p, q) => p.x === q.x && p.y === q.y && p.label === q.label) &&
    isSameList(a.box, b.box, Object.is) &&
    isSameList(a.maskInput, b.maskInput, Object.is)
  );
}

function isSameList<T>(
  a: ArrayLike<T> | null,
  b: ArrayLike<T> | null,
  isSame: (a: T, b: T) => boolean,
): boolean {
  if (a === b) return true;
  if (a?.length !== b?.length) return false;
  for (let i = 0; i < a!.length; i++) if (!isSame(a![i]!, b![i]!)) return false;
  return true;
}

const SURE_LOGIT = 10; // as `inference/mask_input.py`
const NUM_CANDIDATES = 3;

/** The masks to choose from, the model's own choice first, the others by their estimated IoU. */
export function candidates({ ious, best }: Answer): number[] {
  const others = ious.map((_, i) => i).filter((i) => i !== best && i !== 0);
  others.sort((a, b) => ious[b]! - ious[a]!);
  return [best, ...others].slice(0, NUM_CANDIDATES);
}

/** The logits of one mask of an answer. */
export function logitsOf({ logits, side }: Answer, index: number): Float32Array {
  return logits.subarray(index * side * side, (index + 1) * side * side);
}

/** Points and labels as the decoder takes them: a box is two points of the labels 2 and 3. */
export function pointTensors({ clicks, box }: Prompt): { coords: Float32Array; labels: bigint[] } {
  const points: [number, number, bigint][] = clicks.map(({ x, y, label }) => [x, y, BigInt(label)]);
  if (box) points.push([box[0], box[1], 2n], [box[2], box[3], 3n]);
  return {
    coords: Float32Array.from(points.flatMap(([x, y]) => [x, y])),
    labels: points.map(([, , label]) => label),
  };
}

/** A drawn mask as logits that the decoder takes; a cell partly covered lies between the ends. */
export function maskToLogits(mask: Rle, frame: ImageFrame, side: number): Float32Array {
  const [H, W] = frame.originalSize;
  const [h, w] = inputSize(frame);
  const [down, across] = [(h * side) / (H * frame.imageSize), (w * side) / (W * frame.imageSize)];
  const covered = new Float32Array(side * side);
  for (const [x, from, to] of columnRuns(mask)) {
    const column = Math.min(side - 1, Math.floor((x + 0.5) * across));
    for (let y = from; y < to; y++)
      covered[Math.min(side - 1, Math.floor((y + 0.5) * down)) * side + column]! += down * across;
  }
  return covered.map((share) => (2 * Math.min(1, share) - 1) * SURE_LOGIT);
}
