/** The regions of a picture: loaded, changed step by step, each step saved. */
import { useCallback, useEffect, useRef, useState } from "react";
import type { Api } from "../../api/client";
import { type StoredRegion, proposeRegions, saveRegions } from "../../api/privacy";

export interface EditedRegion extends StoredRegion {
  /** Tells it apart while it moves. */
  readonly key: number;
}

let lastKey = 0;
export const newKey = () => ++lastKey;

export function useRegions(api: Api, image: number) {
  const [regions, setRegions] = useState<readonly EditedRegion[] | null>(null);
  const [isDone, setIsDone] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const past = useRef<(readonly EditedRegion[])[]>([]);
  const saving = useRef<Promise<number>>(Promise.resolve(0));

  useEffect(() => {
    let isCurrent = true;
    past.current = [];
    setRegions(null);
    setProblem(null);
    const loading = proposeRegions(api, image);
    saving.current = loading.then(({ version }) => version);
    loading.then(
      (stored) => {
        if (!isCurrent) return;
        setRegions(stored.regions.map((region) => ({ ...region, key: newKey() })));
        setIsDone(stored.is_done);
        setProblem(stored.problem);
      },
      (error: Error) => isCurrent && setProblem(error.message),
    );
    return () => {
      isCurrent = false;
    };
  }, [api, image]);

  /** One save after another: each names the version that the one before made. */
  const save = useCallback(
    (next: readonly EditedRegion[], done: boolean): Promise<boolean> => {
      setIsDone(done);
      const saved = saving.current.then(
        async (version) => (await saveRegions(api, image, version, next, done)).version,
      );
      saving.current = saved;
      return saved.then(
        () => true,
        (error: Error) => {
          setProblem(error.message);
          return false;
        },
      );
    },
    [api, image],
  );

  const change = (next: readonly EditedRegion[]) => {
    if (regions) past.current.push(regions);
    setRegions(next);
    void save(next, false);
  };
  const undo = () => {
    const before = past.current.pop();
    if (!before) return;
    setRegions(before);
    void save(before, false);
  };
  /** Resolves to whether it is on the server. */
  const finish = () => save(regions ?? [], true);
  return { regions, isDone, problem, canUndo: past.current.length > 0, change, undo, finish };
}
