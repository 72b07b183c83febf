/** Where pictures come in: a drop zone, and those that were opened here before. */
import { useEffect, useRef, useState } from "react";
import type { KeptPicture } from "../storage/journal";
import { Icon, IconButton } from "./Icon";
import { ThemeButton } from "./ThemeButton";
import type { Settings } from "./settings";
import { useDrop } from "./use_drop";
import type { ModelStatus } from "./use_model";

interface Props {
  readonly status: ModelStatus;
  readonly pictures: readonly KeptPicture[];
  readonly problem: string | null;
  readonly settings: Settings;
  readonly onSettings: (values: Partial<Settings>) => void;
  readonly onFile: (file: File) => Promise<void>;
  readonly onOpen: (picture: KeptPicture) => Promise<void>;
  readonly onForget: (picture: KeptPicture) => Promise<void>;
}

export function StartScreen({
  status,
  pictures,
  problem,
  settings,
  onSettings,
  onFile,
  onOpen,
  onForget,
}: Props) {
  const input = useRef<HTMLInputElement>(null);
  const isReady = status.description !== null;
  const take = (files: FileList | null | undefined) => {
    const file = files?.[0];
    if (file && isReady) void onFile(file);
  };
  const [isOver, dropTarget] = useDrop(({ files }) => take(files));
  useEffect(() => {
    const paste = (event: ClipboardEvent) => take(event.clipboardData?.files);
    addEventListener("paste", paste);
    return () => removeEventListener("paste", paste);
  });
  return (
    <main className={`start ${isOver ? "start-over" : ""}`} {...dropTarget}>
      <div className="start-corner">
        <ThemeButton theme={settings.theme} onTheme={(theme) => onSettings({ theme })} />
      </div>
      <h1>
        <img src="./icon.svg" alt="" width="36" height="36" /> anymask studio
      </h1>
      <p className="start-text">
        Click on anything in a picture and its mask follows. Pictures stay on this machine.
      </p>
      <button
        type="button"
        className="drop-zone"
        disabled={!isReady}
        onClick={() => input.current!.click()}
      >
        <Icon name="image" />
        <strong>Drop a picture here</strong>
        <span>or press to choose one, or paste it</span>
      </button>
      <input
        ref={input}
        type="file"
        accept="image/*"
        hidden
        aria-label="Picture file"
        onChange={(event) => take(event.target.files)}
      />
      <LoadingBar status={status} />
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      {pictures.length > 0 && (
        <section className="recent" aria-label="Pictures opened here before">
          <h2>Go on with</h2>
          <ul>
            {pictures.map((picture) => (
              <li key={picture.hash}>
                <button type="button" disabled={!isReady} onClick={() => void onOpen(picture)}>
                  <Thumbnail file={picture.file} />
                  <span className="recent-name">{picture.name}</span>
                  <time>{new Date(picture.openedAt).toLocaleString()}</time>
                </button>
                <IconButton
                  icon="trash"
                  label={`Forget ${picture.name} and its masks`}
                  onClick={() =>
                    confirm(`Forget ${picture.name} and all its masks?`) && void onForget(picture)
                  }
                />
              </li>
            ))}
          </ul>
        </section>
      )}
    </main>
  );
}

function LoadingBar({ status }: { status: ModelStatus }) {
  if (status.failure)
    return (
      <p className="problem" role="alert">
        The model could not be loaded: {status.failure}
      </p>
    );
  if (status.description) return null;
  return (
    <label className="loading">
      Loading the model
      <progress value={status.fraction} max={1} />
    </label>
  );
}

function Thumbnail({ file }: { file: Blob }) {
  const [url, setUrl] = useState("");
  useEffect(() => {
    const made = URL.createObjectURL(file);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [file]);
  return <img src={url || undefined} alt="" className="thumbnail" />;
}
