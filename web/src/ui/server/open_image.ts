/** Everything that the work on one of the server's images needs, brought together. */
import type { Api } from "../../api/client";
import type { StudioImage, User, Work } from "../../api/wire";
import { Picture } from "../../canvas/picture";
import { type Document, newDocument } from "../../core/document";
import { EventLog } from "../../storage/event_log";
import { type Journal, fromKept } from "../../storage/journal";
import { merged, workKey } from "../../storage/outbox";
import { Sync, type SyncState } from "../../storage/sync";
import type { PreparedModel } from "./use_server_model";

export interface OpenImage {
  readonly image: StudioImage;
  readonly picture: Picture;
  readonly document: Document;
  readonly sync: Sync;
  readonly log: EventLog;
  /** Why a reviewer sent it back, if one did. */
  readonly reason: string | null;
}

/** Opens an image that is leased to the user already; what a journal has unsaved is saved. */
export async function openImage(
  { image, annotations: stored }: Work,
  api: Api,
  journal: Journal,
  user: User,
  model: PreparedModel,
  onSync: (state: SyncState) => void,
): Promise<OpenImage> {
  const server = await model.renew();
  const size = [image.height, image.width] as const;
  model.openPrepared({
    imageId: image.id,
    embeddingUrl: api.embeddingUrl(image.id, server),
    originalSize: size,
  });
  const key = workKey(user.id, image);
  const [picture, kept, reviews] = await Promise.all([
    fetch(api.fileUrl(image.id))
      .then((response) => response.blob())
      .then(Picture.decode),
    journal.serverWork(key),
    image.state === "rejected" ? api.reviews(image.id) : [],
  ]);
  const frame = { originalSize: size, imageSize: server.image_size };
  const sheet = kept ? fromKept(kept.work) : null;
  const { annotations, known } = merged(
    sheet?.annotations ?? [],
    new Map(kept?.known ?? []),
    stored,
    size,
  );
  const begun = newDocument(frame, server.mask_threshold, annotations);
  const numBegun = Math.max(begun.sheet.numBegun, sheet?.numBegun ?? 0);
  const start = { ...begun.sheet, draft: sheet?.draft ?? null, numBegun };
  const sync = new Sync(api, journal, image, key, server.model_id, start, known, onSync);
  const log = await EventLog.open(api, journal, user.id, image.id);
  log.add("open", null, { model_id: server.model_id });
  sync.retry();
  return {
    image,
    picture,
    document: { ...begun, sheet: start },
    sync,
    log,
    reason: reviews.at(-1)?.reason ?? null,
  };
}

/** Stop what the image needed; what is not saved stays in the journal. */
export function closeImage({ picture, sync, log }: OpenImage): void {
  sync.close();
  void log.close();
  picture.close();
}

/** Let the browser's cache have what the following images need. */
export async function fetchAhead(
  { id, project_id }: StudioImage,
  api: Api,
  model: PreparedModel,
): Promise<void> {
  if (!model.server) return;
  const following = await api.images(project_id, { state: "waiting", after: id, limit: 2 });
  for (const image of following)
    for (const url of [api.embeddingUrl(image.id, model.server), api.fileUrl(image.id)]) {
      const response = await fetch(url, { priority: "low" });
      await response.arrayBuffer();
    }
}
