/** Writes every change to the journal, one write at a time, the latest state always last. */
import { useCallback, useRef, useState } from "react";
import { type Sheet, isSameWork } from "../core/document";
import { type Journal, toKept } from "../storage/journal";
import type { Saving } from "./StatusLine";

const SAVED: Saving = { text: "Kept in this browser", isProblem: false };
const WRITING: Saving = { text: "Keeping…", isProblem: false };
const FAILED: Saving = {
  text: "Not kept: the browser's storage is full. Export your work.",
  isProblem: true,
};

/**
 * How far keeping a state of the work is, and the function that keeps one.
 *
 * @param start what is kept already.
 */
export function useKeptWork(
  journal: Journal,
  hash: string,
  start: Sheet,
): [(sheet: Sheet) => Saving, (sheet: Sheet) => void] {
  const [last, setLast] = useState({ sheet: start, isKept: true });
  const waiting = useRef<Sheet | null>(null);
  const isWriting = useRef(false);
  const keep = useCallback(
    async (sheet: Sheet) => {
      waiting.current = sheet;
      if (isWriting.current) return;
      isWriting.current = true;
      while (waiting.current) {
        const next = waiting.current;
        waiting.current = null;
        const isKept = await journal.keepWork(toKept(hash, next)).then(
          () => true,
          () => false,
        );
        setLast({ sheet: next, isKept });
      }
      isWriting.current = false;
    },
    [journal, hash],
  );
  const saving = (sheet: Sheet) =>
    !isSameWork(sheet, last.sheet) ? WRITING : last.isKept ? SAVED : FAILED;
  return [saving, (sheet) => void keep(sheet)];
}
