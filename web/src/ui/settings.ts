/** How a person likes to work: kept between visits. */
import { useEffect, useState } from "react";
import type { Look } from "../canvas/picture_tiles";
import type { Bindings } from "./shortcuts";

export type Theme = "auto" | "light" | "dark";

export interface Settings extends Look {
  readonly theme: Theme;
  /** In pixels of the image. */
  readonly brushRadius: number;
  readonly hasHoverPreview: boolean;
  /** Whether to be told after half a minute on one object. */
  readonly hasNudge: boolean;
  /** Keys that are not those of the table. */
  readonly keys: Bindings;
}

const KEY = "anymask-studio";

export const DEFAULT_LOOK: Look = {
  opacity: 0.6,
  isOutlineOnly: false,
  brightness: 1,
  contrast: 1,
};

const DEFAULTS: Settings = {
  ...DEFAULT_LOOK,
  theme: "auto",
  brushRadius: 8,
  hasHoverPreview: true,
  hasNudge: true,
  keys: {},
};

export const BRUSH_RADII = { least: 0.5, most: 200 };

export function useSettings(): [Settings, (values: Partial<Settings>) => void] {
  const [settings, set] = useState(read);
  useEffect(() => {
    localStorage.setItem(KEY, JSON.stringify(settings));
    document.documentElement.dataset.theme = settings.theme;
  }, [settings]);
  return [settings, (values) => set((before) => ({ ...before, ...values }))];
}

function read(): Settings {
  try {
    return { ...DEFAULTS, ...(JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Settings>) };
  } catch {
    return DEFAULTS; // written by something else
  }
}
