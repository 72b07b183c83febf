/** The finished objects in order of prominence: choose, move, name, colour, hide, lock, refine, delete. */
import { type ReactNode, memo, useEffect, useRef } from "react";
import { type Action, type Annotation, isRemovable } from "../core/document";
import { rleArea } from "../core/rle";
import { IconButton } from "./Icon";
import { useKeys } from "./keys";
import { useReorder } from "./use_reorder";

interface Props {
  readonly annotations: readonly Annotation[];
  readonly selected: string | null;
  /** The object that is being changed. */
  readonly inHand: string | null;
  /** The object whose name is being typed. */
  readonly renaming: string | null;
  readonly onRenaming: (id: string | null) => void;
  readonly dispatch: (action: Action) => void;
  readonly isShapeOpen: boolean;
  readonly onShape: () => void;
  /** What belongs to the object in hand. */
  readonly children: ReactNode;
}

export function ObjectList({
  annotations,
  selected,
  inHand,
  renaming,
  onRenaming,
  dispatch,
  isShapeOpen,
  onShape,
  children,
}: Props) {
  const keyOf = useKeys();
  const [edgeAt, dropTarget] = useReorder((from, to) =>
    dispatch({ type: "move", id: annotations[from]!.id, to }),
  );
  const areAllHidden = annotations.length > 0 && annotations.every(({ isHidden }) => isHidden);
  return (
    <aside className="objects" aria-label="Objects">
      <header>
        <h2>
          Objects <span className="count">{annotations.length}</span>
        </h2>
        <span className="group">
          <IconButton
            icon="shape"
            label="Combine with others, clean up"
            shortcut={keyOf("shape")}
            isPressed={isShapeOpen}
            isDisabled={!inHand && !selected}
            onClick={onShape}
          />
          <IconButton
            icon={areAllHidden ? "eyeOff" : "eye"}
            label={areAllHidden ? "Show all masks" : "Hide all masks"}
            shortcut={keyOf("hideAll")}
            isDisabled={!annotations.length}
            onClick={() => dispatch({ type: "hideAll", isHidden: !areAllHidden })}
          />
        </span>
      </header>
      {annotations.length === 0 && (
        <p className="empty">
          Nothing yet. Click on an object, add or remove with more clicks, then press{" "}
          <kbd>{keyOf("accept")}</kbd>.
        </p>
      )}
      <ul {...dropTarget}>
        {annotations.map((annotation, i) => (
          <Row
            key={annotation.id}
            annotation={annotation}
            number={i + 1}
            isSelected={annotation.id === selected}
            isInHand={annotation.id === inHand}
            isRenaming={annotation.id === renaming}
            dropEdge={edgeAt(i)}
            onRenaming={onRenaming}
            dispatch={dispatch}
          />
        ))}
      </ul>
      {children}
    </aside>
  );
}

interface RowProps {
  readonly annotation: Annotation;
  readonly number: number;
  readonly isSelected: boolean;
  readonly isInHand: boolean;
  readonly isRenaming: boolean;
  /** Where a dragged object would go. */
  readonly dropEdge: "above" | "below" | null;
  readonly onRenaming: (id: string | null) => void;
  readonly dispatch: (action: Action) => void;
}

