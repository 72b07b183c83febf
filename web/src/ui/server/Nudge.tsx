/** After half a minute on one object, a quiet word to go on: so the paper's annotators worked. */
import { useEffect, useState } from "react";
import { IconButton } from "../Icon";

const NUDGE_SECONDS = 30; // Sec. 4: "once a mask took over 30 seconds to annotate"

interface Props {
  /** The object in hand. */
  readonly inHand: string | null;
  readonly isOn: boolean;
  readonly onOff: () => void;
}

export function Nudge({ inHand, isOn, onOff }: Props) {
  const [slow, setSlow] = useState<string | null>(null);
  useEffect(() => {
    if (!inHand || !isOn) return;
    const timer = setTimeout(() => setSlow(inHand), 1000 * NUDGE_SECONDS);
    return () => clearTimeout(timer);
  }, [inHand, isOn]);
  if (!isOn || slow === null || slow !== inHand) return null;
  return (
    <div className="toast" role="status">
      <div>{NUDGE_SECONDS} seconds on this object. Good enough? Keep it and go on to the next.</div>
      <button type="button" onClick={onOff}>
        Do not tell me
      </button>
      <IconButton icon="close" label="Close" onClick={() => setSlow(null)} />
    </div>
  );
}
