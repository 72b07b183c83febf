/** Writes every change to the journal, one write at a time, the latest state always last. */
import { useCallback, useRef, useState } from "react";
import type { Sheet } from "../core/document";
import { type Journal, toKept } from "../storage/journal";
import type { Saving } from "./StatusLine";

const SAVED: Saving = { text: "Kept in this browser", isProblem: false };
const WRITING: Saving = { text: "Keeping…", isProblem: false };
const FAILED: Saving = {
  text: "Not kept: the browser's storage is full. Export your work.",
  isProblem: true,
};

/** How far keeping is, and the function that keeps a state of the work. */
export function useKeptWork(journal: Journal, hash: string): [Saving, (sheet: Sheet) => void] {
  const [saving, setSaving] = useState(SAVED);
  const waiting = useRef<Sheet | null>(null);
  const isWriting = useRef(false);
  const keep = useCallback(
    async (sheet: Sheet) => {
      waiting.current = sheet;
      setSaving(WRITING);
      if (isWriting.current) return;
      isWriting.current = true;
      try {
        while (waiting.current) {
          const next = waiting.current;
          waiting.current = null;
          await journal.keepWork(toKept(hash, next));
        }
        setSaving(SAVED);
      } catch {
        setSaving(FAILED);
      } finally {
        isWriting.current = false;
      }
    },
    [journal, hash],
  );
  return [saving, (sheet) => void keep(sheet)];
}
