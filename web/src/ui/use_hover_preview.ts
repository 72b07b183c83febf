/** The mask that a click here would give, while no object is in hand. */
import { useEffect, useRef, useState } from "react";
import type { Point } from "../core/brush";
import type { ImageFrame } from "../core/frames";
import type { Layer } from "../core/overlay";
import { type Assistant, logitsOf } from "../core/prompts";
import { bitmapToRle } from "../core/rle";
import { upscaleMask } from "../core/upscale";

const REST_MS = 40; // the pointer's pause before anything is asked

/** The preview at the pixel; `isWanted` while a click would begin an object. */
export function useHoverPreview(
  assistant: Assistant,
  frame: ImageFrame,
  maskThreshold: number,
  pixel: Point | null,
  isWanted: boolean,
  colour: string,
): Layer | null {
  const [layer, setLayer] = useState<Layer | null>(null);
  const latest = useRef(0);
  useEffect(() => {
    const number = ++latest.current;
    if (!pixel || !isWanted) return setLayer(null);
    const timer = setTimeout(() => {
      const prompt = { clicks: [{ ...pixel, label: 1 as const }], box: null, maskInput: null };
      assistant.askPreview(prompt, (answer) => {
        if (number !== latest.current) return;
        const logits = logitsOf(answer, answer.best);
        const pixels = upscaleMask(logits, answer.side, frame, maskThreshold);
        setLayer({ mask: bitmapToRle(pixels, frame.originalSize), colour });
      });
    }, REST_MS);
    return () => clearTimeout(timer);
  }, [assistant, frame, maskThreshold, pixel?.x, pixel?.y, isWanted, colour]);
  return isWanted ? layer : null;
}
