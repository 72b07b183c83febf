/** A rater's jobs, one after another; each rating is with the server before the next job comes. */
import { useCallback, useEffect, useRef, useState } from "react";
import type { Api } from "../../api/client";
import {
  type RatingJob,
  type RatingProgress,
  nextRatingJob,
  rateMask,
  ratingProgress,
  takeRatingBack,
  touchRatingJob,
} from "../../api/quality";
import { rleFromCoco } from "../../core/rle";
import type { Rated } from "./five_views";

/** The server takes a pause of over a minute for idle: whoever looks and moves is not. */
const TOUCH_MS = 20_000;

export interface OpenRating extends Rated {
  readonly job: RatingJob;
}

export function useRating(api: Api, project: number) {
  /** Null while it loads, "done" when none is left. */
  const [open, setOpen] = useState<OpenRating | "done" | null>(null);
  const [progress, setProgress] = useState<RatingProgress | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const isBusy = useRef(false);

  /** Does something with the server, then gets the job that is due. */
  const step = useCallback(
    async (work: () => Promise<unknown>) => {
      if (isBusy.current) return;
      isBusy.current = true;
      setProblem(null);
      try {
        await work();
        const job = await nextRatingJob(api, project);
        setOpen(job ? await opened(api, job) : "done");
        setProgress(await ratingProgress(api, project));
      } catch (error) {
        setProblem((error as Error).message);
      } finally {
        isBusy.current = false;
      }
    },
    [api, project],
  );
  useEffect(() => void step(() => Promise.resolve()), [step]);

  const job = open && open !== "done" ? open.job.job_id : null;
  useEffect(() => {
    if (job === null) return;
    let last = Date.now();
    const move = () => {
      if (Date.now() - last < TOUCH_MS) return;
      last = Date.now();
      touchRatingJob(api, project, job).catch(() => undefined); // the time only
    };
    const events = ["pointermove", "keydown", "wheel"] as const;
    for (const event of events) addEventListener(event, move, { passive: true });
    return () => {
      for (const event of events) removeEventListener(event, move);
    };
  }, [api, project, job]);

  const rate = (score: number) => {
    if (job !== null) void step(() => rateMask(api, project, job, score));
  };
  const undo = () => void step(() => takeRatingBack(api, project));
  return { open, progress, problem, rate, undo };
}

async function opened(api: Api, job: RatingJob): Promise<OpenRating> {
  const picture = new Image();
  picture.src = api.fileUrl(job.image_id);
  await picture.decode();
  return { job, picture, mask: rleFromCoco(job.segmentation), points: job.points };
}
