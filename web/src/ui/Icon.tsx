/** The few signs of the studio, drawn on a square of 24. */

const PATHS = {
  segment: "M4 4l6.5 16 2.2-6.3L19 11.5zM15 15l5 5",
  polygon: "M5 17L7 5.500l8 2.500 5 7-9 4.500zM5 17l6 2.500",
  shape: "M4 4h10v10H4zM10 10h10v10H10z",
  display:
    "M4 7h9M17 7h3M4 17h3M11 17h9M15 5a2 2 0 1 1 0 4 2 2 0 0 1 0-4zM9 15a2 2 0 1 1 0 4 2 2 0 0 1 0-4z",
  open: "M4 19V5.500h5.500l2 2.500H19v3M4 19l3-8h14l-3 8z",
  search: "M10.500 4a6.500 6.500 0 1 1 0 13 6.500 6.500 0 0 1 0-13zM15.500 15.500L20 20",
  brush:
    "M20 4c-5 2-9 6-11 9l2 2c3-2 7-6 9-11zM8 14c-2 0-3.500 1.500-3.500 3.500S3.500 20 3 20c3 1 7 0 7-4z",
  eraser:
    "M9 20h11M4.500 14.500l9-9a2 2 0 0 1 3 0l3 3a2 2 0 0 1 0 3L12 19H8.500l-4-3a1.500 1.500 0 0 1 0-1.500zM9 10l6 6",
  select: "M6 3l12 9-6 1 4 7-3 1.500-3.500-7L6 19z",
  pan: "M12 3v18M3 12h18M12 3l-2.500 2.500M12 3l2.500 2.500M12 21l-2.500-2.500M12 21l2.500-2.500M3 12l2.500-2.500M3 12l2.500 2.500M21 12l-2.500-2.500M21 12l-2.500 2.500",
  undo: "M9 7L4 12l5 5M4 12h10a5 5 0 0 1 5 5v1",
  redo: "M15 7l5 5-5 5M20 12H10a5 5 0 0 0-5 5v1",
  fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  eye: "M2.500 12S6 5.500 12 5.500 21.500 12 21.500 12 18 18.500 12 18.500 2.500 12 2.500 12zM12 9.500a2.500 2.500 0 1 1 0 5 2.500 2.500 0 0 1 0-5z",
  eyeOff:
    "M4 4l16 16M9.500 5.900A9 9 0 0 1 12 5.500c6 0 9.500 6.500 9.500 6.500a17 17 0 0 1-3 3.700M6 7.500A17 17 0 0 0 2.500 12S6 18.500 12 18.500c1.500 0 2.900-.4 4-1",
  lock: "M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 0 1 7 0v3",
  unlock: "M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 0 1 6.800-1",
  trash: "M5 7h14M10 7V4.500h4V7M7 7l1 13h8l1-13M10.500 11v5.500M13.500 11v5.500",
  download: "M12 4v11M7.500 11l4.500 4.500 4.500-4.500M4.500 20h15",
  help: "M9 9a3 3 0 1 1 4.200 2.800c-.8.400-1.200 1-1.200 1.900v.5M12 17.500v.2M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18z",
  sun: "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM12 2.500v2M12 19.500v2M2.500 12h2M19.500 12h2M5.300 5.300l1.400 1.400M17.300 17.300l1.400 1.400M5.300 18.700l1.400-1.400M17.300 6.700l1.400-1.400",
  moon: "M20 14.500A8.500 8.500 0 0 1 9.500 4 8.500 8.500 0 1 0 20 14.500z",
  auto: "M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18zM12 3v18M12 8h7M12 12h9M12 16h7",
  check: "M4.500 12.500l5 5 10-11",
  close: "M6 6l12 12M18 6L6 18",
  image: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.500 8.500v.1",
  edit: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  previous: "M14.500 6l-6 6 6 6",
  next: "M9.500 6l6 6-6 6",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** A button that shows an icon, with its name for everyone who does not see it. */
export function IconButton(props: {
  icon: IconName;
  label: string;
  onClick: () => void;
  shortcut?: string | undefined;
  isPressed?: boolean;
  isDisabled?: boolean;
}) {
  const { icon, label, onClick, shortcut, isPressed, isDisabled } = props;
  return (
    <button
      type="button"
      className="icon-button"
      title={shortcut ? `${label} (${shortcut})` : label}
      aria-label={label}
      aria-pressed={isPressed}
      disabled={isDisabled}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  );
}
