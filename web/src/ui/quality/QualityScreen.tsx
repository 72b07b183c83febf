/** What ratings and corrections say, for reviewers; beside the paper's numbers. */
import type { Api } from "../../api/client";
import {
  type AuditFigures,
  type Estimate,
  type RatingFigures,
  auditFigures,
  ratingFigures,
} from "../../api/quality";
import { hashOf } from "../server/route";
import { useLoaded } from "../server/use_loaded";
import "./quality.css";

export function QualityScreen({ api, project: id }: { api: Api; project: number }) {
  const project = useLoaded(() => api.project(id), [api, id]);
  const rating = useLoaded(() => ratingFigures(api, id), [api, id]);
  const audit = useLoaded(() => auditFigures(api, id), [api, id]);
  const problem = project.problem ?? rating.problem ?? audit.problem;
  if (problem)
    return (
      <p className="problem" role="alert">
        {problem}
      </p>
    );
  if (!project.value || !rating.value || !audit.value) return null;
  const isEmpty = !rating.value.ratings && !audit.value.all;
  return (
    <>
      <div className="screen-head">
        <h1>
          <a href={hashOf({ screen: "images", project: id })}>{project.value.name}</a>
          <span className="soft"> · quality</span>
        </h1>
        <a className="button" href={hashOf({ screen: "rating", project: id })}>
          Rate masks
        </a>
      </div>
      {isEmpty && (
        <p className="soft">
          Nobody has rated a mask of this project, and it is no audit of a data set.
        </p>
      )}
      {rating.value.ratings > 0 && <Ratings figures={rating.value} />}
      {audit.value.all && <Audit figures={audit.value} />}
    </>
  );
}

function Ratings({ figures }: { readonly figures: RatingFigures }) {
  const { ratings, raters, seconds, rater_sd } = figures;
  return (
    <section className="quality">
      <h2>Ratings</h2>
      <p className="soft">
        {ratings} by {raters} {raters === 1 ? "person" : "people"}
        {seconds !== null && `, ${seconds.toFixed(0)} s each (paper: 90 s)`}
        {rater_sd !== null &&
          `; mean SD of one mask's ratings ${rater_sd.toFixed(2)} (paper: 0.83)`}
      </p>
      <Table
        head={["Source", "Masks", "Mean [95 %]"]}
        rows={Object.entries(figures.sources).map(([name, { masks, mean }]) => [
          name,
          String(masks),
          shown(mean, 2),
        ])}
      />
      {figures.pairs.length > 0 && (
        <Table
          head={["Difference", "Pairs", "Mean [99 %]", "p, paired t-test"]}
          rows={figures.pairs.map(({ first, second, masks, difference, p_value }) => [
            `${first} − ${second}`,
            String(masks),
            shown(difference, 2),
            p_value?.toPrecision(2) ?? "",
          ])}
        />
      )}
    </section>
  );
}

function Audit({ figures }: { readonly figures: AuditFigures }) {
  const groups = { all: figures.all, "all but deleted": figures.remaining, ...figures.by_size };
  return (
    <section className="quality">
      <h2>Masks against their corrections</h2>
      <p className="soft">
        {figures.images} images handed in; masks left as they were: {figures.kept}, changed:{" "}
        {figures.changed}, deleted: {figures.deleted}; objects without a mask: {figures.added}
      </p>
      <Table
        head={["Masks", "Number", "Mean IoU [95 %]", "IoU > 0.90, %", "IoU > 0.75, %"]}
        rows={[
          ...Object.entries(groups).flatMap(([name, group]) =>
            group
              ? [
                  [
                    name,
                    String(group.masks),
                    shown(group.mean, 3),
                    shown(group.above_90, 1, 100),
                    shown(group.above_75, 1, 100),
                  ],
                ]
              : [],
          ),
          ["SA-1B, as published", "about 50,000", "", "94", "97"],
        ]}
      />
    </section>
  );
}

function Table({ head, rows }: { head: readonly string[]; rows: readonly (readonly string[])[] }) {
  return (
    <div className="quality-table">
      <table>
        <thead>
          <tr>
            {head.map((cell) => (
              <th key={cell} scope="col">
                {cell}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, ...cells]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              {cells.map((cell, i) => (
                <td key={i}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function shown({ value, low, high }: Estimate, digits: number, factor = 1): string {
  const [middle, from, to] = [value, low, high].map((one) => (factor * one).toFixed(digits));
  return `${middle} [${from}, ${to}]`;
}
