/** The studio for one picture: tools, canvas, suggestions and objects around one document. */
import { useEffect, useReducer, useRef, useState } from "react";
import type { Tool } from "../canvas/gestures";
import type { Picture } from "../canvas/picture";
import type { Point } from "../core/brush";
import { COLOURS, type Annotation, type Document, promptOf, reduce } from "../core/document";
import { inDrawingOrder } from "../core/overlay";
import { candidates } from "../core/prompts";
import { emptyRle, rleArea, rleContains } from "../core/rle";
import { downloadCoco, downloadPng } from "../storage/downloads";
import type { Journal, KeptPicture } from "../storage/journal";
import { HelpSheet } from "./HelpSheet";
import { ObjectList } from "./ObjectList";
import { Stage, type StageHandle } from "./Stage";
import { StatusLine } from "./StatusLine";
import { Suggestions } from "./Suggestions";
import { ToolRail } from "./ToolRail";
import { TopBar } from "./TopBar";
import { ClickTimes } from "./click_times";
import { BRUSH_RADII, type Settings } from "./settings";
import { type Command, commandOf } from "./shortcuts";
import { useHoverPreview } from "./use_hover_preview";
import { useKeptWork } from "./use_kept_work";
import type { Model } from "./use_model";

interface Props {
  readonly start: Document;
  readonly picture: Picture;
  readonly kept: KeptPicture;
  readonly journal: Journal;
  readonly model: Model;
  readonly settings: Settings;
  readonly onSettings: (values: Partial<Settings>) => void;
  readonly onClose: () => void;
}

const ZOOM_STEP = 1.25;
const BRUSH_STEP = 1.25;

let numQuestions = 0;

