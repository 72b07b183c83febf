/** A place of the page that files can be dropped on. */
import { type DragEventHandler, useState } from "react";

interface DropTarget {
  readonly onDragOver: DragEventHandler;
  readonly onDragLeave: DragEventHandler;
  readonly onDrop: DragEventHandler;
}

/** Whether something is held over the place, and the handlers that make it one. */
export function useDrop(onData: (data: DataTransfer) => void): [boolean, DropTarget] {
  const [isOver, setIsOver] = useState(false);
  const target: DropTarget = {
    onDragOver: (event) => {
      event.preventDefault();
      setIsOver(true);
    },
    onDragLeave: () => setIsOver(false),
    onDrop: (event) => {
      event.preventDefault();
      setIsOver(false);
      onData(event.dataTransfer);
    },
  };
  return [isOver, target];
}
