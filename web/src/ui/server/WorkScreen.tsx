/** One of the server's images after the other: leased, opened, and left again. */
import { useEffect, useMemo, useRef, useState } from "react";
import type { Api } from "../../api/client";
import type { User } from "../../api/wire";
import { Journal } from "../../storage/journal";
import { AT_REST, type SyncState } from "../../storage/sync";
import type { Settings } from "../settings";
import { Desk } from "./Desk";
import { type OpenImage, closeImage, fetchAhead, openImage } from "./open_image";
import { type Route, go, hashOf } from "./route";
import { useLease } from "./use_lease";
import type { PreparedModel } from "./use_server_model";

interface Props {
  readonly api: Api;
  readonly user: User;
  readonly route: Route & { screen: "work" | "review" };
  readonly leaseSeconds: number;
  readonly model: PreparedModel;
  readonly settings: Settings;
  readonly onSettings: (values: Partial<Settings>) => void;
}

export function WorkScreen(props: Props) {
  const { api, user, route, leaseSeconds, model, settings, onSettings } = props;
  const { project, image } = route;
  const isReview = route.screen === "review";
  const isModelKnown = model.server !== null;
  const [open, setOpen] = useState<OpenImage | null>(null);
  const [message, setMessage] = useState<string | null>(null);
  const [saving, setSaving] = useState<SyncState>(AT_REST);
  const [turn, setTurn] = useState(0); // a higher one opens the same image again
  const journal = useMemo(() => Journal.open(), []);
  const atWork = useRef<OpenImage | null>(null);
  const [loss, forgetLoss] = useLease(
    api,
    image,
    leaseSeconds,
    () => !atWork.current?.sync.numWaiting,
  );

  useEffect(() => {
    if (!isModelKnown) return;
    let isCurrent = true;
    const fail = (error: Error) => isCurrent && setMessage(error.message);
    setMessage(null);
    setSaving(AT_REST);
    if (image === null)
      api.next(project).then((work) => {
        if (!isCurrent) return;
        if (work) go({ ...route, image: work.image.id }, true);
        else setMessage("Nothing is left to do here. Thank you.");
      }, fail);
    else
      Promise.all([api.lease(image), journal])
        .then(([work, journal]) => openImage(work, api, journal, user, model, setSaving))
        .then((opened) => {
          if (!isCurrent) return closeImage(opened);
          atWork.current = opened;
          setOpen(opened);
          return fetchAhead(opened.image, api, model).catch(() => {}); // a help, no need
        }, fail);
    return () => {
      isCurrent = false;
      setOpen(null);
    };
  }, [api, user, journal, project, image, isReview, isModelKnown, turn]);

  if (!open || open.image.id !== image)
    return (
      <main className="notice">
        <p role="status">{message ?? "Opening the image…"}</p>
        <p>
          <a href={hashOf({ screen: "images", project })}>All images of the project</a>
        </p>
      </main>
    );
  return (
    <Desk
      key={open.image.id}
      api={api}
      open={open}
      isReview={isReview}
      model={model}
      saving={saving}
      loss={loss ?? (saving.status === "lost" ? saving.problem : null)}
      settings={settings}
      onSettings={onSettings}
      onReopen={() => {
        forgetLoss();
        setTurn(turn + 1);
      }}
    />
  );
}
