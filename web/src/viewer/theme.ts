/** Light, dark, or as the system has it; remembered where the browser lets pages remember. */
import { iconButton } from "./dom";

const THEMES = ["auto", "light", "dark"] as const;
type Theme = (typeof THEMES)[number];

const SIGNS: Readonly<Record<Theme, string>> = { auto: "◐", light: "☀", dark: "☾" };
const NAMES: Readonly<Record<Theme, string>> = {
  auto: "as the system's",
  light: "light",
  dark: "dark",
};
const KEY = "anymask-viewer-theme";

export function themeButton(): HTMLButtonElement {
  const button = iconButton("", "", () => show(THEMES[(THEMES.indexOf(theme) + 1) % 3]!));
  let theme = remembered();
  const show = (next: Theme) => {
    theme = next;
    document.documentElement.dataset["theme"] = theme;
    button.textContent = SIGNS[theme];
    button.title = `Colours: ${NAMES[theme]}`;
    button.ariaLabel = button.title;
    remember(theme);
  };
  show(theme);
  return button;
}

function remembered(): Theme {
  try {
    const kept = localStorage.getItem(KEY);
    return THEMES.find((theme) => theme === kept) ?? "auto";
  } catch {
    return "auto"; // storage is switched off
  }
}

function remember(theme: Theme): void {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // The choice lasts as long as the page.
  }
}
