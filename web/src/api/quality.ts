/** Ratings of masks, and what they and corrections say of a data set. */
import type { Api } from "./client";

export interface RatingProgress {
  readonly given: number;
  readonly wanted: number;
  readonly own: number;
}

/** A mask as a rater gets it: whose it is stays hidden. */
export interface RatingJob {
  readonly job_id: number;
  readonly image_id: number;
  readonly width: number;
  readonly height: number;
  readonly segmentation: { readonly size: readonly [number, number]; readonly counts: string };
  readonly points: readonly (readonly [number, number])[];
}

export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export interface RatingFigures {
  readonly ratings: number;
  readonly raters: number;
  readonly sources: Readonly<Record<string, { readonly masks: number; readonly mean: Estimate }>>;
  readonly pairs: readonly {
    readonly first: string;
    readonly second: string;
    readonly masks: number;
    readonly difference: Estimate;
    readonly p_value: number | null;
  }[];
  readonly rater_sd: number | null;
  readonly seconds: number | null;
}

interface IouFigures {
  readonly masks: number;
  readonly deleted: number;
  readonly mean: Estimate;
  readonly above_90: Estimate;
  readonly above_75: Estimate;
}

export interface AuditFigures {
  readonly images: number;
  readonly kept: number;
  readonly changed: number;
  readonly deleted: number;
  readonly added: number;
  readonly all: IouFigures | null;
  readonly remaining: IouFigures | null;
  readonly by_size: Readonly<Record<string, IouFigures>>;
}

const at = (project: number, rest = "") => `projects/${project}/rating${rest}`;

export const ratingProgress = (api: Api, project: number) => api.get<RatingProgress>(at(project));

/** Null if no mask is left for who asks. */
export const nextRatingJob = (api: Api, project: number) =>
  api.call<RatingJob | null>("POST", at(project, "/next"));

/** Tells that somebody still looks, so that the time counts. */
export const touchRatingJob = (api: Api, project: number, job: number) =>
  api.call<null>("POST", at(project, `/jobs/${job}/touch`));

export const rateMask = (api: Api, project: number, job: number, score: number) =>
  api.call<null>("PUT", at(project, `/jobs/${job}`), { body: { score } });

export const takeRatingBack = (api: Api, project: number) =>
  api.call<RatingProgress>("POST", at(project, "/undo"));

export const ratingFigures = (api: Api, project: number) =>
  api.get<RatingFigures>(at(project, "/figures"));

export const auditFigures = (api: Api, project: number) =>
  api.get<AuditFigures>(`projects/${project}/audit/figures`);
