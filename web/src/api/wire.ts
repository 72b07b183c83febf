/** What the server says and hears; the names are those of its OpenAPI description. */

export type Role = "annotator" | "reviewer" | "admin";
export type ImageState = "waiting" | "submitted" | "accepted" | "rejected";
export type Decision = "accept" | "fix" | "reject";

/** `studio.json` beside the page: whether there is a server, and what a page must know of it. */
export type Mode =
  | { readonly server: false }
  | {
      readonly server: true;
      /** Whether people log in. */
      readonly auth: boolean;
      /** Whether they may do so at an identity provider. */
      readonly oidc: boolean;
      readonly lease_seconds: number;
    };

export interface User {
  readonly id: number;
  readonly name: string;
  readonly role: Role;
}

export interface Session {
  readonly user: User;
  readonly csrf_token: string | null;
}

export interface Progress {
  readonly waiting: number;
  readonly submitted: number;
  readonly accepted: number;
  readonly rejected: number;
  readonly masks: number;
}

export interface Project {
  readonly id: number;
  readonly name: string;
  readonly guideline: string;
  /** An image is listed once for each of them. */
  readonly annotators_per_image: number;
  readonly progress: Progress;
}

export interface StudioImage {
  readonly id: number;
  readonly project_id: number;
  readonly name: string;
  /** SHA-256 of its file. */
  readonly digest: string;
  /** Tells the rows of an image apart that several people annotate. */
  readonly copy_number: number;
  readonly width: number;
  readonly height: number;
  readonly state: ImageState;
  readonly lease_user_id: number | null;
  /** Seconds since 1970, by the server's clock. */
  readonly lease_until: number;
}

export interface ListedImage extends StudioImage {
  /** How many it has. */
  readonly masks: number;
}

export interface Prompts {
  readonly point_coords?: readonly (readonly [number, number])[];
  readonly point_labels?: readonly (0 | 1)[];
  readonly box?: readonly [number, number, number, number] | null;
  /** What found the mask, where no person did, and how sure it was. */
  readonly source?: string;
  readonly score?: number;
}

/** A stored mask; `counts` are run lengths at the image's size. */
export interface StoredMask {
  readonly id: string;
  readonly version: number;
  readonly author_id: number;
  readonly position: number;
  readonly counts: string;
  readonly name: string;
  readonly model_id: string | null;
  readonly predicted_iou: number | null;
  readonly prompts: Prompts;
  readonly is_deleted: boolean;
}

/** A mask to save; `version` is the stored one that it changes, 0 for a new mask. */
export interface MaskDraft {
  readonly image_id: number;
  readonly version: number;
  readonly segmentation: { readonly size: readonly [number, number]; readonly counts: string };
  readonly position: number;
  readonly name: string;
  readonly model_id: string | null;
  readonly predicted_iou: number | null;
  readonly prompts: Prompts;
}

export interface Work {
  readonly image: StudioImage;
  readonly annotations: readonly StoredMask[];
}

export interface Review {
  readonly decision: Decision;
  readonly reason: string;
}

export interface ServerModel {
  readonly model_id: string;
  readonly image_size: number;
  readonly mask_threshold: number;
  /** Names the content of the decoder's graph. */
  readonly decoder_key: string;
  /** Whether it finds what words name. */
  readonly has_text: boolean;
}

/** Something done, `age_seconds` before it is sent. */
export interface LoggedAction {
  readonly kind: string;
  readonly annotation_id: string | null;
  readonly age_seconds: number;
  readonly data: Readonly<Record<string, string | number | boolean | null>>;
}

export interface FoundInstances {
  readonly instances: readonly {
    readonly segmentation: { readonly size: readonly [number, number]; readonly counts: string };
    /** How well mask and words fit. */
    readonly score: number;
  }[];
}

/** A format of exports. */
export interface Format {
  readonly name: string;
  readonly title: string;
}

/** An import on the server; `total` is 0 until that is known. */
export interface Import {
  readonly id: string;
  readonly status: "waiting" | "running" | "done" | "failed";
  readonly done: number;
  readonly total: number;
  readonly masks: number;
  readonly problems: readonly { readonly text: string }[];
}

export interface MaskAnswers {
  readonly best: number;
  readonly masks: readonly {
    readonly predicted_iou: number;
    /** Base64 of float16. */
    readonly low_res_logits: string;
  }[];
}
