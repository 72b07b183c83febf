/** The tools, and what belongs to the one in hand. */
import type { Tool } from "../canvas/gestures";
import { IconButton, type IconName } from "./Icon";
import { BRUSH_RADII, type Settings } from "./settings";
import type { Command } from "./shortcuts";

const TOOLS: readonly (readonly [Tool, IconName, string, string])[] = [
  ["segment", "segment", "Click or box", "S"],
  ["brush", "brush", "Brush", "B"],
  ["eraser", "eraser", "Eraser", "E"],
  ["select", "select", "Select", "V"],
  ["pan", "pan", "Move the picture", "G"],
];

interface Props {
  readonly tool: Tool;
  readonly isRemoving: boolean;
  readonly scale: number;
  readonly settings: Settings;
  readonly onSettings: (values: Partial<Settings>) => void;
  readonly onTool: (tool: Tool) => void;
  readonly onRemoving: (isRemoving: boolean) => void;
  readonly run: (command: Command) => void;
}

export function ToolRail({
  tool,
  isRemoving,
  scale,
  settings,
  onSettings,
  onTool,
  onRemoving,
  run,
}: Props) {
  return (
    <nav className="tool-rail" aria-label="Tools">
      <div role="group" aria-label="Tool">
        {TOOLS.map(([name, icon, label, key]) => (
          <IconButton
            key={name}
            icon={icon}
            label={label}
            shortcut={key}
            isPressed={tool === name}
            onClick={() => onTool(name)}
          />
        ))}
      </div>
      {tool === "segment" && (
        <div role="group" aria-label="What a click does">
          <IconButton
            icon="plus"
            label="Clicks add"
            shortcut="T"
            isPressed={!isRemoving}
            onClick={() => onRemoving(false)}
          />
          <IconButton
            icon="minus"
            label="Clicks remove"
            shortcut="T"
            isPressed={isRemoving}
            onClick={() => onRemoving(true)}
          />
        </div>
      )}
      {(tool === "brush" || tool === "eraser") && (
        <label className="brush-size" title="[ and ]">
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
        <IconButton icon="plus" label="Closer" shortcut="+" onClick={() => run("zoomIn")} />
        <output aria-label="Zoom">{Math.round(100 * scale)} %</output>
        <IconButton icon="minus" label="Farther" shortcut="-" onClick={() => run("zoomOut")} />
        <IconButton icon="fit" label="The whole picture" shortcut="F" onClick={() => run("fit")} />
      </div>
    </nav>
  );
}
