/** The studio for one picture: tools, canvas, suggestions and objects around one document. */
import {
  type ReactNode,
  type Ref,
  useCallback,
  useEffect,
  useImperativeHandle,
  useMemo,
  useReducer,
  useRef,
  useState,
} from "react";
import type { Tool } from "../canvas/gestures";
import type { Picture } from "../canvas/picture";
import type { Point } from "../core/brush";
import { fromCoco } from "../core/coco_import";
import {
  COLOURS,
  type Action,
  type Document,
  type Sheet,
  isSameWork,
  newAnnotation,
  othersOf,
  promptOf,
  reduce,
} from "../core/document";
import { type Layer, inDrawingOrder } from "../core/overlay";
import type { Answer, Assistant, Click } from "../core/prompts";
import { emptyRle, rleArea, rleContains } from "../core/rle";
import { downloadCoco, downloadPng } from "../storage/downloads";
import { type Findings, FindPanel, type FindText, type Found } from "./FindPanel";
import { HelpSheet } from "./HelpSheet";
import { ObjectList } from "./ObjectList";
import { ShapePanel } from "./ShapePanel";
import { Stage, type StageHandle } from "./Stage";
import { type Saving, StatusLine } from "./StatusLine";
import { Suggestions } from "./Suggestions";
import { ToolRail } from "./ToolRail";
import { TopBar } from "./TopBar";
import { announcement, labelOf } from "./announcements";
import { ClickTimes } from "./click_times";
import { KeysContext } from "./keys";
import type { Settings } from "./settings";
import { commandsOf, useKeyboard } from "./use_commands";
import { useHoverPreview } from "./use_hover_preview";
import type { ModelStatus } from "./use_model";

/** A picture and what the studio needs from the place where its work is kept. */
export interface StudioProps {
  readonly start: Document;
  readonly picture: Picture;
  readonly fileName: string;
  readonly model: { readonly status: ModelStatus; readonly client: Assistant };
  /** Whether the work is kept as it is now. */
  readonly saving: (sheet: Sheet) => Saving;
  readonly settings: Settings;
  readonly onSettings: (values: Partial<Settings>) => void;
  /** Objects can be looked at, not changed. */
  readonly isReadOnly?: boolean;
  /** The work after a change. */
  readonly onSheet: (sheet: Sheet) => void;
  /** What a person does, before it has an effect. */
  readonly onAction?: (action: Action) => void;
  /** Finds objects by words, where a model here can. */
  readonly findText?: FindText;
  /** At the right end of the top bar. */
  readonly topBarEnd?: ReactNode;
  readonly onClose: () => void;
  readonly ref?: Ref<StudioHandle>;
}

/** What others may do to the work. */
export interface StudioHandle {
  dispatch(action: Action): void;
}

const NO_LAYERS: readonly Layer[] = [];

let numQuestions = 0;

