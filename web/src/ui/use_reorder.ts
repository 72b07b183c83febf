/** Rows of a list that are dragged to another place in it. */
import { type DragEvent, useState } from "react";

interface Drag {
  readonly from: number;
  /** The row under the pointer, whose place the dragged one would get. */
  readonly over: number;
}

interface Handlers {
  readonly onDragStart: (event: DragEvent) => void;
  readonly onDragOver: (event: DragEvent) => void;
  readonly onDragEnd: () => void;
  readonly onDrop: (event: DragEvent) => void;
}

/** The edge at which each row would let the dragged one in, and the list's own handlers. */
export function useReorder(
  onMove: (from: number, to: number) => void,
): [(place: number) => "above" | "below" | null, Handlers] {
  const [drag, setDrag] = useState<Drag | null>(null);
  const edgeAt = (place: number) => {
    if (!drag || drag.over !== place || drag.from === place) return null;
    return drag.from < place ? "below" : "above";
  };
  const handlers: Handlers = {
    onDragStart: (event) => {
      const row = rowOf(event);
      if (!row) return;
      const from = placeOf(row);
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setDragImage(row, 0, row.clientHeight / 2);
      setDrag({ from, over: from });
    },
    onDragOver: (event) => {
      const row = rowOf(event);
      if (!drag || !row) return; // a file, which is for others
      event.preventDefault();
      const over = placeOf(row);
      if (over !== drag.over) setDrag({ ...drag, over });
    },
    onDragEnd: () => setDrag(null),
    onDrop: (event) => {
      if (!drag) return;
      event.preventDefault();
      setDrag(null);
      if (drag.from !== drag.over) onMove(drag.from, drag.over);
    },
  };
  return [edgeAt, handlers];
}

const rowOf = ({ target }: DragEvent) => (target as Element).closest("li");
const placeOf = (row: Element) => [...row.parentElement!.children].indexOf(row);
