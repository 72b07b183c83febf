/** A window over the page that takes the focus and gives it back; Escape closes it. */
import { type ReactNode, useEffect, useId, useRef } from "react";
import { IconButton } from "../Icon";

interface Props {
  readonly title: string;
  /** Absent where a choice has to be made. */
  readonly onClose?: () => void;
  readonly children: ReactNode;
}

export function Dialog({ title, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => dialog.current!.showModal(), []);
  return (
    <dialog
      ref={dialog}
      className="dialog"
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault(); // the parent takes it away
        onClose?.();
      }}
      onKeyDown={(event) => event.stopPropagation()} // no shortcuts of what lies behind
    >
      <div className="dialog-head">
        <h2 id={heading}>{title}</h2>
        {onClose && <IconButton icon="close" label="Close" onClick={onClose} />}
      </div>
      <div className="dialog-body">{children}</div>
    </dialog>
  );
}
