/** The picture with its regions, which pointers and keys draw, move and resize. */
import { type KeyboardEvent, type PointerEvent, useRef, useState } from "react";
import type { RegionBox } from "../../api/privacy";
import { type Corner, type Size, boxBetween, movedBox, placed, resizedBox } from "./boxes";
import type { EditedRegion } from "./use_regions";

const CORNERS: readonly Corner[] = [
  [-1, -1],
  [1, -1],
  [-1, 1],
  [1, 1],
];
const STEPS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

interface Props {
  readonly url: string;
  readonly name: string;
  readonly size: Size;
  readonly regions: readonly EditedRegion[];
  readonly selected: number | null;
  readonly isConcealed: boolean;
  readonly onSelect: (key: number | null) => void;
  readonly onBox: (key: number, box: RegionBox) => void;
  readonly onDrawn: (box: RegionBox) => void;
}

interface Drag {
  readonly start: readonly [number, number];
  /** What is dragged; null for a new box. */
  readonly region: EditedRegion | null;
  readonly corner: Corner | null;
}

export function RegionStage(props: Props) {
  const { url, name, size, regions, selected, isConcealed, onSelect, onBox, onDrawn } = props;
  const stage = useRef<HTMLDivElement>(null);
  const drag = useRef<Drag | null>(null);
  const [draft, setDraft] = useState<{ key: number | null; box: RegionBox } | null>(null);

  const at = (event: PointerEvent): readonly [number, number] => {
    const { left, top, width, height } = stage.current!.getBoundingClientRect();
    return [
      ((event.clientX - left) / width) * size.width,
      ((event.clientY - top) / height) * size.height,
    ];
  };
  const begin = (event: PointerEvent, region: EditedRegion | null, corner: Corner | null) => {
    if (event.button !== 0) return;
    event.stopPropagation();
    stage.current!.setPointerCapture(event.pointerId);
    drag.current = { start: at(event), region, corner };
    onSelect(region?.key ?? null);
  };
  const move = (event: PointerEvent) => {
    if (!drag.current) return;
    const { start, region, corner } = drag.current;
    const [x, y] = at(event);
    const [dx, dy] = [x - start[0], y - start[1]];
    if (!region) {
      const box = boxBetween(start, [x, y], size);
      setDraft(box && { key: null, box });
    } else {
      const box = corner
        ? resizedBox(region.box, corner, dx, dy, size)
        : movedBox(region.box, dx, dy, size);
      if (draft || Math.hypot(dx, dy) > 0) setDraft({ key: region.key, box });
    }
  };
  const end = () => {
    drag.current = null;
    setDraft(null);
    if (!draft) return;
    if (draft.key === null) onDrawn(draft.box);
    else onBox(draft.key, draft.box);
  };
  const press = (event: KeyboardEvent, { key, box }: EditedRegion) => {
    const step = STEPS[event.key];
    if (!step || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const length = event.shiftKey ? 10 : 1;
    const [dx, dy] = [step[0] * length, step[1] * length];
    onBox(key, event.altKey ? resizedBox(box, [1, 1], dx, dy, size) : movedBox(box, dx, dy, size));
  };
  const boxOf = (region: EditedRegion) => (draft?.key === region.key ? draft.box : region.box);

  return (
    <div
      ref={stage}
      className={`region-stage${isConcealed ? " is-concealed" : ""}`}
      style={{
        aspectRatio: `${size.width} / ${size.height}`,
        width: `min(100%, calc((100vh - 220px) * ${size.width / size.height}))`,
      }}
      onPointerDown={(event) => begin(event, null, null)}
      onPointerMove={move}
      onPointerUp={end}
      onPointerCancel={() => {
        drag.current = null;
        setDraft(null);
      }}
    >
      <img src={url} alt={name} draggable={false} />
      {regions.map((region, index) => (
        <button
          key={region.key}
          type="button"
          className={`region region-${region.kind}`}
          style={placed(boxOf(region), size)}
          aria-label={`${region.kind} ${index + 1}`}
          aria-pressed={region.key === selected}
          onPointerDown={(event) => begin(event, region, null)}
          onFocus={() => onSelect(region.key)}
          onKeyDown={(event) => press(event, region)}
        >
          {region.key === selected &&
            CORNERS.map((corner) => (
              <span
                key={corner.join()}
                className="region-corner"
                style={{
                  left: corner[0] < 0 ? 0 : "100%",
                  top: corner[1] < 0 ? 0 : "100%",
                  cursor: corner[0] === corner[1] ? "nwse-resize" : "nesw-resize",
                }}
                onPointerDown={(event) => begin(event, region, corner)}
              />
            ))}
        </button>
      ))}
      {draft?.key === null && (
        <div className="region region-draft" style={placed(draft.box, size)} />
      )}
    </div>
  );
}
