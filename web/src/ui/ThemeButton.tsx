/** Goes round the system's colours, light and dark. */
import { IconButton } from "./Icon";
import type { Theme } from "./settings";

const NEXT = { auto: "light", light: "dark", dark: "auto" } as const;
const ICONS = { auto: "auto", light: "sun", dark: "moon" } as const;
const NAMES = { auto: "as the system's", light: "light", dark: "dark" } as const;

export function ThemeButton({ theme, onTheme }: { theme: Theme; onTheme: (theme: Theme) => void }) {
  return (
    <IconButton
      icon={ICONS[theme]}
      label={`Colours: ${NAMES[theme]}`}
      onClick={() => onTheme(NEXT[theme])}
    />
  );
}
