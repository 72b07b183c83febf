/** Above the picture: what is open, undo and redo, how masks look, export. */
import type { Document } from "../core/document";
import { Icon, IconButton } from "./Icon";
import { ThemeButton } from "./ThemeButton";
import type { Settings } from "./settings";
import type { Command } from "./shortcuts";

interface Props {
  readonly name: string;
  readonly document: Document;
  readonly settings: Settings;
  readonly onSettings: (values: Partial<Settings>) => void;
  readonly run: (command: Command) => void;
  readonly onClose: () => void;
  readonly onExportCoco: () => void;
  readonly onExportPng: () => void;
}

export function TopBar({
  name,
  document,
  settings,
  onSettings,
  run,
  onClose,
  onExportCoco,
  onExportPng,
}: Props) {
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
          shortcut="Ctrl+Z"
          isDisabled={!document.past.length}
          onClick={() => run("undo")}
        />
        <IconButton
          icon="redo"
          label="Redo"
          shortcut="Ctrl+Shift+Z"
          isDisabled={!document.future.length}
          onClick={() => run("redo")}
        />
      </div>
      <label className="slider">
        Masks
        <input
          type="range"
          min="0"
          max="1"
          step="0.05"
          value={settings.opacity}
          aria-label="Opacity of the masks"
          onChange={(event) => onSettings({ opacity: Number(event.target.value) })}
        />
      </label>
      <label className="check">
        <input
          type="checkbox"
          checked={settings.hasHoverPreview}
          onChange={(event) => onSettings({ hasHoverPreview: event.target.checked })}
        />
        Preview
      </label>
      <div className="group">
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
      <ThemeButton theme={settings.theme} onTheme={(theme) => onSettings({ theme })} />
      <IconButton icon="help" label="Keys and gestures" shortcut="?" onClick={() => run("help")} />
    </header>
  );
}