export function Studio({
  start,
  picture,
  kept,
  journal,
  model,
  settings,
  onSettings,
  onClose,
}: Props) {
  const [document, dispatch] = useReducer(reduce, start);
  const [tool, setTool] = useState<Tool>("segment");
  const [isRemoving, setIsRemoving] = useState(false);
  const [hovered, setHovered] = useState<Point | null>(null);
  const [renaming, setRenaming] = useState<string | null>(null);
  const [isHelpOpen, setIsHelpOpen] = useState(false);
  const [scale, setScale] = useState(1);
  const stage = useRef<StageHandle>(null);
  const [times] = useState(() => new ClickTimes());
  const { frame, maskThreshold, sheet } = document;
  const { annotations, draft, selected } = sheet;
  const { client } = model;
  const saveState = useKeptWork(journal, kept.hash, sheet);
  const chosen = annotations.find(({ id }) => id === selected) ?? null;
  const isEncoded = model.status.encodeMilliseconds !== null;

  // A question is in the document; asking it is the page's part, also when undo brings it back.
  useEffect(() => {
    if (!draft || draft.question === null) return;
    const { question } = draft;
    client.ask(promptOf(draft), (answer) => {
      times.answered(question);
      dispatch({ type: "answered", question, answer });
    });
  }, [client, draft?.question]);

  const nextColour = COLOURS[sheet.numBegun % COLOURS.length]!;
  const canPreview =
    settings.hasHoverPreview && tool === "segment" && !draft && !isRemoving && isEncoded;
  const preview = useHoverPreview(client, frame, maskThreshold, hovered, canPreview, nextColour);

  const ask = (time: number) => {
    const question = ++numQuestions;
    times.begin(question, time);
    return { id: crypto.randomUUID(), question };
  };

  const selectBy = (step: number) => {
    const at = annotations.findIndex(({ id }) => id === selected);
    const next = at < 0 ? (step > 0 ? 0 : annotations.length - 1) : at + step;
    const target = annotations[(next + annotations.length) % annotations.length];
    if (target) dispatch({ type: "select", id: target.id });
  };

  const resizeBrush = (factor: number) => {
    const { least, most } = BRUSH_RADII;
    onSettings({ brushRadius: Math.min(most, Math.max(least, settings.brushRadius * factor)) });
  };

  const choose = (place: number) => {
    const choice = draft?.answer && candidates(draft.answer)[place];
    if (typeof choice === "number") dispatch({ type: "choose", choice });
  };

  const onChosen = (act: (annotation: Annotation) => void) => chosen && act(chosen);
  const toggle = (key: "isHidden" | "isLocked") =>
    onChosen((a) => dispatch({ type: "change", id: a.id, values: { [key]: !a[key] } }));

  const commands: Record<Command, () => void> = {
    segment: () => setTool("segment"),
    brush: () => setTool("brush"),
    eraser: () => setTool("eraser"),
    select: () => setTool("select"),
    pan: () => setTool("pan"),
    add: () => stage.current!.actAtCross(false),
    remove: () => stage.current!.actAtCross(true),
    toggleSign: () => setIsRemoving(!isRemoving),
    choose1: () => choose(0),
    choose2: () => choose(1),
    choose3: () => choose(2),
    accept: () => dispatch({ type: "accept" }),
    discard: () => dispatch(draft ? { type: "discard" } : { type: "select", id: null }),
    undo: () => dispatch({ type: "undo" }),
    redo: () => dispatch({ type: "redo" }),
    edit: () => onChosen(({ id }) => dispatch({ type: "edit", id })),
    rename: () => onChosen(({ id, isLocked }) => !isLocked && setRenaming(id)),
    delete: () => onChosen(({ id }) => dispatch({ type: "delete", id })),
    hide: () => toggle("isHidden"),
    lock: () => toggle("isLocked"),
    hideAll: () => dispatch({ type: "hideAll", isHidden: !annotations.every((a) => a.isHidden) }),
    next: () => selectBy(1),
    previous: () => selectBy(-1),
    smaller: () => resizeBrush(1 / BRUSH_STEP),
    larger: () => resizeBrush(BRUSH_STEP),
    zoomIn: () => stage.current!.zoom(ZOOM_STEP),
    zoomOut: () => stage.current!.zoom(1 / ZOOM_STEP),
    fit: () => stage.current!.fit(),
    help: () => setIsHelpOpen(true),
  };

  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const command = commandOf(event);
      if (!command || isHelpOpen || isForControl(event)) return;
      event.preventDefault();
      commands[command]();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  });

  const inHand = draft ?? (chosen && !chosen.isLocked ? chosen : null);
  const source = { fileName: kept.name, ...picture.size };
  return (
    <div className="studio">
      <TopBar
        name={kept.name}
        document={document}
        settings={settings}
        onSettings={onSettings}
        run={(command) => commands[command]()}
        onClose={onClose}
        onExportCoco={() => downloadCoco(annotations, source, model.status.description!.model_id)}
        onExportPng={() => void downloadPng(annotations, source)}
      />
      <ToolRail
        tool={tool}
        isRemoving={isRemoving}
        scale={scale}
        settings={settings}
        onSettings={onSettings}
        onTool={setTool}
        onRemoving={setIsRemoving}
        run={(command) => commands[command]()}
      />
      <main className="canvas-area">
        <Stage
          ref={stage}
          picture={picture}
          tool={tool}
          label={`${kept.name}, ${annotations.length} objects. Arrow keys move the cross, period clicks there.`}
          scene={{
            masks: annotations.filter(({ id, isHidden }) => !isHidden && id !== draft?.id),
            draft,
            preview,
            selected: chosen && !chosen.isHidden && chosen.id !== draft?.id ? chosen : null,
            clicks: draft?.clicks ?? [],
            box: draft?.box ?? null,
            opacity: settings.opacity,
            brushRadius: tool === "brush" || tool === "eraser" ? settings.brushRadius : null,
          }}
          paint={{
            mask: inHand?.mask ?? emptyRle(frame.originalSize),
            colour: inHand?.colour ?? nextColour,
            radius: settings.brushRadius,
          }}
          onScale={setScale}
          onClick={({ x, y }, isRemove, time) => {
            setHovered(null); // no preview over the finished object until the pointer moves
            dispatch({
              type: "click",
              click: { x, y, label: isRemove || isRemoving ? 0 : 1 },
              ...ask(time),
            });
          }}
          onBox={(box, time) => dispatch({ type: "box", box, ...ask(time) })}
          onStroke={(stroke) => dispatch({ type: "stroke", stroke, id: crypto.randomUUID() })}
          onSelect={({ x, y }) => {
            const visible = inDrawingOrder(annotations.filter(({ isHidden }) => !isHidden));
            const hit = visible.findLast(({ mask }) => rleContains(mask, x, y));
            dispatch({ type: "select", id: hit?.id ?? null });
          }}
          onHover={setHovered}
          onPainted={() => times.painted()}
        />
        {draft && (rleArea(draft.mask) > 0 || draft.answer) && (
          <Suggestions
            draft={draft}
            picture={picture}
            frame={frame}
            maskThreshold={maskThreshold}
            onChoose={(choice) => dispatch({ type: "choose", choice })}
            onAccept={commands.accept}
            onDiscard={commands.discard}
          />
        )}
        <StatusLine status={model.status} saveState={saveState} draft={draft} size={picture.size} />
      </main>
      <ObjectList
        annotations={annotations}
        selected={selected}
        inHand={draft?.id ?? null}
        renaming={renaming}
        onRenaming={setRenaming}
        dispatch={dispatch}
      />
      {isHelpOpen && <HelpSheet onClose={() => setIsHelpOpen(false)} />}
    </div>
  );
}

/** Whether the key belongs to the field or button in focus. */
function isForControl({ target, key }: KeyboardEvent): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement)
    return target.type !== "range" && target.type !== "checkbox";
  return target instanceof HTMLButtonElement && (key === "Enter" || key === " ");
}
