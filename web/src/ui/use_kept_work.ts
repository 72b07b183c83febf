/** Writes every change to the journal, one write at a time, the latest state always last. */
import { useEffect, useRef, useState } from "react";
import type { Sheet } from "../core/document";
import { type Journal, toKept } from "../storage/journal";

export type SaveState = "saved" | "saving" | "failed";

export function useKeptWork(journal: Journal, hash: string, sheet: Sheet): SaveState {
  const [state, setState] = useState<SaveState>("saved");
  const waiting = useRef<Sheet | null>(null);
  const isWriting = useRef(false);
  const isFirst = useRef(true);
  useEffect(() => {
    if (isFirst.current) {
      isFirst.current = false; // what was read is there
      return;
    }
    waiting.current = sheet;
    setState("saving");
    if (isWriting.current) return;
    isWriting.current = true;
    void (async () => {
      try {
        while (waiting.current) {
          const next = waiting.current;
          waiting.current = null;
          await journal.keepWork(toKept(hash, next));
        }
        setState("saved");
      } catch {
        setState("failed");
      } finally {
        isWriting.current = false;
      }
    })();
  }, [journal, hash, sheet.annotations, sheet.draft, sheet.numBegun]);
  return state;
}
