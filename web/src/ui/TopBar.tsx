/** Above the picture: what is open, undo and redo, how masks look, export. */
import { type ReactNode, useRef } from "react";
import type { Document } from "../core/document";
import { DisplayPanel } from "./DisplayPanel";
import { Icon, IconButton } from "./Icon";
import { ThemeButton } from "./ThemeButton";
import { useKeys } from "./keys";
import type { Settings } from "./settings";
import type { Command } from "./shortcuts";

interface Props {
  readonly name: string;
  readonly document: Document;
  readonly settings: Settings;
  readonly onSettings: (values: Partial<Settings>) => void;
  readonly run: (command: Command) => void;
  readonly onClose: () => void;
  readonly onImport: (file: File) => void;
  readonly onExportCoco: () => void;
  readonly onExportPng: () => void;
  readonly children: ReactNode;
}

export function TopBar({
  name,
  document,
  settings,
  onSettings,
  run,
  onClose,
  onImport,
  onExportCoco,
  onExportPng,
  children,
}: Props) {
  const keyOf = useKeys();
  const { annotations } = document.sheet;
  return (
    <header className="top-bar">
      <button type="button" className="home" onClick={onClose} title="Other pictures">
        <img src="./icon.svg" alt="" width="24" height="24" />
        <span className="visually-hidden">Other pictures</span>
      </button>
      <h1 title={name}>{name}</h1>
      <div className="group">
        <IconButton
          icon="undo"
          label="Undo"
          shortcut={keyOf("undo")}
          isDisabled={!document.past.length}
          onClick={() => run("undo")}
        />
        <IconButton
          icon="redo"
          label="Redo"
          shortcut={keyOf("redo")}
          isDisabled={!document.future.length}
          onClick={() => run("redo")}
        />
      </div>
      <DisplayPanel settings={settings} onSettings={onSettings} />
      <div className="group">
        <OpenMasks onFile={onImport} />
        <button
          type="button"
          disabled={!annotations.length}
          onClick={onExportCoco}
          title="Masks as COCO JSON"
        >
          <Icon name="download" /> COCO
        </button>
        <button
          type="button"
          disabled={!annotations.length}
          onClick={onExportPng}
          title="One PNG a mask, in a ZIP archive"
        >
          <Icon name="download" /> PNG
        </button>
      </div>
      {children}
      <ThemeButton theme={settings.theme} onTheme={(theme) => onSettings({ theme })} />
      <IconButton
        icon="help"
        label="Keys and gestures"
        shortcut={keyOf("help")}
        onClick={() => run("help")}
      />
    </header>
  );
}

function OpenMasks({ onFile }: { onFile: (file: File) => void }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button
        type="button"
        title="Objects of this picture from a COCO JSON file"
        onClick={() => input.current!.click()}
      >
        <Icon name="open" /> Open masks
      </button>
      <input
        ref={input}
        type="file"
        accept=".json,application/json"
        hidden
        aria-label="File with masks"
        onChange={(event) => {
          const file = event.target.files?.[0];
          event.target.value = ""; // the same file may come again
          if (file) onFile(file);
        }}
      />
    </>
  );
}