/** Drawn again only when it changes: there may be hundreds. */
const Row = memo(function Row({
  annotation,
  number,
  isSelected,
  isInHand,
  isRenaming,
  dropEdge,
  onRenaming,
  dispatch,
}: RowProps) {
  const keyOf = useKeys();
  const { id, name, colour, isHidden, isLocked, mask, predictedIou, foundBy } = annotation;
  const row = useRef<HTMLLIElement>(null);
  const label = name || `Object ${number}`;
  const change = (values: Partial<Pick<Annotation, "name" | "colour" | "isHidden" | "isLocked">>) =>
    dispatch({ type: "change", id, values });
  useEffect(() => {
    if (isSelected) row.current!.scrollIntoView({ block: "nearest" });
  }, [isSelected]);
  return (
    <li
      ref={row}
      className={`object ${isSelected ? "object-selected" : ""} ${isHidden ? "object-hidden" : ""} ${dropEdge ? `drop-${dropEdge}` : ""}`}
    >
      <span
        className="grip"
        draggable
        aria-hidden="true"
        title={`Drag to another place (${keyOf("earlier")}, ${keyOf("later")})`}
      />
      <ColourInput
        colour={colour}
        label={`Colour of ${label}`}
        isDisabled={isLocked}
        onColour={(picked) => change({ colour: picked })}
      />
      {isRenaming ? (
        <NameInput
          name={name}
          label={`Name of object ${number}`}
          onDone={(typed) => {
            if (typed !== null && typed !== name) change({ name: typed });
            onRenaming(null);
          }}
        />
      ) : (
        <button
          type="button"
          className="object-name"
          aria-pressed={isSelected}
          title={`Double click to name it (${keyOf("rename")})`}
          onClick={() => dispatch({ type: "select", id: isSelected ? null : id })}
          onDoubleClick={() => !isLocked && onRenaming(id)}
        >
          <span>{label}</span>
          <small>
            {isInHand ? "being refined" : `${rleArea(mask).toLocaleString()} px`}
            {!isInHand && predictedIou !== null && ` · ${Math.round(100 * predictedIou)} %`}
          </small>
          {foundBy && <small className="found">found by the model</small>}
        </button>
      )}
      <span className="object-actions">
        {isSelected && !isLocked && (
          <IconButton
            icon="edit"
            label={`Refine ${label}`}
            shortcut={keyOf("edit")}
            onClick={() => dispatch({ type: "edit", id })}
          />
        )}
        {isSelected && isRemovable(annotation) && (
          <IconButton
            icon="trash"
            label={`Delete ${label}`}
            shortcut={keyOf("delete")}
            onClick={() => dispatch({ type: "delete", id })}
          />
        )}
        <IconButton
          icon={isLocked ? "lock" : "unlock"}
          label={`${isLocked ? "Unlock" : "Lock"} ${label}`}
          shortcut={keyOf("lock")}
          isPressed={isLocked}
          onClick={() => change({ isLocked: !isLocked })}
        />
        <IconButton
          icon={isHidden ? "eyeOff" : "eye"}
          label={`${isHidden ? "Show" : "Hide"} ${label}`}
          shortcut={keyOf("hide")}
          isPressed={isHidden}
          onClick={() => change({ isHidden: !isHidden })}
        />
      </span>
    </li>
  );
});

function ColourInput(props: {
  colour: string;
  label: string;
  isDisabled: boolean;
  onColour: (colour: string) => void;
}) {
  const { colour, label, isDisabled, onColour } = props;
  const input = useRef<HTMLInputElement>(null);
  // The browser's own "change" comes once, when the picker closes; React's comes at every move.
  useEffect(() => {
    const element = input.current!;
    const picked = () => onColour(element.value);
    element.value = colour;
    element.addEventListener("change", picked);
    return () => element.removeEventListener("change", picked);
  });
  return (
    <input ref={input} type="color" className="colour" aria-label={label} disabled={isDisabled} />
  );
}

function NameInput({
  name,
  label,
  onDone,
}: {
  name: string;
  label: string;
  onDone: (typed: string | null) => void;
}) {
  const input = useRef<HTMLInputElement>(null);
  const before = useRef(document.activeElement);
  const isDone = useRef(false);
  const done = (typed: string | null) => {
    if (!isDone.current) onDone(typed); // the field's end takes its focus away, once more
    isDone.current = true;
  };
  useEffect(() => input.current!.select(), []);
  return (
    <input
      ref={input}
      className="name-input"
      defaultValue={name}
      aria-label={label}
      autoFocus
      onBlur={(event) => done(event.target.value.trim())}
      onKeyDown={(event) => {
        event.stopPropagation(); // letters are no shortcuts here
        if (event.key !== "Enter" && event.key !== "Escape") return;
        done(event.key === "Enter" ? event.currentTarget.value.trim() : null);
        if (before.current instanceof HTMLElement) before.current.focus();
      }}
    />
  );
}
