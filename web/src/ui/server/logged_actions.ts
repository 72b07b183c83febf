/** A person's actions as the events of the protocol. */
import type { LoggedAction } from "../../api/wire";
import type { Action, Sheet } from "../../core/document";
import { rleArea } from "../../core/rle";

export interface Told {
  readonly kind: string;
  /** The object that it is about, by its id in the page. */
  readonly about: string | null;
  readonly data: LoggedAction["data"];
}

/** What an action on a sheet is told as; null for what is no work on a mask. */
export function toldAs(action: Action, { draft, selected }: Sheet): Told | null {
  switch (action.type) {
    case "click": {
      const { x, y, label } = action.click;
      return { kind: "click", about: draft?.id ?? action.id, data: { x, y, label } };
    }
    case "box": {
      const [x0, y0, x1, y1] = action.box;
      return { kind: "box", about: draft?.id ?? action.id, data: { x0, y0, x1, y1 } };
    }
    case "stroke": {
      const { erase, radius, points } = action.stroke;
      const about = draft?.id ?? selected ?? action.id;
      return {
        kind: "stroke",
        about,
        data: { tool: "brush", erase, radius, points: points.length },
      };
    }
    case "polygon": {
      const about = draft?.id ?? selected ?? action.id;
      return { kind: "stroke", about, data: { tool: "polygon", erase: action.polygon.erase } };
    }
    case "combine":
    case "separate":
    case "clean":
      return { kind: "stroke", about: action.id, data: { tool: action.type } };
    case "choose":
      return { kind: "choice", about: draft?.id ?? null, data: { choice: action.choice } };
    case "accept":
      if (!draft || !rleArea(draft.mask)) return null;
      return {
        kind: "save",
        about: draft.id,
        data: { area: rleArea(draft.mask), predicted_iou: draft.predictedIou },
      };
    case "undo":
    case "redo":
      return { kind: action.type, about: draft?.id ?? null, data: {} };
    case "discard":
      return draft && { kind: "delete", about: draft.id, data: { is_unfinished: true } };
    case "delete":
      return { kind: "delete", about: action.id, data: {} };
    case "edit":
      return { kind: "open", about: action.id, data: {} };
    case "change":
      if (action.values.name === undefined) return null;
      return { kind: "name", about: action.id, data: { name: action.values.name } };
    default:
      return null;
  }
}
