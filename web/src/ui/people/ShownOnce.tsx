/** A secret that is never shown again, with a button that copies it. */
import { useState } from "react";
import { Icon } from "../Icon";

export function ShownOnce({ text, name }: { text: string; name: string }) {
  const [isCopied, setIsCopied] = useState(false);
  return (
    <div className="shown-once">
      <input
        type="text"
        readOnly
        value={text}
        aria-label={`The ${name}`}
        onFocus={(event) => event.target.select()}
      />
      <button
        type="button"
        className="primary"
        onClick={() => void navigator.clipboard.writeText(text).then(() => setIsCopied(true))}
      >
        {isCopied && <Icon name="check" />} {isCopied ? "Copied" : "Copy"}
      </button>
      <p className="soft" role="status">
        {isCopied ? `The ${name} is copied.` : `This ${name} is shown only now.`}
      </p>
    </div>
  );
}
