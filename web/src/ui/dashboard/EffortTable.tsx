/** What masks cost, a row a group, with all figures in words. */
import type { Effort } from "../../api/admin";
import { percent, seconds } from "./scale";

interface Props {
  readonly caption: string;
  /** What the groups are. */
  readonly kind: string;
  readonly rows: readonly {
    readonly key: string;
    readonly name: string;
    readonly effort: Effort;
  }[];
}

export function EffortTable({ caption, kind, rows }: Props) {
  return (
    <table className="figures">
      <caption className="visually-hidden">{caption}</caption>
      <thead>
        <tr>
          <th scope="col">{kind}</th>
          <th scope="col">Masks</th>
          <th scope="col">Median</th>
          <th scope="col">Middle half</th>
          <th scope="col">Clicks</th>
          <th scope="col">Brushed</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ key, name, effort }) => (
          <tr key={key}>
            <th scope="row">{name}</th>
            <td>{effort.masks.toLocaleString()}</td>
            <td>{seconds(effort.quartiles[1])}</td>
            <td>
              {seconds(effort.quartiles[0])} to {seconds(effort.quartiles[2])}
            </td>
            <td>{effort.mean_clicks.toFixed(1)}</td>
            <td>{percent(effort.brushed_share)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
