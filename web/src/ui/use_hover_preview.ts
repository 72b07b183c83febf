/** The mask that a click here would give, while no object is in hand. */
import { useCallback, useEffect, useRef, useState } from "react";
import type { Point } from "../core/brush";
import type { ImageFrame } from "../core/frames";
import type { Layer } from "../core/overlay";
import { type Answer, type Assistant, type Prompt, logitsOf } from "../core/prompts";
import { bitmapToRle } from "../core/rle";
import { upscaleMask } from "../core/upscale";

const REST_MS = 40; // the pointer's pause before anything is asked

export interface HoverPreview {
  readonly layer: Layer | null;
  /** What the model has said to this prompt already: a click where the pointer rests need not wait. */
  readonly known: (prompt: Prompt) => Answer | null;
}

/** The preview at the pixel; `isWanted` while a click would begin an object. */
export function useHoverPreview(
  assistant: Assistant,
  frame: ImageFrame,
  maskThreshold: number,
  pixel: Point | null,
  isWanted: boolean,
  colour: string,
): HoverPreview {
  const [layer, setLayer] = useState<Layer | null>(null);
  const latest = useRef(0);
  const answered = useRef<{ at: Point; answer: Answer } | null>(null);
  useEffect(() => {
    const number = ++latest.current;
    if (!pixel || !isWanted) return setLayer(null);
    const timer = setTimeout(() => {
      const prompt = { clicks: [{ ...pixel, label: 1 as const }], box: null, maskInput: null };
      assistant.askPreview(prompt, (answer) => {
        if (number !== latest.current) return;
        answered.current = { at: pixel, answer };
        const logits = logitsOf(answer, answer.best);
        const pixels = upscaleMask(logits, answer.side, frame, maskThreshold);
        setLayer({ mask: bitmapToRle(pixels, frame.originalSize), colour });
      });
    }, REST_MS);
    return () => clearTimeout(timer);
  }, [assistant, frame, maskThreshold, pixel?.x, pixel?.y, isWanted, colour]);

  const known = useCallback(({ clicks, box, maskInput }: Prompt) => {
    const [click, ...others] = clicks;
    const { at, answer } = answered.current ?? {};
    const isSame = click?.label === 1 && click.x === at?.x && click.y === at.y;
    return isSame && !others.length && !box && !maskInput ? answer! : null;
  }, []);
  return { layer: isWanted ? layer : null, known };
}
