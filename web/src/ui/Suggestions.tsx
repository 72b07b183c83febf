/** The masks to choose from, and what to do with the unfinished object. */
import { useEffect, useRef } from "react";
import type { Picture } from "../canvas/picture";
import type { Draft } from "../core/document";
import { type ImageFrame, inputSize } from "../core/frames";
import { candidates, logitsOf } from "../core/prompts";
import { Icon } from "./Icon";

const SIDE = 88; // of a small picture, in CSS pixels

interface Props {
  readonly draft: Draft;
  readonly picture: Picture;
  readonly frame: ImageFrame;
  readonly maskThreshold: number;
  readonly onChoose: (choice: number) => void;
  readonly onAccept: () => void;
  readonly onDiscard: () => void;
}

export function Suggestions({
  draft,
  picture,
  frame,
  maskThreshold,
  onChoose,
  onAccept,
  onDiscard,
}: Props) {
  const { answer } = draft;
  return (
    <div className="suggestions" role="group" aria-label="The object in hand">
      {answer &&
        candidates(answer).map((index, i) => (
          <button
            type="button"
            key={index}
            className="suggestion"
            aria-pressed={index === draft.choice}
            aria-label={`${i + 1} ${percent(answer.ious[index]!)}, suggestion and its estimated quality`}
            title={`Suggestion ${i + 1} (${i + 1})`}
            onClick={() => onChoose(index)}
          >
            <SmallMask
              picture={picture}
              frame={frame}
              logits={logitsOf(answer, index)}
              side={answer.side}
              threshold={maskThreshold}
              colour={draft.colour}
            />
            <span>
              <kbd>{i + 1}</kbd> {percent(answer.ious[index]!)}
            </span>
          </button>
        ))}
      <div className="suggestion-actions">
        <button
          type="button"
          className="primary"
          onClick={onAccept}
          title="Keep the object (Enter)"
        >
          <Icon name="check" /> Keep
        </button>
        <button type="button" onClick={onDiscard} title="Throw it away (Escape)">
          <Icon name="close" /> Discard
        </button>
      </div>
    </div>
  );
}

const percent = (iou: number) => `${Math.round(100 * Math.min(1, Math.max(0, iou)))} %`;

interface SmallMaskProps {
  readonly picture: Picture;
  readonly frame: ImageFrame;
  readonly logits: Float32Array;
  readonly side: number;
  readonly threshold: number;
  readonly colour: string;
}

/** The picture in grey with a mask in colour, from the small logits. */
function SmallMask({ picture, frame, logits, side, threshold, colour }: SmallMaskProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [height, width] = inputSize(frame).map((length) => (length * SIDE) / frame.imageSize) as [
    number,
    number,
  ];
  const draw = () => {
    const context = canvas.current?.getContext("2d");
    if (!context) return; // chosen or dropped meanwhile
    context.setTransform(2, 0, 0, 2, 0, 0); // sharp on dense screens
    context.filter = "grayscale(0.8) brightness(0.75)";
    context.drawImage(picture.level(width / frame.originalSize[1]), 0, 0, width, height);
    context.filter = "none";
    const cells = new OffscreenCanvas(side, side);
    const small = cells.getContext("2d")!;
    small.fillStyle = colour;
    for (let i = 0; i < side * side; i++)
      if (logits[i]! > threshold) small.fillRect(i % side, Math.floor(i / side), 1, 1);
    context.globalAlpha = 0.75;
    context.drawImage(cells, 0, 0, SIDE, SIDE);
    context.globalAlpha = 1;
  };
  // After the frame that shows the mask itself: that one must not wait.
  useEffect(() => {
    let timer = 0;
    const frameRequest = requestAnimationFrame(() => (timer = window.setTimeout(draw)));
    return () => {
      cancelAnimationFrame(frameRequest);
      clearTimeout(timer);
    };
  }, [picture, frame, logits, side, threshold, colour, width, height]);
  return (
    <canvas
      ref={canvas}
      width={2 * width}
      height={2 * height}
      style={{ width, height }}
      aria-hidden="true"
    />
  );
}
