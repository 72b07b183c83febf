/** From values to places on a chart, and round numbers for its axes. */
import type { DayEffort } from "../../api/admin";

const DAY_MS = 86_400_000;

/** Linear: `from` maps to `start`, `to` to `end`. */
export function scale(from: number, to: number, start: number, end: number) {
  const span = to - from || 1;
  return (value: number) => start + ((value - from) / span) * (end - start);
}

/** Round numbers from 0 on, about `count` of them, the last one not below `max`. */
export function ticks(max: number, count = 4): number[] {
  const top = max || 1;
  const rough = top / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * 0.999)!;
  const steps = Math.ceil(top / step - 1e-9);
  return Array.from({ length: steps + 1 }, (_, i) => Number((i * step).toPrecision(12)));
}

/** At most `count` of the days from first to last, both ends among them where they fit. */
export function dayTicks(first: number, last: number, count: number): number[] {
  const step = Math.max(1, Math.ceil((last - first) / Math.max(1, count - 1)));
  const days = [];
  for (let day = first; day <= last; day += step) days.push(day);
  return days;
}

export function dayName(day: number): string {
  const form = { month: "short", day: "numeric", timeZone: "UTC" } as const;
  return new Date(day * DAY_MS).toLocaleDateString(undefined, form);
}

/** A series for each model, in the order in which they came into use. */
export function byModel(days: readonly DayEffort[]): [string, DayEffort[]][] {
  const series = new Map<string, DayEffort[]>();
  for (const one of days) series.set(one.model_id, [...(series.get(one.model_id) ?? []), one]);
  return [...series].sort(([, a], [, b]) => a[0]!.day - b[0]!.day);
}

export const modelName = (id: string) => id || "by hand";
export const seconds = (value: number) => `${value.toFixed(value < 9.95 ? 1 : 0)} s`;
export const percent = (share: number) => `${Math.round(100 * share)} %`;
