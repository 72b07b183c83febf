/** A project's figures: how far it is, what masks cost over time, by model and by person. */
import { type ReactNode } from "react";
import { type DayEffort, statistics } from "../../api/admin";
import type { Api } from "../../api/client";
import { ProgressBar } from "../server/ProgressBar";
import { hashOf } from "../server/route";
import { useLoaded } from "../server/use_loaded";
import { EffortTable } from "./EffortTable";
import { TimeChart } from "./TimeChart";
import "./dashboard.css";
import { dayName, modelName, percent, seconds } from "./scale";

export function DashboardScreen({ api, project: id }: { api: Api; project: number }) {
  const { value: figures, problem } = useLoaded(() => statistics(api, id), [api, id]);
  const { value: project } = useLoaded(() => api.project(id), [api, id]);
  if (problem)
    return (
      <p className="problem" role="alert">
        {problem}
      </p>
    );
  if (!figures || !project) return null;
  const { overall, by_day_and_model: days, agreement, prefilled } = figures;
  return (
    <>
      <div className="screen-head">
        <h1>
          <a href={hashOf({ screen: "images", project: id })}>{project.name}</a>
          <span className="soft"> · figures</span>
        </h1>
      </div>
      <ProgressBar progress={figures.progress} />
      <dl className="tiles">
        <Tile name="seconds per mask, median" value={overall && seconds(overall.quartiles[1])}>
          {overall &&
            `half take ${seconds(overall.quartiles[0])} to ${seconds(overall.quartiles[2])}`}
        </Tile>
        <Tile name="masks per image" value={figures.masks_per_image?.toFixed(1)}>
          {prefilled.masks
            ? `of images handed in; ${figures.own_masks_per_image?.toFixed(1)} without those that the model found`
            : "of images handed in"}
        </Tile>
        {prefilled.masks > 0 && (
          <Tile
            name="found by the model, not deleted"
            value={percent((prefilled.kept + prefilled.changed) / prefilled.masks)}
          >
            {`${prefilled.masks} masks were there before people came: ${prefilled.kept} kept, ${prefilled.changed} changed, ${prefilled.deleted} deleted`}
          </Tile>
        )}
        <Tile name="clicks per mask" value={overall?.mean_clicks.toFixed(1)}>
          {overall && `${percent(overall.brushed_share)} of masks were brushed`}
        </Tile>
        <Tile
          name="agreement, mean IoU"
          value={agreement.mean_iou === null ? null : agreement.mean_iou.toFixed(2)}
        >
          {agreement.matched_share === null
            ? "no picture was annotated by two people"
            : `${percent(agreement.matched_share)} of masks have a partner, in ${agreement.pairs} pairs of people's work`}
        </Tile>
      </dl>
      {overall ? (
        <>
          <Chart title="Seconds per mask">
            <TimeChart
              days={days}
              value={({ quartiles }) => quartiles[1]}
              spread={({ quartiles }) => [quartiles[0], quartiles[2]]}
              label="Median seconds per mask by day and model, with the middle half of the masks. The table below has the same."
              format={seconds}
            />
          </Chart>
          <div className="chart-pair">
            <Chart title="Clicks per mask">
              <TimeChart
                days={days}
                value={(effort) => effort.mean_clicks}
                label="Mean clicks per mask by day and model. The table below has the same."
                format={(clicks) => `${clicks.toFixed(1)} clicks`}
              />
            </Chart>
            <Chart title="Masks a day">
              <TimeChart
                days={days}
                value={(effort) => effort.masks}
                label="Masks finished by day and model. The table below has the same."
                format={(masks) => `${masks} masks`}
              />
            </Chart>
          </div>
          <details className="by-day">
            <summary>The same, day by day</summary>
            <EffortTable
              caption="What masks cost by day and model"
              kind="Day"
              rows={dayRows(days)}
            />
          </details>
          <Chart title="By model">
            <EffortTable
              caption="What masks cost by model"
              kind="Model"
              rows={Object.entries(figures.by_model).map(([model, effort]) => ({
                key: model,
                name: modelName(model),
                effort,
              }))}
            />
          </Chart>
          <Chart title="By person">
            <EffortTable
              caption="What masks cost by person"
              kind="Person"
              rows={Object.entries(figures.by_user).map(([user, effort]) => ({
                key: user,
                name: figures.user_names[user] ?? user,
                effort,
              }))}
            />
          </Chart>
        </>
      ) : (
        <p className="soft">
          Seconds and clicks appear here with the first mask. Pauses above a minute do not count.
        </p>
      )}
    </>
  );
}

function dayRows(days: readonly DayEffort[]) {
  return days.map((effort) => ({
    key: `${effort.day} ${effort.model_id}`,
    name: `${dayName(effort.day)}, ${modelName(effort.model_id)}`,
    effort,
  }));
}

function Tile(props: { name: string; value: string | null | undefined; children: ReactNode }) {
  return (
    <div className="tile">
      <dt>{props.name}</dt>
      <dd className="tile-value">{props.value ?? "–"}</dd>
      <dd className="soft">{props.children}</dd>
    </div>
  );
}

function Chart({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="panel">
      <h2>{title}</h2>
      {children}
    </section>
  );
}
