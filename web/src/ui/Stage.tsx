/** The picture with its masks: where people click, drag, paint, zoom and pan. */
import { type Ref, useEffect, useImperativeHandle, useLayoutEffect, useRef } from "react";
import { type StageEvents, type StageState, StageView } from "../canvas/stage_view";

/** What others may ask of the stage. */
export type StageHandle = Pick<
  StageView,
  | "fit"
  | "show"
  | "zoom"
  | "actAtCross"
  | "holdAtCross"
  | "closePolygon"
  | "takePointBack"
  | "cancel"
>;

interface Props extends StageState, StageEvents {
  readonly label: string;
  readonly ref: Ref<StageHandle>;
}

export function Stage(props: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const stage = useRef<StageView>(null);
  // Before the handle below takes it.
  useLayoutEffect(() => {
    const made = new StageView(canvas.current!, props);
    stage.current = made;
    // A picture that has come is what keys are for, unless they have another use already.
    if (document.activeElement === document.body) canvas.current!.focus({ preventScroll: true });
    return () => made.close();
  }, [props.picture]);
  useEffect(() => stage.current!.update(props));
  useImperativeHandle(props.ref, () => stage.current!, [props.picture]);
  return (
    <canvas
      ref={canvas}
      className={`stage stage-${props.tool}`}
      tabIndex={0}
      role="application"
      aria-label={props.label}
      onKeyDown={(event) => stage.current!.keyDown(event)}
      onKeyUp={(event) => stage.current!.keyUp(event)}
      onBlur={() => stage.current!.releaseKeys()}
    />
  );
}
