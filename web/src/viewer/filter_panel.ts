/** The controls that choose which images the grid shows. */
import { decimals, element } from "./dom";
import { EVERYTHING, type Filter, NO_FILTER, type Order, type Range } from "./filter";
import { type MaskColumn, type Site } from "./site";

const MASK_COLUMNS: Readonly<Record<MaskColumn, string>> = {
  predictedIou: "Predicted IoU",
  stability: "Stability",
  relativeSize: "Relative size",
};
const ORDERS: Readonly<Record<Order, string>> = {
  place: "as in the data set",
  name: "name",
  masks: "number of masks",
  predictedIou: "mean predicted IoU",
  stability: "mean stability",
};

/** The panel; `onFilter` hears of every change. */
export function filterPanel(site: Site, onFilter: (filter: Filter) => void): HTMLElement {
  let filter = NO_FILTER;
  const change = (part: Partial<Filter>) => onFilter((filter = { ...filter, ...part }));
  const isKnown = (column: MaskColumn) =>
    site.columns[column].some((value) => !Number.isNaN(value));
  const scores = (Object.keys(MASK_COLUMNS) as MaskColumn[]).filter(isKnown);

  const search = element("input", {
    type: "search",
    placeholder: "Name or number",
    oninput: () => change({ text: search.value }),
    ariaLabel: "Name or number of an image",
  });
  const order = element(
    "select",
    {
      onchange: () => change({ order: order.value as Order }),
      ariaLabel: "Order of the images",
    },
    ...(Object.keys(ORDERS) as Order[])
      .filter((name) => !(name in MASK_COLUMNS) || isKnown(name as MaskColumn))
      .map((value) => element("option", { value }, ORDERS[value])),
  );
  const descending = element("input", {
    type: "checkbox",
    onchange: () => change({ isDescending: descending.checked }),
  });
  const form = element(
    "form",
    { className: "filters", onsubmit: (event) => event.preventDefault() },
    search,
    rangeField("Masks in the image", "1", (numMasks) => change({ numMasks })),
    rangeField("Shortest side (px)", "1", (shortestSide) => change({ shortestSide })),
    element(
      "fieldset",
      { className: "mask-filters" },
      element("legend", {}, "Has a mask of"),
      ...scores.map((column) =>
        rangeField(MASK_COLUMNS[column], decimals(0.005), (range) =>
          change({ masks: { ...filter.masks, [column]: range } }),
        ),
      ),
    ),
    element("label", { className: "field" }, element("span", {}, "Order"), order),
    element("label", { className: "check" }, descending, "largest or last first"),
    element("button", { type: "reset" }, "Show all"),
  );
  form.addEventListener("reset", () => onFilter((filter = NO_FILTER)));
  return form;
}

/** From and to; an empty field is no bound. */
function rangeField(label: string, step: string, onRange: (range: Range) => void): HTMLElement {
  const bound = (what: string) =>
    element("input", {
      type: "number",
      step,
      min: "0",
      placeholder: what,
      oninput: () => onRange([numberOf(low, EVERYTHING[0]), numberOf(high, EVERYTHING[1])]),
      ariaLabel: `${label}, ${what}`,
    });
  const [low, high] = [bound("from"), bound("to")];
  return element(
    "div",
    { className: "field" },
    element("span", {}, label),
    element("div", { className: "range" }, low, high),
  );
}

const numberOf = ({ valueAsNumber }: HTMLInputElement, otherwise: number): number =>
  Number.isNaN(valueAsNumber) ? otherwise : valueAsNumber;
