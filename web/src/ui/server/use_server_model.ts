/** The server's model, decoding in this page, or there where the page cannot. */
import { useEffect, useState } from "react";
import type { Api } from "../../api/client";
import { ServerChannel } from "../../api/server_channel";
import type { ServerModel } from "../../api/wire";
import { FallbackChannel } from "../../model/fallback_channel";
import type { ModelSource } from "../../model/protocol";
import { type Model, startWorker, useModel } from "../use_model";

const RETRY_MS = 3000;

export interface PreparedModel extends Model {
  /** Null until the server has told. */
  readonly server: ServerModel | null;
  /** Ask again, and load what the server has now: a better model may have been promoted. */
  renew(): Promise<ServerModel>;
}

/** @param isWanted whether the model will be needed soon; it stays once it is there. */
export function useServerModel(api: Api, isWanted: boolean): PreparedModel {
  const [server, setServer] = useState<ServerModel | null>(null);
  const [source, setSource] = useState<ModelSource | null>(null);
  const model = useModel(source, () => new FallbackChannel(startWorker(), new ServerChannel(api)));
  useEffect(() => {
    if (!isWanted || server) return;
    let timer = 0;
    let isCurrent = true;
    const take = (told: ServerModel) => {
      if (!isCurrent) return;
      setServer(told);
      setSource({ description: told, decoderUrl: api.decoderUrl(told) });
    };
    const ask = () =>
      void api.model().then(take, () => {
        if (isCurrent) timer = window.setTimeout(ask, RETRY_MS);
      });
    ask();
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [api, isWanted, server]);
  const renew = async () => {
    const told = await api.model();
    if (told.model_id !== server?.model_id) {
      // Before the next picture is fetched, whose embedding is of this model.
      if (server) model.client.load({ description: told, decoderUrl: api.decoderUrl(told) });
      setServer(told);
    }
    return told;
  };
  return { ...model, server, renew };
}
