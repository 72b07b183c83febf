/** All keys and gestures on one sheet. */
import { useEffect, useRef } from "react";
import { IconButton } from "./Icon";
import { GESTURES, SHORTCUTS } from "./shortcuts";

const GROUPS = ["Tools", "Drawing", "Objects", "View"] as const;

export function HelpSheet({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current!.showModal(), []);
  return (
    <dialog ref={dialog} className="help" aria-label="Keys and gestures" onClose={onClose}>
      <header>
        <h2>Keys and gestures</h2>
        <IconButton icon="close" label="Close" onClick={() => dialog.current!.close()} />
      </header>
      <div className="help-columns">
        <section>
          <h3>On the picture</h3>
          <dl>
            {GESTURES.map(([gesture, effect]) => (
              <div key={gesture}>
                <dt>{gesture}</dt>
                <dd>{effect}</dd>
              </div>
            ))}
          </dl>
        </section>
        {GROUPS.map((group) => (
          <section key={group}>
            <h3>{group}</h3>
            <dl>
              {SHORTCUTS.filter((shortcut) => shortcut.group === group).map(
                ({ command, keys, label }) => (
                  <div key={command}>
                    <dt>{label}</dt>
                    <dd>
                      {keys.map((key) => (
                        <kbd key={key}>
                          {key.replace(/\b[a-z]$/, (letter) => letter.toUpperCase())}
                        </kbd>
                      ))}
                    </dd>
                  </div>
                ),
              )}
            </dl>
          </section>
        ))}
      </div>
    </dialog>
  );
}
