/** The studio on one of the server's images, with what working for a server adds to it. */
import { useEffect, useMemo, useRef, useState } from "react";
import { flushSync } from "react-dom";
import type { Api } from "../../api/client";
import { type Action, type Sheet, isSameWork } from "../../core/document";
import type { Assistant } from "../../core/prompts";
import { rleFromCoco } from "../../core/rle";
import type { SyncState } from "../../storage/sync";
import { Studio, type StudioHandle } from "../Studio";
import type { Settings } from "../settings";
import { ConflictDialog } from "./ConflictDialog";
import { LostLease } from "./LostLease";
import { Nudge } from "./Nudge";
import { ReviewBar } from "./ReviewBar";
import { WorkBar } from "./WorkBar";
import { toldAs } from "./logged_actions";
import { type OpenImage, closeImage } from "./open_image";
import { go } from "./route";
import type { PreparedModel } from "./use_server_model";

interface Props {
  readonly api: Api;
  readonly open: OpenImage;
  readonly isReview: boolean;
  readonly model: PreparedModel;
  readonly saving: SyncState;
  /** Why the image is not leased any more, or null. */
  readonly loss: string | null;
  readonly settings: Settings;
  readonly onSettings: (values: Partial<Settings>) => void;
  readonly onReopen: () => void;
}

export function Desk(props: Props) {
  const { api, open, isReview, model, saving, loss, settings, onSettings, onReopen } = props;
  const { image, picture, document, sync, log, reason } = open;
  const hasText = model.server?.has_text ?? false;
  const modelId = model.server?.model_id ?? null;
  const studio = useRef<StudioHandle>(null);
  const sheet = useRef<Sheet>(document.sheet);
  const [inHand, setInHand] = useState(document.sheet.draft?.id ?? null);
  useEffect(() => () => closeImage(open), [open]);

  // What the model estimated belongs to the log as well.
  const client = useMemo<Assistant>(
    () => ({
      ask: (prompt, onAnswer) =>
        model.client.ask(prompt, (answer) => {
          onAnswer(answer);
          log.add("choice", idInHand(), {
            choice: answer.best,
            predicted_iou: answer.ious[answer.best]!,
            model_id: modelId,
          });
        }),
      askPreview: (prompt, onAnswer) => model.client.askPreview(prompt, onAnswer),
    }),
    [model.client, log, modelId],
  );
  const idInHand = () => {
    const id = sheet.current.draft?.id;
    return id === undefined ? null : sync.idOf(id);
  };

  const take = (changed: Sheet) => {
    sheet.current = changed;
    setInHand(changed.draft?.id ?? null);
    sync.update(changed);
  };
  const tell = (action: Action) => {
    const told = toldAs(action, sheet.current);
    if (told) log.add(told.kind, told.about && sync.idOf(told.about), told.data);
  };
  /** Whether everything is with the server, the object in hand included. */
  const finish = async () => {
    flushSync(() => studio.current!.dispatch({ type: "accept" }));
    const isSaved = await sync.settled();
    if (isSaved) await log.flush();
    return isSaved;
  };

  const findText = async (text: string) => {
    log.add("text", null, { text });
    const { instances } = await api.findText(image.id, text);
    return instances.map(({ segmentation, score }) => ({ mask: rleFromCoco(segmentation), score }));
  };

  const conflict = saving.conflicts[0];
  return (
    <div className="desk">
      <Studio
        ref={studio}
        start={document}
        picture={picture}
        fileName={image.name}
        model={{ status: model.status, client }}
        saving={(now) => savingText(saving, now)}
        settings={settings}
        onSettings={onSettings}
        isReadOnly={loss !== null}
        onSheet={take}
        onAction={tell}
        {...(hasText && { findText })}
        topBarEnd={
          isReview ? (
            <ReviewBar api={api} image={image} sync={sync} finish={finish} />
          ) : (
            <WorkBar api={api} image={image} reason={reason} sync={sync} finish={finish} />
          )
        }
        onClose={() => go({ screen: "images", project: image.project_id })}
      />
      {!isReview && (
        <Nudge
          inHand={inHand}
          isOn={settings.hasNudge}
          onOff={() => onSettings({ hasNudge: false })}
        />
      )}
      {loss !== null && <LostLease image={image} reason={loss} onReopen={onReopen} />}
      {loss === null && conflict && (
        <ConflictDialog
          key={conflict.id}
          conflict={conflict}
          picture={picture}
          onChoose={(choice) => {
            const dispatch = (action: Action) => flushSync(() => studio.current!.dispatch(action));
            const { id, mine, theirs } = conflict;
            if (choice !== "mine") {
              // A locked object would stay as it is.
              dispatch({ type: "change", id, values: { isLocked: false } });
              const both = choice === "both" && mine ? [{ ...mine, id: crypto.randomUUID() }] : [];
              if (theirs) dispatch({ type: "put", annotations: [theirs, ...both] });
              else dispatch({ type: "delete", id });
            }
            sync.resolve(id, choice !== "mine"); // when the page shows what was chosen
          }}
        />
      )}
    </div>
  );
}

function savingText({ status, numWaiting, problem, kept }: SyncState, sheet: Sheet) {
  if (!kept || !isSameWork(kept, sheet)) return { text: "Saving…", isProblem: false };
  const waiting = numWaiting === 1 ? "1 change" : `${numWaiting} changes`;
  switch (status) {
    case "saved":
      return numWaiting
        ? { text: `${waiting} to decide about`, isProblem: true }
        : { text: problem ?? "Saved", isProblem: problem !== null };
    case "saving":
      return { text: problem ?? "Saving…", isProblem: problem !== null };
    case "offline":
      return { text: `Offline: ${waiting} kept in this browser`, isProblem: true };
    case "lost":
      return { text: `Not saved: ${waiting} kept in this browser`, isProblem: true };
    case "refused":
      return { text: `Not saved: ${waiting} kept in this browser. ${problem}`, isProblem: true };
  }
}
