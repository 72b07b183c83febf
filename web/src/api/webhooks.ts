/** The addresses that a project tells of submissions and reviews: for admins. */
import type { Api } from "./client";

export interface Webhook {
  readonly id: number;
  readonly url: string;
  /** Seconds since 1970. */
  readonly created_at: number;
}

/** Something that a webhook was told. */
export interface Delivery {
  readonly id: number;
  readonly event: string;
  readonly created_at: number;
  readonly attempts: number;
  /** Of the next attempt; null once it was heard or given up. */
  readonly next_at: number | null;
  /** Status or error of the last attempt, empty before the first. */
  readonly answer: string;
}

const path = (project: number) => `projects/${project}/webhooks`;

export const webhooks = (api: Api, project: number) => api.get<Webhook[]>(path(project));
/** Resolves to the secret that signs, which is never shown again. */
export const addWebhook = async (api: Api, project: number, url: string) =>
  (await api.call<{ secret: string }>("POST", path(project), { body: { url } })).secret;
export const deleteWebhook = (api: Api, project: number, id: number) =>
  api.call<null>("DELETE", `${path(project)}/${id}`);
/** The newest first. */
export const deliveries = (api: Api, project: number, id: number) =>
  api.get<Delivery[]>(`${path(project)}/${id}/deliveries`);
