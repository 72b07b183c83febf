/** An object with its neighbours: united, cut, cleaned up, with a preview of what changes. */
import { useEffect, useMemo, useState } from "react";
import { intersection, isEmpty } from "../core/bitmap";
import type { Action, Annotation } from "../core/document";
import { type SetOperation, combine } from "../core/mask_sets";
import type { Layer } from "../core/overlay";
import { withoutSmallRegions } from "../core/regions";
import { rleArea } from "../core/rle";
import { rowRuns } from "../core/row_runs";
import { IconButton } from "./Icon";

const ADDED = "#22c55e";
const REMOVED = "#ef4444";
const DEFAULT_PX = 100; // SAM paper, App. B
const MAX_POWER = 16;

const WITH_ONE: readonly (readonly [SetOperation, string, string])[] = [
  ["unite", "Unite", "Take the other object in"],
  ["intersect", "Intersect", "Keep only what both have"],
  ["subtract", "Subtract", "Cut the other object out"],
];

interface Props {
  readonly object: Annotation;
  readonly label: string;
  /** All others that are shown, with their labels. */
  readonly others: readonly { readonly annotation: Annotation; readonly label: string }[];
  readonly dispatch: (action: Action) => void;
  /** What is to be seen over the picture while the panel is open. */
  readonly onPreview: (layers: readonly Layer[]) => void;
  readonly onClose: () => void;
}

export function ShapePanel({ object, label, others, dispatch, onPreview, onClose }: Props) {
  const { id, mask } = object;
  const sorted = useMemo(() => {
    const isNear = ({ annotation }: Props["others"][number]) =>
      !isEmpty(intersection(rowRuns(annotation.mask).box, rowRuns(mask).box));
    return [...others.filter(isNear), ...others.filter((other) => !isNear(other))];
  }, [others, mask]);
  const [picked, setPicked] = useState<string | null>(null);
  const other = (sorted.find(({ annotation }) => annotation.id === picked) ?? sorted[0])
    ?.annotation;
  const [power, setPower] = useState(Math.log2(DEFAULT_PX));
  const [fills, setFills] = useState(true);
  const [removes, setRemoves] = useState(true);
  const size = Math.round(2 ** power);
  const [minHole, minSpeck] = [fills ? size : 0, removes ? size : 0];
  const { added, removed } = useMemo(() => {
    const cleaned = withoutSmallRegions(mask, minHole, minSpeck);
    return {
      added: combine(cleaned, mask, "subtract"),
      removed: combine(mask, cleaned, "subtract"),
    };
  }, [mask, minHole, minSpeck]);
  const [numAdded, numRemoved] = [rleArea(added), rleArea(removed)];
  useEffect(() => {
    const changes = [
      { mask: added, colour: ADDED },
      { mask: removed, colour: REMOVED },
    ];
    onPreview(changes.filter((layer) => rleArea(layer.mask) > 0));
    return () => onPreview([]);
  }, [added, removed]);

  return (
    <section className="shape-panel" aria-label={`Shape of ${label}`}>
      <header>
        <h3>Shape of {label}</h3>
        <IconButton icon="close" label="Close the shape panel" onClick={onClose} />
      </header>
      <fieldset disabled={!other}>
        <legend>With one other</legend>
        <select
          aria-label="The other object"
          value={other?.id ?? ""}
          onChange={(event) => setPicked(event.target.value)}
        >
          {!other && <option value="">No other object</option>}
          {sorted.map(({ annotation, label: name }) => (
            <option key={annotation.id} value={annotation.id}>
              {name}
            </option>
          ))}
        </select>
        <div className="shape-buttons">
          {WITH_ONE.map(([operation, name, title]) => (
            <button
              type="button"
              key={operation}
              title={title}
              onClick={() => other && dispatch({ type: "combine", operation, id, other: other.id })}
            >
              {name}
            </button>
          ))}
        </div>
      </fieldset>
      <fieldset disabled={!other}>
        <legend>With all others</legend>
        <div className="shape-buttons">
          <button
            type="button"
            onClick={() => dispatch({ type: "separate", id, keeper: "others" })}
          >
            Cut them out
          </button>
          <button type="button" onClick={() => dispatch({ type: "separate", id, keeper: "this" })}>
            Cut it out of them
          </button>
        </div>
      </fieldset>
      <fieldset>
        <legend>Parts below {size.toLocaleString()} px</legend>
        <input
          type="range"
          min="0"
          max={MAX_POWER}
          step="0.1"
          value={power}
          aria-label="Size of small parts"
          aria-valuetext={`${size} pixels`}
          onChange={(event) => setPower(Number(event.target.value))}
        />
        <label className="check">
          <input
            type="checkbox"
            checked={fills}
            onChange={(event) => setFills(event.target.checked)}
          />
          Fill holes <small>{fills && `+${numAdded.toLocaleString()} px`}</small>
        </label>
        <label className="check">
          <input
            type="checkbox"
            checked={removes}
            onChange={(event) => setRemoves(event.target.checked)}
          />
          Remove specks <small>{removes && `−${numRemoved.toLocaleString()} px`}</small>
        </label>
        <div className="shape-buttons">
          <button
            type="button"
            disabled={!numAdded && !numRemoved}
            onClick={() => dispatch({ type: "clean", id, minHole, minSpeck })}
          >
            Clean up
          </button>
        </div>
      </fieldset>
    </section>
  );
}
