/** The tools, and what belongs to the one in hand. */
import type { Tool } from "../canvas/gestures";
import { IconButton, type IconName } from "./Icon";
import { useKeys } from "./keys";
import { BRUSH_RADII, type Settings } from "./settings";
import type { Command } from "./shortcuts";

const TOOLS: readonly (readonly [Tool, IconName, string])[] = [
  ["segment", "segment", "Click or box"],
  ["polygon", "polygon", "Polygon and lasso"],
  ["brush", "brush", "Brush"],
  ["eraser", "eraser", "Eraser"],
  ["select", "select", "Select"],
  ["pan", "pan", "Move the picture"],
];

interface Props {
  readonly tool: Tool;
  readonly isRemoving: boolean;
  /** Of the zoom. */
  readonly percent: number;
  readonly settings: Settings;
  readonly onSettings: (values: Partial<Settings>) => void;
  readonly onTool: (tool: Tool) => void;
  readonly onRemoving: (isRemoving: boolean) => void;
  readonly run: (command: Command) => void;
}

export function ToolRail({
  tool,
  isRemoving,
  percent,
  settings,
  onSettings,
  onTool,
  onRemoving,
  run,
}: Props) {
  const keyOf = useKeys();
  return (
    <nav className="tool-rail" aria-label="Tools">
      <div role="group" aria-label="Tool">
        {TOOLS.map(([name, icon, label]) => (
          <IconButton
            key={name}
            icon={icon}
            label={label}
            shortcut={keyOf(name)}
            isPressed={tool === name}
            onClick={() => onTool(name)}
          />
        ))}
      </div>
      {(tool === "segment" || tool === "polygon") && (
        <div role="group" aria-label="Add or remove">
          <IconButton
            icon="plus"
            label="Add"
            shortcut={keyOf("toggleSign")}
            isPressed={!isRemoving}
            onClick={() => onRemoving(false)}
          />
          <IconButton
            icon="minus"
            label="Remove"
            shortcut={keyOf("toggleSign")}
            isPressed={isRemoving}
            onClick={() => onRemoving(true)}
          />
        </div>
      )}
      {(tool === "brush" || tool === "eraser") && (
        <label className="brush-size" title={`${keyOf("smaller")} and ${keyOf("larger")}`}>
          <input
            type="range"
            min={Math.log2(BRUSH_RADII.least)}
            max={Math.log2(BRUSH_RADII.most)}
            step="0.1"
            value={Math.log2(settings.brushRadius)}
            aria-label="Size of the brush"
            onChange={(event) => onSettings({ brushRadius: 2 ** Number(event.target.value) })}
          />
          {Math.round(2 * settings.brushRadius)} px
        </label>
      )}
      <div className="tool-rail-end">
        <IconButton
          icon="plus"
          label="Closer"
          shortcut={keyOf("zoomIn")}
          onClick={() => run("zoomIn")}
        />
        <output aria-label="Zoom">{percent} %</output>
        <IconButton
          icon="minus"
          label="Farther"
          shortcut={keyOf("zoomOut")}
          onClick={() => run("zoomOut")}
        />
        <IconButton
          icon="fit"
          label="The whole picture"
          shortcut={keyOf("fit")}
          onClick={() => run("fit")}
        />
      </div>
    </nav>
  );
}
