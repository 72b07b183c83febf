/** What reviewers and admins ask of the server: figures, people, invitations, tokens. */
import type { Api } from "./client";
import type { Progress, Role, User } from "./wire";

export interface Effort {
  readonly masks: number;
  readonly mean_seconds: number;
  /** A quarter, a half and three quarters of the masks took fewer seconds. */
  readonly quartiles: readonly [number, number, number];
  readonly mean_clicks: number;
  /** Of masks with a stroke of brush or eraser. */
  readonly brushed_share: number;
}

export interface DayEffort extends Effort {
  /** Since 1970, UTC. */
  readonly day: number;
  /** Empty for masks drawn by hand. */
  readonly model_id: string;
}

export interface Statistics {
  readonly progress: Progress;
  readonly masks_per_image: number | null;
  /** Without those that the engine had put in. */
  readonly own_masks_per_image: number | null;
  /** What people made of those, on images handed in; they count in no cost. */
  readonly prefilled: {
    readonly masks: number;
    readonly kept: number;
    readonly changed: number;
    readonly deleted: number;
  };
  readonly overall: Effort | null;
  readonly by_day_and_model: readonly DayEffort[];
  readonly by_model: Readonly<Record<string, Effort>>;
  readonly by_user: Readonly<Record<string, Effort>>;
  readonly user_names: Readonly<Record<string, string>>;
  readonly agreement: {
    readonly pairs: number;
    readonly matched_share: number | null;
    readonly mean_iou: number | null;
  };
}

export interface Account extends User {
  readonly is_active: boolean;
}

export interface Token {
  readonly id: number;
  readonly label: string;
  /** Seconds since 1970. */
  readonly created_at: number;
}

export interface Invited {
  readonly role: Role;
  readonly project_ids: readonly number[];
  /** Whose password is to be chosen anew. */
  readonly user_id?: number;
}

export interface AuditEntry {
  readonly id: number;
  readonly user_id: number;
  readonly action: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly happened_at: number;
}

export const statistics = (api: Api, project: number) =>
  api.get<Statistics>(`projects/${project}/statistics`);

export const accounts = (api: Api) => api.get<Account[]>("users");
export const changeAccount = (api: Api, id: number, body: { role?: Role; is_active?: boolean }) =>
  api.call<Account>("PATCH", `users/${id}`, { body });
/** Resolves to the secret, which is never shown again. */
export const invite = async (api: Api, body: Invited) =>
  (await api.call<{ secret: string }>("POST", "invitations", { body })).secret;
export const audit = (api: Api) => api.get<AuditEntry[]>("audit?limit=50");

export const members = (api: Api, project: number) =>
  api.get<Account[]>(`projects/${project}/members`);
export const addMember = (api: Api, project: number, user: number) =>
  api.call<null>("POST", `projects/${project}/members`, { body: { user_ids: [user] } });
export const removeMember = (api: Api, project: number, user: number) =>
  api.call<null>("DELETE", `projects/${project}/members/${user}`);
export const askAnnotators = (api: Api, project: number, annotators_per_image: number) =>
  api.call<null>("PATCH", `projects/${project}`, { body: { annotators_per_image } });

export const tokens = (api: Api) => api.get<Token[]>("tokens");
/** Resolves to the token itself, which is never shown again. */
export const makeToken = async (api: Api, label: string) =>
  (await api.call<{ token: string }>("POST", "tokens", { body: { label } })).token;
export const deleteToken = (api: Api, id: number) => api.call<null>("DELETE", `tokens/${id}`);
