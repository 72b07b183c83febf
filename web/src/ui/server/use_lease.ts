/** Keeps an image leased while it is open, and gives it back when it is left. */
import { useEffect, useRef, useState } from "react";
import { type Api, ApiError } from "../../api/client";

const BEATS = 3; // heartbeats in the time that a lease lasts

/**
 * @param image that is leased; null while none is.
 * @param mayRelease whether it may be given back now: not while saves are waiting.
 * @returns why the lease is lost, or null; and what forgets that.
 */
export function useLease(
  api: Api,
  image: number | null,
  leaseSeconds: number,
  mayRelease: () => boolean,
): [string | null, () => void] {
  const [loss, setLoss] = useState<string | null>(null);
  const canRelease = useRef(mayRelease);
  canRelease.current = mayRelease;
  useEffect(() => {
    if (image === null) return;
    setLoss(null);
    const beat = () =>
      void api.lease(image).catch((error: unknown) => {
        if (error instanceof ApiError && !error.isPassing) setLoss(error.message);
      });
    const leave = () => {
      if (canRelease.current()) void api.release(image, true).catch(() => {});
    };
    // A page that comes back from the browser's store has to ask again.
    const comeBack = (event: PageTransitionEvent) => event.persisted && beat();
    const timer = setInterval(beat, (1000 * leaseSeconds) / BEATS);
    addEventListener("pagehide", leave);
    addEventListener("pageshow", comeBack);
    return () => {
      clearInterval(timer);
      removeEventListener("pagehide", leave);
      removeEventListener("pageshow", comeBack);
      leave();
    };
  }, [api, image, leaseSeconds]);
  return [loss, () => setLoss(null)];
}
