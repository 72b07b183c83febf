/** Something that the server has, fetched when the screen opens. */
import { useCallback, useEffect, useState } from "react";

interface Loaded<T> {
  /** The latest; null until it has come. */
  readonly value: T | null;
  readonly problem: string | null;
  readonly reload: () => void;
}

/** @param keys of what is loaded: others are loaded anew. */
export function useLoaded<T>(load: () => Promise<T>, keys: readonly unknown[]): Loaded<T> {
  const [value, setValue] = useState<T | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let isCurrent = true;
    load().then(
      (loaded) => {
        if (!isCurrent) return;
        setValue(loaded);
        setProblem(null);
      },
      (error: Error) => isCurrent && setProblem(error.message),
    );
    return () => {
      isCurrent = false;
    };
  }, [...keys, turn]);
  return { value, problem, reload: useCallback(() => setTurn((before) => before + 1), []) };
}
