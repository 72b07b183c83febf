/** One picture: its faces and plates as they will be concealed, put right by a reviewer. */
import { useEffect, useState } from "react";
import type { Api } from "../../api/client";
import type { PrivacyImage, RegionBox, RegionKind } from "../../api/privacy";
import { Icon, IconButton } from "../Icon";
import { RegionStage } from "./RegionStage";
import { middleBox } from "./boxes";
import { type EditedRegion, newKey, useRegions } from "./use_regions";

const KINDS: readonly RegionKind[] = ["face", "plate"];

interface Props {
  readonly api: Api;
  readonly image: PrivacyImage;
  readonly onPrevious: (() => void) | null;
  readonly onNext: (() => void) | null;
  /** The picture is done. */
  readonly onDone: () => void;
}

export function RegionEditor({ api, image, onPrevious, onNext, onDone }: Props) {
  const { regions, isDone, problem, canUndo, change, undo, finish } = useRegions(
    api,
    image.image_id,
  );
  const [selected, setSelected] = useState<number | null>(null);
  const [kind, setKind] = useState<RegionKind>("face");
  const [isConcealed, setIsConcealed] = useState(false);

  const all = regions ?? [];
  const drawn = (box: RegionBox) => {
    const region: EditedRegion = { key: newKey(), box, kind, score: 1, source: "person" };
    change([...all, region]);
    setSelected(region.key);
  };
  const changeOne = (key: number, values: Partial<EditedRegion>) =>
    change(
      all.map((one) => (one.key === key ? { ...one, ...values, score: 1, source: "person" } : one)),
    );
  const remove = (key: number) => {
    change(all.filter((one) => one.key !== key));
    setSelected(null);
  };
  const choose = (next: RegionKind) => {
    setKind(next);
    if (selected !== null) changeOne(selected, { kind: next });
  };
  const done = async () => {
    if (await finish()) onDone();
  };

  const commands: Readonly<Record<string, (() => void) | null>> = {
    f: () => choose("face"),
    p: () => choose("plate"),
    n: () => drawn(middleBox(image)),
    b: () => setIsConcealed((before) => !before),
    Delete: selected === null ? null : () => remove(selected),
    Backspace: selected === null ? null : () => remove(selected),
    Escape: () => setSelected(null),
    Enter: () => void done(),
    "[": onPrevious,
    "]": onNext,
  };
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (!regions || (event.target as HTMLElement).closest("input, select, [role=dialog], a"))
        return;
      const isUndo = event.key === "z" && (event.ctrlKey || event.metaKey);
      const isPlainButton = (event.target as HTMLElement).closest("button:not(.region)");
      if (event.key === "Enter" && isPlainButton) return; // which it presses
      if (event.altKey || (!isUndo && (event.ctrlKey || event.metaKey))) return;
      const command = isUndo ? undo : commands[event.key];
      if (!command) return;
      event.preventDefault();
      command();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  });

  return (
    <section className="region-editor" aria-label={image.name}>
      <div className="region-main">
        {regions ? (
          <RegionStage
            url={api.fileUrl(image.image_id)}
            name={image.name}
            size={image}
            regions={regions}
            selected={selected}
            isConcealed={isConcealed}
            onSelect={setSelected}
            onBox={(key, box) => changeOne(key, { box })}
            onDrawn={drawn}
          />
        ) : (
          !problem && <p className="soft">Looking for faces and plates…</p>
        )}
      </div>
      <aside className="region-side">
        <div className="region-tools">
          <div role="group" aria-label="Kind" className="segments">
            {KINDS.map((one) => (
              <button
                key={one}
                type="button"
                aria-pressed={kind === one}
                onClick={() => choose(one)}
              >
                {one} <kbd>{one[0]}</kbd>
              </button>
            ))}
          </div>
          <IconButton
            icon="plus"
            label="New region"
            shortcut="n"
            onClick={() => drawn(middleBox(image))}
          />
          <IconButton
            icon="undo"
            label="Undo"
            shortcut="Ctrl+Z"
            isDisabled={!canUndo}
            onClick={undo}
          />
          <IconButton
            icon={isConcealed ? "eyeOff" : "eye"}
            label="Show blurred"
            shortcut="b"
            isPressed={isConcealed}
            onClick={() => setIsConcealed(!isConcealed)}
          />
        </div>
        {problem && (
          <p className="problem" role="alert">
            {problem}
          </p>
        )}
        {regions?.length === 0 && (
          <p className="soft">No faces, no plates. Draw on the picture what is missing.</p>
        )}
        <ol className="region-list" aria-label="Regions">
          {all.map((region, index) => (
            <li key={region.key} className={region.key === selected ? "is-selected" : undefined}>
              <button type="button" className="region-name" onClick={() => setSelected(region.key)}>
                {region.kind} {index + 1}
                <span className="soft">
                  {region.source === "person"
                    ? "drawn or moved"
                    : `${region.source} ${Math.round(100 * region.score)} %`}
                </span>
              </button>
              <IconButton
                icon="trash"
                label={`Remove ${region.kind} ${index + 1}`}
                onClick={() => remove(region.key)}
              />
            </li>
          ))}
        </ol>
        <div className="region-end">
          <IconButton
            icon="previous"
            label="Previous picture"
            shortcut="["
            isDisabled={!onPrevious}
            onClick={() => onPrevious?.()}
          />
          <IconButton
            icon="next"
            label="Next picture"
            shortcut="]"
            isDisabled={!onNext}
            onClick={() => onNext?.()}
          />
          <button type="button" className="primary" disabled={!regions} onClick={() => void done()}>
            <Icon name="check" /> {isDone ? "Done before" : "These are all"} <kbd>↵</kbd>
          </button>
        </div>
        <p className="soft region-hint">
          Drag to draw. Tab chooses a region, arrows move it (Shift: ten pixels, Alt: its lower
          corner), Delete removes it.
        </p>
      </aside>
    </section>
  );
}
