/** The model of this page, and how far it is. */
import { useEffect, useMemo, useState } from "react";
import { ModelClient } from "../model/client";
import type { ModelDescription } from "../model/protocol";

export interface ModelStatus {
  /** Of the model's bytes, 0 to 1. */
  readonly fraction: number;
  readonly description: ModelDescription | null;
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
  readonly client: ModelClient;
}

/** The model whose files lie at `modelUrl`, in a worker for as long as the page lives. */
export function useModel(modelUrl: string): Model {
  const [status, setStatus] = useState(START);
  const update = (values: Partial<ModelStatus>) =>
    setStatus((before) => ({ ...before, ...values }));
  const worker = useMemo(
    () => new Worker(new URL("../model/worker.ts", import.meta.url), { type: "module" }),
    [],
  );
  const client = useMemo(
    () =>
      new ModelClient(
        worker,
        {
          onLoading: (fraction) => update({ fraction }),
          onLoaded: (description, numThreads) => update({ description, numThreads }),
          onEncoded: (encodeMilliseconds) => update({ encodeMilliseconds }),
          onFailed: (failure) => update({ failure }),
        },
        modelUrl,
      ),
    [worker, modelUrl],
  );
  useEffect(() => {
    worker.onerror = () => update({ failure: "This browser cannot run the model." });
  }, [worker]);
  const open = (image: ImageBitmap) => {
    update({ encodeMilliseconds: null });
    client.open(image);
  };
  return { status, open, client };
}
