import { describe, expect, test } from "vitest";
import type { DayEffort } from "../src/api/admin";
import { byModel, dayTicks, scale, seconds, ticks } from "../src/ui/dashboard/scale";

const effort = (day: number, model_id: string): DayEffort => ({
  day,
  model_id,
  masks: 1,
  mean_seconds: 1,
  quartiles: [1, 2, 3],
  mean_clicks: 1,
  brushed_share: 0,
});

describe("axes", () => {
  test("have round numbers up to the highest value", () => {
    expect(ticks(34)).toEqual([0, 10, 20, 30, 40]);
    expect(ticks(0.7)).toEqual([0, 0.2, 0.4, 0.6, 0.8]);
    expect(ticks(10)).toEqual([0, 2.5, 5, 7.5, 10]);
    expect(ticks(0)).toEqual([0, 0.25, 0.5, 0.75, 1]);
  });
  test("name no more days than there is room for", () => {
    expect(dayTicks(5, 5, 8)).toEqual([5]);
    expect(dayTicks(0, 10, 6)).toEqual([0, 2, 4, 6, 8, 10]);
    for (const last of [1, 7, 31, 365]) expect(dayTicks(0, last, 6).length).toBeLessThanOrEqual(6);
    expect(dayTicks(0, 30, 0.4)).toEqual([0, 30]);
  });
  test("map values to places, also where there is one value only", () => {
    expect(scale(0, 10, 100, 200)(5)).toBe(150);
    expect(scale(3, 3, 100, 200)(3)).toBe(100);
  });
});

test("models come in the order in which they were first used", () => {
  const days = [effort(1, "b"), effort(2, "a"), effort(2, "b")];
  const series = byModel(days);
  expect(series.map(([model]) => model)).toEqual(["b", "a"]);
  expect(series[0]![1].map(({ day }) => day)).toEqual([1, 2]);
});

test("short times have a decimal", () => {
  expect([4.04, 9.96, 34].map(seconds)).toEqual(["4.0 s", "10 s", "34 s"]);
});
