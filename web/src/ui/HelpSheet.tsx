/** All keys and gestures on one sheet, where each key can be changed. */
import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { IconButton } from "./Icon";
import {
  type Bindings,
  type Command,
  GESTURES,
  SHORTCUTS,
  type Shortcut,
  keyName,
  keysOf,
  ownerOf,
  rebound,
} from "./shortcuts";

const GROUPS = ["Tools", "Drawing", "Objects", "View"] as const;

/** A key that is to be a command's; `isTaken` until it is pressed once more. */
interface Recording {
  readonly command: Command;
  readonly key: string | null;
}

interface Props {
  readonly bindings: Bindings;
  readonly onBindings: (bindings: Bindings) => void;
  readonly onClose: () => void;
}

export function HelpSheet({ bindings, onBindings, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [recording, setRecording] = useState<Recording | null>(null);
  useEffect(() => dialog.current!.showModal(), []);

  const press = (event: KeyboardEvent) => {
    if (!recording || event.key === "Tab") return;
    event.preventDefault();
    if (event.key === "Escape") return setRecording(null);
    const key = keyName(event);
    if (key === null) return;
    const owner = ownerOf(key, bindings);
    const isTaken = owner !== null && owner !== recording.command;
    if (isTaken && recording.key !== key) return setRecording({ ...recording, key });
    onBindings(rebound(bindings, recording.command, key));
    setRecording(null);
  };

  return (
    <dialog
      ref={dialog}
      className="help"
      aria-label="Keys and gestures"
      onClose={onClose}
      onKeyDown={press}
    >
      <header>
        <h2>Keys and gestures</h2>
        <p role="status" className="help-note">
          {noteOn(recording, bindings)}
        </p>
        <button
          type="button"
          disabled={!Object.keys(bindings).length}
          onClick={() => onBindings({})}
        >
          Reset all keys
        </button>
        <IconButton icon="close" label="Close" onClick={() => dialog.current!.close()} />
      </header>
      <div className="help-columns">
        <section>
          <h3>On the picture</h3>
          <dl>
            {GESTURES.map(([gesture, effect]) => (
              <div key={gesture}>
                <dt>{gesture}</dt>
                <dd>{effect}</dd>
              </div>
            ))}
          </dl>
        </section>
        {GROUPS.map((group) => (
          <section key={group}>
            <h3>{group}</h3>
            <dl>
              {SHORTCUTS.filter((shortcut) => shortcut.group === group).map((shortcut) => (
                <KeyRow
                  key={shortcut.command}
                  shortcut={shortcut}
                  keys={keysOf(shortcut.command, bindings)}
                  isRecording={recording?.command === shortcut.command}
                  onRecord={() => setRecording({ command: shortcut.command, key: null })}
                />
              ))}
            </dl>
          </section>
        ))}
      </div>
    </dialog>
  );
}

interface RowProps {
  readonly shortcut: Shortcut;
  readonly keys: readonly string[];
  readonly isRecording: boolean;
  readonly onRecord: () => void;
}

function KeyRow({ shortcut: { label }, keys, isRecording, onRecord }: RowProps) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>
        <button
          type="button"
          className="key-button"
          aria-label={`${label}: ${keys.join(" ") || "none"}. Change`}
          aria-pressed={isRecording}
          onClick={onRecord}
        >
          {isRecording ? (
            <kbd>…</kbd>
          ) : (
            (keys.length ? keys : ["none"]).map((key, i) => (
              <span key={key}>
                {i > 0 && " "}
                <kbd>{key}</kbd>
              </span>
            ))
          )}
        </button>
      </dd>
    </div>
  );
}

function noteOn(recording: Recording | null, bindings: Bindings): string {
  if (!recording) return "Press a key below to change it.";
  if (recording.key === null) return "Press the new key, or Escape.";
  const owner = ownerOf(recording.key, bindings);
  const { label } = SHORTCUTS.find(({ command }) => command === owner)!;
  return `${recording.key} is “${label}”. Press it again to take it, or another key.`;
}
