/** The model of this page, and how far it is. */
import { useEffect, useMemo, useState } from "react";
import { ModelClient } from "../model/client";
import type {
  ModelDescription,
  ModelSource,
  PreparedImage,
  WorkerChannel,
} from "../model/protocol";

export interface ModelStatus {
  /** Of the model's bytes, 0 to 1. */
  readonly fraction: number;
  readonly description: ModelDescription | null;
  /** 0 where a server answers. */
  readonly numThreads: number;
  /** How long the picture took, or null while it is on its way. */
  readonly encodeMilliseconds: number | null;
  readonly failure: string | null;
}

const START: ModelStatus = {
  fraction: 0,
  description: null,
  numThreads: 1,
  encodeMilliseconds: null,
  failure: null,
};

export interface Model {
  readonly status: ModelStatus;
  /** Encode a picture; the status tells when it is done. */
  open(image: ImageBitmap): void;
  /** Fetch what a server has encoded. */
  openPrepared(prepared: PreparedImage): void;
  readonly client: ModelClient;
}

/** The worker of this page's model. */
export const startWorker = () =>
  new Worker(new URL("../model/worker.ts", import.meta.url), { type: "module" });

/**
 * A model for as long as the component lives.
 *
 * @param source where it lies; null while that is not known yet.
 * @param connect makes the way to it, once.
 */
export function useModel(
  source: ModelSource | null,
  connect: () => WorkerChannel = startWorker,
): Model {
  const [status, setStatus] = useState(START);
  const update = (values: Partial<ModelStatus>) =>
    setStatus((before) => ({ ...before, ...values }));
  const channel = useMemo(connect, []);
  const client = useMemo(
    () =>
      new ModelClient(channel, {
        onLoading: (fraction) => update({ fraction }),
        onLoaded: (description, numThreads) => update({ description, numThreads }),
        onEncoded: (encodeMilliseconds) => update({ encodeMilliseconds }),
        onFailed: (failure) => update({ failure }),
      }),
    [channel],
  );
  useEffect(() => {
    channel.addEventListener("error", () =>
      update({ failure: "This browser cannot run the model." }),
    );
    return () => channel.terminate();
  }, [channel]);
  useEffect(() => {
    if (source) client.load(source);
  }, [client, source]);
  const open = (image: ImageBitmap) => {
    update({ encodeMilliseconds: null });
    client.open(image);
  };
  const openPrepared = (prepared: PreparedImage) => {
    update({ encodeMilliseconds: null });
    client.openPrepared(prepared);
  };
  return { status, open, openPrepared, client };
}
