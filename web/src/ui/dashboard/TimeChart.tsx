/** Values over days, a line for each model, with the spread behind it where there is one. */
import { useEffect, useRef, useState } from "react";
import type { DayEffort } from "../../api/admin";
import { byModel, dayName, dayTicks, modelName, scale, ticks } from "./scale";

const HEIGHT = 230;
const MARGIN = { top: 10, right: 12, bottom: 26, left: 40 };
const PIXELS_PER_DAY_NAME = 80;

interface Props {
  readonly days: readonly DayEffort[];
  readonly value: (effort: DayEffort) => number;
  readonly spread?: (effort: DayEffort) => readonly [number, number];
  /** What is shown, for those who do not see it. */
  readonly label: string;
  readonly format: (value: number) => string;
}

export function TimeChart({ days, value, spread, label, format }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(700);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(entry!.contentRect.width));
    observer.observe(frame.current!);
    return () => observer.disconnect();
  }, []);

  const first = Math.min(...days.map(({ day }) => day));
  const last = Math.max(...days.map(({ day }) => day));
  const top = Math.max(...days.map((one) => (spread ? spread(one)[1] : value(one))));
  const levels = ticks(top);
  // A single day stands in the middle.
  const pad = first === last ? 1 : 0;
  const x = scale(first - pad, last + pad, MARGIN.left, width - MARGIN.right);
  const y = scale(0, levels.at(-1)!, HEIGHT - MARGIN.bottom, MARGIN.top);
  const point = (day: number, level: number) => `${x(day).toFixed(1)},${y(level).toFixed(1)}`;
  const series = byModel(days);
  return (
    <div ref={frame} className="chart">
      <svg width={width} height={HEIGHT} role="img" aria-label={label}>
        {levels.map((level) => (
          <g key={level} className="chart-level">
            <line x1={MARGIN.left} x2={width - MARGIN.right} y1={y(level)} y2={y(level)} />
            <text x={MARGIN.left - 8} y={y(level)} dy="0.32em" textAnchor="end">
              {level}
            </text>
          </g>
        ))}
        {dayTicks(first, last, width / PIXELS_PER_DAY_NAME).map((day) => (
          <text key={day} className="chart-day" x={x(day)} y={HEIGHT - 8} textAnchor="middle">
            {dayName(day)}
          </text>
        ))}
        {series.map(([model, efforts], i) => (
          <g key={model} className={`series series-${i % 6}`}>
            {spread && efforts.length > 1 && (
              <polygon
                points={[
                  ...efforts.map((one) => point(one.day, spread(one)[1])),
                  ...efforts.toReversed().map((one) => point(one.day, spread(one)[0])),
                ].join(" ")}
              />
            )}
            <polyline points={efforts.map((one) => point(one.day, value(one))).join(" ")} />
            {efforts.map((one) => (
              <g key={one.day}>
                {spread && efforts.length === 1 && (
                  <line
                    x1={x(one.day)}
                    x2={x(one.day)}
                    y1={y(spread(one)[0])}
                    y2={y(spread(one)[1])}
                  />
                )}
                <circle cx={x(one.day)} cy={y(value(one))} r="3.5">
                  <title>{`${dayName(one.day)}, ${modelName(model)}: ${format(value(one))}, ${one.masks} masks`}</title>
                </circle>
              </g>
            ))}
          </g>
        ))}
      </svg>
      <ul className="legend">
        {series.map(([model], i) => (
          <li key={model} className={`series-${i % 6}`}>
            {modelName(model)}
          </li>
        ))}
      </ul>
    </div>
  );
}
