/** How picture and masks look: opens from the top bar, changes no data. */
import { Icon } from "./Icon";
import { useKeys } from "./keys";
import { DEFAULT_LOOK, type Settings } from "./settings";

const SLIDERS = [
  ["opacity", "Masks", 0, 1],
  ["brightness", "Brightness", 0.2, 3],
  ["contrast", "Contrast", 0.2, 3],
] as const;

interface Props {
  readonly settings: Settings;
  readonly onSettings: (values: Partial<Settings>) => void;
}

export function DisplayPanel({ settings, onSettings }: Props) {
  const keyOf = useKeys();
  return (
    <>
      <button type="button" popoverTarget="display-panel" title="How picture and masks look">
        <Icon name="display" /> Display
      </button>
      <div
        id="display-panel"
        popover="auto"
        className="display-panel"
        role="group"
        aria-label="Display"
      >
        {SLIDERS.map(([key, label, least, most]) => (
          <label className="slider" key={key}>
            <span>{label}</span>
            <input
              type="range"
              min={least}
              max={most}
              step="0.05"
              value={settings[key]}
              onChange={(event) => onSettings({ [key]: Number(event.target.value) })}
            />
            <output>{Math.round(100 * settings[key])} %</output>
          </label>
        ))}
        <label className="check" title={keyOf("outlineOnly")}>
          <input
            type="checkbox"
            checked={settings.isOutlineOnly}
            onChange={(event) => onSettings({ isOutlineOnly: event.target.checked })}
          />
          Outlines only
        </label>
        <label className="check">
          <input
            type="checkbox"
            checked={settings.hasHoverPreview}
            onChange={(event) => onSettings({ hasHoverPreview: event.target.checked })}
          />
          Preview under the pointer
        </label>
        <button type="button" onClick={() => onSettings(DEFAULT_LOOK)}>
          Reset
        </button>
      </div>
    </>
  );
}
