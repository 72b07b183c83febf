/** The server's API as typed calls; every failure is an `ApiError`. */
import type {
  Decision,
  Format,
  FoundInstances,
  ImageState,
  Import,
  ListedImage,
  LoggedAction,
  MaskAnswers,
  MaskDraft,
  Project,
  Review,
  ServerModel,
  Session,
  StoredMask,
  StudioImage,
  Work,
} from "./wire";

/** A request that came to nothing. */
export class ApiError extends Error {
  constructor(
    /** As of HTTP; 0 where there was no answer at all. */
    readonly status: number,
    message: string,
    /** What it is about. */
    readonly field: string | null = null,
    /** With a conflict of versions: what is stored, null if nothing is. */
    readonly current: StoredMask | null = null,
  ) {
    super(message);
  }

  /** Whether the same request may succeed later. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

interface Options {
  readonly body?: unknown;
  /** Sent as it is, in the place of JSON. */
  readonly file?: Blob;
  readonly key?: string;
  /** The request outlives the page. */
  readonly isParting?: boolean;
}

/** What an export holds. */
export interface ExportChoices {
  /** Images that a reviewer has accepted, and no others. */
  readonly isAccepted: boolean;
  readonly isWithPictures: boolean;
  /** Pictures as they were uploaded, which is for admins. */
  readonly isWithMetadata: boolean;
}

const CSRF_HEADER = "X-CSRF-Token";
const FAR = "The server cannot be reached.";

export class Api {
  private csrfToken: string | null = null;

  /**
   * @param root of the server, with a slash at its end.
   * @param onLoggedOut hears of a session that has ended.
   */
  constructor(
    private readonly root: string,
    private readonly onLoggedOut: () => void = () => {},
  ) {}

  async session(): Promise<Session> {
    return this.begun(await this.get("session"));
  }

  async logIn(name: string, password: string): Promise<Session> {
    return this.begun(await this.call("POST", "session", { body: { name, password } }));
  }

  async acceptInvitation(secret: string, name: string, password: string): Promise<Session> {
    const body = { secret, name, password };
    return this.begun(await this.call("POST", "invitations/accept", { body }));
  }

  /** Where a browser goes to log in at the identity provider. */
  providerUrl = (invitation: string | null) =>
    this.url(`oidc/start${invitation ? `?invitation=${encodeURIComponent(invitation)}` : ""}`);

  async logOut(): Promise<void> {
    await this.call("DELETE", "session");
  }

  /** All browsers of the account are logged out. */
  async changePassword(password: string, newPassword: string): Promise<void> {
    const body = { password, new_password: newPassword };
    await this.call("PUT", "session/password", { body });
  }

  projects = () => this.get<Project[]>("projects");
  project = (id: number) => this.get<Project>(`projects/${id}`);
  addProject = (name: string, guideline: string) =>
    this.call<Project>("POST", "projects", { body: { name, guideline } });

  images(
    project: number,
    {
      state,
      name,
      after,
      limit,
    }: { state?: ImageState; name?: string; after?: number; limit: number },
  ): Promise<ListedImage[]> {
    const query = new URLSearchParams({ limit: String(limit) });
    if (state) query.set("state", state);
    if (name) query.set("name", name);
    if (after) query.set("after", String(after));
    return this.get(`projects/${project}/images?${query}`);
  }

  addImage = (project: number, file: File) =>
    this.call<StudioImage>(
      "POST",
      `projects/${project}/images?name=${encodeURIComponent(file.name)}`,
      {
        file,
      },
    );

  image = (id: number) => this.get<StudioImage>(`images/${id}`);
  /** Masks, or pictures with masks, in any format that the server knows. */
  addImport = (project: number, file: File) =>
    this.call<Import>("POST", `projects/${project}/imports?name=${encodeURIComponent(file.name)}`, {
      file,
    });
  import = (id: string) => this.get<Import>(`imports/${id}`);
  formats = () => this.get<Format[]>("formats");

