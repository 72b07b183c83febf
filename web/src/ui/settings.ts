/** How a person likes to work: kept between visits. */
import { useEffect, useState } from "react";

export type Theme = "auto" | "light" | "dark";

export interface Settings {
  readonly theme: Theme;
  /** 0 to 1, of all masks. */
  readonly opacity: number;
  /** In pixels of the image. */
  readonly brushRadius: number;
  readonly hasHoverPreview: boolean;
}

const KEY = "anymask-studio";
const DEFAULTS: Settings = { theme: "auto", opacity: 0.6, brushRadius: 8, hasHoverPreview: true };

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
