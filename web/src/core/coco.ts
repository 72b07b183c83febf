/** Annotations as COCO JSON, exact to the pixel. */
import type { Annotation } from "./document";
import { rleArea, rleBox, rleToCoco } from "./rle";

const UNNAMED = "object";

/** COCO JSON of one picture: names are categories; clicks, box and estimate are kept beside. */
export function toCoco(
  annotations: readonly Annotation[],
  image: { fileName: string; width: number; height: number },
  modelId: string | null,
) {
  const names = [...new Set(annotations.map(({ name }) => name || UNNAMED))].sort();
  return {
    info: { description: "annotated with anymask", model_id: modelId },
    images: [{ id: 1, file_name: image.fileName, width: image.width, height: image.height }],
    categories: names.map((name, i) => ({ id: i + 1, name })),
    annotations: annotations.map(({ id, name, mask, clicks, box, predictedIou }, i) => {
      const { x0, y0, x1, y1 } = rleBox(mask);
      return {
        id: i + 1,
        image_id: 1,
        category_id: names.indexOf(name || UNNAMED) + 1,
        segmentation: rleToCoco(mask),
        area: rleArea(mask),
        bbox: [x0, y0, x1 - x0, y1 - y0],
        iscrowd: 0,
        uuid: id,
        predicted_iou: predictedIou,
        point_coords: clicks.map(({ x, y }) => [x, y]),
        point_labels: clicks.map(({ label }) => label),
        box_prompt: box,
      };
    }),
  };
}