  fileUrl = (image: number) => this.url(`images/${image}/file`);
  thumbnailUrl = (image: number) => this.url(`images/${image}/thumbnail`);
  exportUrl = (project: number, format: string, chosen: ExportChoices) =>
    this.url(
      `projects/${project}/export?format=${format}&pictures=${chosen.isWithPictures}` +
        (chosen.isAccepted ? "&state=accepted" : "") +
        (chosen.isWithMetadata ? "&metadata=true" : ""),
    );
  embeddingUrl = (image: number, { model_id }: ServerModel) =>
    this.url(`images/${image}/embedding?model=${encodeURIComponent(model_id)}`);
  decoderUrl = ({ decoder_key }: ServerModel) => this.url(`model/decoder?key=${decoder_key}`);

  /** The next image, leased; null when nothing is left. `after` skips all up to that id. */
  next = (project: number, after = 0) =>
    this.call<Work | null>("POST", `projects/${project}/next?after=${after}`);
  lease = (image: number) => this.call<Work>("PUT", `images/${image}/lease`);
  release = (image: number, isParting = false) =>
    this.call<null>("DELETE", `images/${image}/lease`, { isParting });
  annotations = (image: number) => this.get<StoredMask[]>(`images/${image}/annotations`);

  /** @param key the same for the same save, however often it is sent. */
  save = (id: string, body: MaskDraft, key: string) =>
    this.call<StoredMask>("PUT", `annotations/${id}`, { body, key });
  remove = (id: string, image: number, version: number) =>
    this.call<StoredMask>("DELETE", `annotations/${id}?image_id=${image}&version=${version}`);
  log = (image: number, body: readonly LoggedAction[], key: string, isParting = false) =>
    this.call<null>("POST", `images/${image}/events`, { body, key, isParting });

  submit = (image: number) => this.call<StudioImage>("POST", `images/${image}/submit`);
  review = (image: number, decision: Decision, reason = "") =>
    this.call<StudioImage>("POST", `images/${image}/review`, { body: { decision, reason } });
  reviews = (image: number) => this.get<Review[]>(`images/${image}/reviews`);

  model = () => this.get<ServerModel>("model");
  masks = (image: number, body: unknown) =>
    this.call<MaskAnswers>("POST", `images/${image}/masks`, { body });

  findText = (image: number, text: string) =>
    this.call<FoundInstances>("POST", `images/${image}/text`, { body: { text } });

  get<T>(path: string): Promise<T> {
    return this.call("GET", path);
  }

  async call<T>(method: string, path: string, options: Options = {}): Promise<T> {
    try {
      return await this.once(method, path, options);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 401 && path !== "session") this.onLoggedOut();
      if (error.field !== CSRF_HEADER) throw error;
      await this.session(); // begun anew in another tab
      return this.once(method, path, options);
    }
  }

  private async once<T>(method: string, path: string, options: Options): Promise<T> {
    const { body, file, key, isParting } = options;
    const headers = new Headers();
    if (this.csrfToken && method !== "GET") headers.set(CSRF_HEADER, this.csrfToken);
    if (key) headers.set("Idempotency-Key", key);
    if (file) headers.set("Content-Type", file.type || "application/octet-stream");
    else if (body !== undefined) headers.set("Content-Type", "application/json");
    const content = file ?? (body === undefined ? null : JSON.stringify(body));
    const init = { method, headers, body: content, keepalive: isParting ?? false };
    const response = await fetch(this.url(path), init).catch(() => null);
    if (!response) throw new ApiError(0, FAR);
    if (response.status === 204) return null as T;
    const said = (await response.json().catch(() => null)) as
      (T & { error?: string; field?: string | null; current?: StoredMask | null }) | null;
    if (response.ok && said) return said;
    throw new ApiError(
      response.ok ? 0 : response.status,
      said?.error ?? `${FAR} It said ${response.status}.`,
      said?.field,
      said?.current,
    );
  }

  private url(path: string): string {
    return `${this.root}api/${path}`;
  }

  private begun(session: Session): Session {
    this.csrfToken = session.csrf_token;
    return session;
  }
}