export function Studio(props: StudioProps) {
  const { start, picture, fileName, model, saving, settings, onSettings, findText } = props;
  const [document, apply] = useReducer(reduce, start);
  useImperativeHandle(props.ref, () => ({ dispatch: apply }), []);
  const latest = useRef(props);
  latest.current = props;
  const dispatch = useCallback((action: Action) => {
    if (latest.current.isReadOnly && action.type !== "select") return;
    latest.current.onAction?.(action);
    apply(action);
  }, []);

  const [tool, setTool] = useState<Tool>("segment");
  const [isRemoving, setIsRemoving] = useState(false);
  const [hovered, setHovered] = useState<Point | null>(null);
  const [renaming, setRenaming] = useState<string | null>(null);
  const [isHelpOpen, setIsHelpOpen] = useState(false);
  const [isShapeOpen, setIsShapeOpen] = useState(false);
  const [shapePreview, setShapePreview] = useState(NO_LAYERS);
  const [findings, setFindings] = useState<Findings | null>(null);
  const [note, setNote] = useState("");
  const [percent, setPercent] = useState(100);
  const stage = useRef<StageHandle>(null);
  const findField = useRef<HTMLInputElement>(null);
  const [times] = useState(() => new ClickTimes());

  const { frame, maskThreshold, sheet } = document;
  const { annotations, draft, selected } = sheet;
  const { client } = model;
  const chosen = annotations.find(({ id }) => id === selected) ?? null;
  const isEncoded = model.status.encodeMilliseconds !== null;

  const before = useRef(sheet);
  useEffect(() => {
    const old = before.current;
    before.current = sheet;
    if (old === sheet) return;
    setNote(announcement(old, sheet));
    if (!isSameWork(old, sheet)) latest.current.onSheet(sheet);
  }, [sheet]);

  const nextColour = COLOURS[sheet.numBegun % COLOURS.length]!;
  const canPreview =
    settings.hasHoverPreview && tool === "segment" && !draft && !isRemoving && isEncoded;
  const preview = useHoverPreview(client, frame, maskThreshold, hovered, canPreview, nextColour);

  // A question is in the document; asking it is the page's part, also when undo brings it back.
  useEffect(() => {
    if (!draft || draft.question === null) return;
    const { question } = draft;
    const onAnswer = (answer: Answer) => {
      times.answered(question);
      apply({ type: "answered", question, answer });
    };
    client.ask(promptOf(draft), onAnswer);
  }, [client, draft?.question]);

  const ask = (time: number) => {
    const question = ++numQuestions;
    times.begin(question, time);
    return { id: crypto.randomUUID(), question };
  };

  const clickAt = ({ x, y }: Point, isRemove: boolean): Click => ({
    x,
    y,
    label: isRemove || isRemoving ? 0 : 1,
  });

  /** A finger stays down for longer than the model needs: it is asked before the click is done. */
  const foresee = (click: Click) => {
    if (props.isReadOnly) return;
    const { draft: clicked } = reduce(document, {
      type: "click",
      click,
      id: "",
      question: 0,
    }).sheet;
    client.askPreview(promptOf(clicked!), () => {});
  };

  const importMasks = async (file: File) => {
    const image = { fileName, ...picture.size };
    try {
      const newId = () => crypto.randomUUID();
      const { annotations: read, numSkipped } = fromCoco(
        await file.text(),
        image,
        newId,
        sheet.numBegun,
      );
      dispatch({ type: "put", annotations: read });
      if (numSkipped) setNote(`${numSkipped} empty or damaged masks were left out.`);
    } catch (error) {
      setNote(error instanceof Error ? error.message : String(error));
    }
  };

  const takeFound = (text: string, found: readonly Found[]) =>
    dispatch({
      type: "put",
      annotations: found.map(({ mask }, i) => ({
        ...newAnnotation(crypto.randomUUID(), mask, sheet.numBegun + i),
        name: text,
      })),
    });

  const commands = commandsOf({
    sheet,
    dispatch,
    stage,
    findField,
    settings,
    onSettings,
    onTool: setTool,
    onToggleSign: () => setIsRemoving(!isRemoving),
    onRename: setRenaming,
    onShape: () => setIsShapeOpen(!isShapeOpen),
    onHelp: () => setIsHelpOpen(true),
  });
  useKeyboard(commands, settings);

  const inHand = draft ?? (chosen && !chosen.isLocked ? chosen : null);
  const source = { fileName, ...picture.size };
  const masks = useMemo(
    () => annotations.filter(({ id, isHidden }) => !isHidden && id !== draft?.id),
    [annotations, draft?.id],
  );
  const suggested = (findings?.found ?? []).map(({ mask }, i) => ({
    mask,
    colour: COLOURS[(sheet.numBegun + i) % COLOURS.length]!,
  }));
  const outlined = draft ?? (chosen?.isHidden ? null : chosen);
  const others = useMemo(
    () =>
      inHand && isShapeOpen
        ? othersOf(sheet, inHand.id).map((annotation) => ({
            annotation,
            label: labelOf(sheet, annotation.id),
          }))
        : [],
    [annotations, inHand?.id, isShapeOpen],
  );

  return (
    <KeysContext value={settings.keys}>
      <div className="studio">
        <TopBar
          name={fileName}
          document={document}
          settings={settings}
          onSettings={onSettings}
          run={(command) => commands[command]()}
          onClose={props.onClose}
          onImport={(file) => void importMasks(file)}
          onExportCoco={() =>
            downloadCoco(annotations, source, model.status.description?.model_id ?? null)
          }
          onExportPng={() => void downloadPng(annotations, source)}
        >
          {props.topBarEnd}
        </TopBar>
        <ToolRail
          tool={tool}
          isRemoving={isRemoving}
          percent={percent}
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
            isRemoving={isRemoving}
            label={`${fileName}, ${annotations.length} objects. Arrow keys move the cross.`}
            scene={{
              masks,
              inHand: [...suggested, preview, draft, ...shapePreview].filter(
                (layer) => layer !== null,
              ),
              outlined: outlined ? [outlined] : NO_LAYERS,
              clicks: draft?.clicks ?? [],
              box: draft?.box ?? null,
              look: settings,
              brushRadius: tool === "brush" || tool === "eraser" ? settings.brushRadius : null,
            }}
            paint={{
              mask: inHand?.mask ?? emptyRle(frame.originalSize),
              colour: inHand?.colour ?? nextColour,
              radius: settings.brushRadius,
            }}
            onScale={(scale) => setPercent(Math.round(100 * scale))}
            onPress={(pixel, isRemove) => foresee(clickAt(pixel, isRemove))}
            onClick={(pixel, isRemove, time) => {
              setHovered(null); // no preview over the finished object until the pointer moves
              dispatch({ type: "click", click: clickAt(pixel, isRemove), ...ask(time) });
            }}
            onBox={(box, time) => dispatch({ type: "box", box, ...ask(time) })}
            onStroke={(stroke) => dispatch({ type: "stroke", stroke, id: crypto.randomUUID() })}
            onPolygon={(polygon) => dispatch({ type: "polygon", polygon, id: crypto.randomUUID() })}
            onSelect={({ x, y }) => {
              const hit = inDrawingOrder(masks).findLast(({ mask }) => rleContains(mask, x, y));
              dispatch({ type: "select", id: hit?.id ?? null });
            }}
            onHover={setHovered}
            onPainted={() => times.painted()}
          />
          {findText && (
            <FindPanel
              ref={findField}
              findText={findText}
              findings={findings}
              onFindings={setFindings}
              onTake={takeFound}
            />
          )}
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
          <StatusLine
            status={model.status}
            saving={saving(sheet)}
            draft={draft}
            note={note}
            size={picture.size}
          />
        </main>
        <ObjectList
          annotations={annotations}
          selected={selected}
          inHand={draft?.id ?? null}
          renaming={renaming}
          onRenaming={setRenaming}
          dispatch={dispatch}
          isShapeOpen={isShapeOpen}
          onShape={commands.shape}
        >
          {isShapeOpen && inHand && rleArea(inHand.mask) > 0 && (
            <ShapePanel
              key={inHand.id}
              object={inHand}
              label={labelOf(sheet, inHand.id)}
              others={others}
              dispatch={dispatch}
              onPreview={setShapePreview}
              onClose={() => setIsShapeOpen(false)}
            />
          )}
        </ObjectList>
        {isHelpOpen && (
          <HelpSheet
            bindings={settings.keys}
            onBindings={(keys) => onSettings({ keys })}
            onClose={() => setIsHelpOpen(false)}
          />
        )}
      </div>
    </KeysContext>
  );
}
