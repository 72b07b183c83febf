/** The masks of an image in words: a list to pick from, and the facts of one. */
import { rleBox } from "../core/rle";
import { decimals, element, grouped } from "./dom";
import type { ImageEntry, ShownMask } from "./site";

/** All masks as buttons, the largest first. */
export function maskList(
  masks: readonly ShownMask[],
  colour: (place: number) => string,
  selected: ShownMask | null,
  onPick: (place: number) => void,
): HTMLElement {
  const row = (mask: ShownMask) => {
    const swatch = element("span", { className: "swatch" });
    swatch.style.backgroundColor = colour(mask.place);
    const button = element(
      "button",
      { type: "button", onclick: () => onPick(mask.place) },
      swatch,
      element("span", {}, mask.category || `mask ${mask.place + 1}`),
      element("span", { className: "soft" }, shortFact(mask)),
    );
    if (mask === selected) button.ariaCurrent = "true";
    return element("li", {}, button);
  };
  return element("ul", {}, ...[...masks].sort((a, b) => b.area - a.area).map(row));
}

/** What is known of the image, or of the selected mask. */
export function maskFacts(
  image: ImageEntry,
  mask: ShownMask | null,
  numMasks: number,
): HTMLElement {
  const facts: [string, string][] = mask
    ? factsOf(mask, image)
    : [
        ["image", String(image.id)],
        ["size", `${image.width} x ${image.height}`],
        ["masks", grouped(numMasks)],
      ];
  return element(
    "dl",
    { className: "facts" },
    ...facts.map(([name, value]) =>
      element("div", {}, element("dt", {}, name), element("dd", {}, value)),
    ),
  );
}

function factsOf(mask: ShownMask, { width, height }: ImageEntry): [string, string][] {
  const { x0, y0, x1, y1 } = rleBox(mask.mask);
  const relative = Math.sqrt(mask.area / (width * height));
  const facts: [string, string | null][] = [
    ["mask", String(mask.id)],
    ["shows", mask.category || null],
    ["area", `${grouped(mask.area)} px, ${decimals((100 * mask.area) / (width * height), 2)} %`],
    ["relative size", decimals(relative)],
    ["box", `${x1 - x0} x ${y1 - y0} at ${x0}, ${y0}`],
    ["predicted IoU", score(mask.predictedIou)],
    ["stability", score(mask.stability)],
    ["points", mask.points.map(({ x, y }) => `${rounded(x)}, ${rounded(y)}`).join("; ") || null],
    ["crop", mask.cropBox && cropText(mask.cropBox)],
  ];
  return facts.filter((fact): fact is [string, string] => fact[1] !== null);
}

const score = (value: number | null) => (value === null ? null : decimals(value));

const rounded = (value: number) => Math.round(10 * value) / 10;

const cropText = ([x, y, width, height]: readonly [number, number, number, number]) =>
  `${rounded(width)} x ${rounded(height)} at ${rounded(x)}, ${rounded(y)}`;

const shortFact = ({ predictedIou, area }: ShownMask) =>
  predictedIou === null ? `${grouped(area)} px` : decimals(predictedIou, 2);
