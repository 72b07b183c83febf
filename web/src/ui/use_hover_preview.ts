/** The mask that a click here would give, while no object is in hand. */
import { useEffect, useRef, useState } from "react";
import type { Point } from "../core/brush";
import type { ImageFrame } from "../core/frames";
import type { Layer } from "../core/overlay";
import { logitsOf } from "../core/prompts";
import { bitmapToRle } from "../core/rle";
import { upscaleMask } from "../core/upscale";
import type { ModelClient } from "../model/client";

const REST_MS = 40; // the pointer's pause before anything is asked

/** The preview at the pixel, or null; `isWanted` while a click would begin an object. */
export function useHoverPreview(
  client: ModelClient,
  frame: ImageFrame,
  maskThreshold: number,
  pixel: Point | null,
  isWanted: boolean,
  colour: string,
): Layer | null {
  const [preview, setPreview] = useState<Layer | null>(null);
  const latest = useRef(0);
  useEffect(() => {
    const number = ++latest.current;
    if (!pixel || !isWanted) return setPreview(null);
    const timer = setTimeout(() => {
      const prompt = { clicks: [{ ...pixel, label: 1 as const }], box: null, maskInput: null };
      client.askPreview(prompt, (answer) => {
        if (number !== latest.current) return;
        const pixels = upscaleMask(
          logitsOf(answer, answer.best),
          answer.side,
          frame,
          maskThreshold,
        );
        setPreview({ mask: bitmapToRle(pixels, frame.originalSize), colour });
      });
    }, REST_MS);
    return () => clearTimeout(timer);
  }, [client, frame, maskThreshold, pixel?.x, pixel?.y, isWanted, colour]);
  return isWanted ? preview : null;
}
