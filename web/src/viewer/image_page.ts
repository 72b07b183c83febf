/** One image with its masks: look at them, pick one, read what is known of it. */
import { Picture } from "../canvas/picture";
import { StageView, type StageEvents, type StageState } from "../canvas/stage_view";
import { bitmap } from "../core/bitmap";
import type { Point } from "../core/brush";
import type { Layer } from "../core/overlay";
import type { PromptBox } from "../core/prompts";
import { type Rle, bitmapToRle, emptyRle, rleBox, rleContains } from "../core/rle";
import { element, grouped, iconButton } from "./dom";
import { maskFacts, maskList } from "./mask_list";
import type { ImageEntry, Region, ShownMask, Site } from "./site";
import { loadMasks, loadPicture } from "./site";

export interface ImagePageEvents {
  onMask(mask: number | null): void;
  /** To the image before or after, as the grid has them. */
  onStep(step: -1 | 1): void;
  onBack(): void;
}

const SELECTED = "#ffffff";
const REGION = "#ef4444";

/** The page of an image that is loading or shown. */
export class ImagePage {
  readonly root: HTMLElement;
  private stage: StageView | null = null;
  private picture: Picture | null = null;
  private masks: readonly ShownMask[] = [];
  private colours: readonly string[];
  private selected: ShownMask | null = null;
  private hovered: ShownMask | null = null;
  private isClosed = false;
  private readonly canvas = element("canvas", { tabIndex: 0, role: "img" });
  private readonly message = element("p", { className: "notice", textContent: "Loading" });
  private readonly list = element("div", { className: "mask-list" });
  private readonly facts = element("div", { ariaLive: "polite" });
  private readonly opacity = element("input", {
    type: "range",
    min: "0",
    max: "1",
    step: "0.05",
    value: "0.6",
    oninput: () => this.redraw(),
  });
  private readonly outlines = this.checkbox();
  private readonly regionsShown = this.checkbox();
  private readonly regions: readonly Region[];

  constructor(
    site: Site,
    private readonly image: ImageEntry,
    position: { readonly index: number; readonly total: number },
    private readonly isWanted: (mask: ShownMask) => boolean,
    private readonly events: ImagePageEvents,
  ) {
    this.colours = site.palette;
    this.regions = site.regions?.get(image.place) ?? [];
    const step = (sign: string, label: string, by: -1 | 1) => {
      const button = iconButton(sign, label, () => events.onStep(by));
      const next = position.index + by;
      button.disabled = next < 0 || next >= position.total;
      return button;
    };
    this.root = element(
      "div",
      { className: "image-page" },
      element(
        "header",
        { className: "top" },
        iconButton("▦", "All images (Escape)", () => events.onBack()),
        step("←", "The image before (left arrow)", -1),
        step("→", "The image after (right arrow)", 1),
        element("h1", {}, image.name),
        element(
          "p",
          { className: "soft" },
          `${grouped(position.index + 1)} of ${grouped(position.total)}`,
        ),
      ),
      element("main", { className: "stage" }, this.canvas, this.message),
      element("aside", { ariaLabel: "Masks" }, ...this.panel(), this.list),
    );
    this.canvas.ariaLabel = `${image.name} with ${image.numMasks} masks`;
  }

  /** Load and show; the mask of this number is selected. */
  async open(mask: number | null): Promise<void> {
    document.title = this.image.name;
    try {
      const [blob, masks] = await Promise.all([loadPicture(this.image), loadMasks(this.image)]);
      const picture = await Picture.decode(blob);
      if (this.isClosed) return picture.close();
      this.picture = picture;
      this.masks = masks;
    } catch (error) {
      this.message.textContent = error instanceof Error ? error.message : String(error);
      return;
    }
    this.message.hidden = true;
    this.stage = new StageView(this.canvas, this.state());
    this.select(mask);
  }

  close(): void {
    this.isClosed = true;
    this.stage?.close();
    this.picture?.close();
    this.root.remove();
  }

  /** Select the mask of this number, null for none; the address follows through `onMask`. */
  select(mask: number | null): void {
    this.selected = mask === null ? null : (this.masks[mask] ?? null);
    this.list.replaceChildren(
      maskList(
        this.shown(),
        (place) => this.colour(place),
        this.selected,
        (place) => this.events.onMask(place),
      ),
    );
    this.list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
    this.facts.replaceChildren(maskFacts(this.image, this.selected, this.masks.length));
    this.redraw();
  }

  keyDown(event: KeyboardEvent): void {
    if (event.target instanceof HTMLInputElement && event.target.type === "range") return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const action = this.keys[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  private readonly keys: Readonly<Record<string, () => void>> = {
    ArrowLeft: () => this.events.onStep(-1),
    ArrowRight: () => this.events.onStep(1),
    ArrowUp: () => this.step(-1),
    ArrowDown: () => this.step(1),
    Escape: () => (this.selected ? this.events.onMask(null) : this.events.onBack()),
    "+": () => this.stage?.zoom(1.25),
    "-": () => this.stage?.zoom(0.8),
    "0": () => this.stage?.fit(),
    z: () => this.selected && this.stage?.show(rleBox(this.selected.mask)),
    o: () => this.outlines.click(),
    c: () => this.shuffle(),
  };

  private panel(): HTMLElement[] {
    const regions = this.regions.length;
    return [
      this.facts,
      element(
        "div",
        { className: "look" },
        element("label", { className: "field" }, element("span", {}, "Opacity"), this.opacity),
        element("label", { className: "check" }, this.outlines, "outlines only (O)"),
        regions
          ? element(
              "label",
              { className: "check" },
              this.regionsShown,
              regions === 1 ? "1 blurred region" : `${regions} blurred regions`,
            )
          : null,
        element("button", { type: "button", onclick: () => this.shuffle() }, "Other colours (C)"),
      ),
    ];
  }

  private checkbox(): HTMLInputElement {
    return element("input", { type: "checkbox", onchange: () => this.redraw() });
  }

  /** The masks that the filter wants, and the one that is asked for. */
  private shown(): ShownMask[] {
    return this.masks.filter((mask) => mask === this.selected || this.isWanted(mask));
  }

  private colour(place: number): string {
    return this.colours[place % this.colours.length]!;
  }

  private shuffle(): void {
    this.colours = this.masks.map(() => randomColour());
    this.select(this.selected?.place ?? null);
  }

  /** To the mask before or after in the list. */
  private step(by: -1 | 1): void {
    const shown = [...this.shown()].sort((a, b) => b.area - a.area);
    if (!shown.length) return;
    const index = this.selected ? shown.indexOf(this.selected) + by : by > 0 ? 0 : -1;
    this.events.onMask(shown.at(index % shown.length)!.place);
  }

  /** The smallest mask under a point, as small ones lie on top. */
  private maskAt({ x, y }: Point): ShownMask | null {
    const hit = this.shown().filter(({ mask }) => rleContains(mask, x, y));
    return hit.reduce<ShownMask | null>(
      (best, one) => (best && best.area <= one.area ? best : one),
      null,
    );
  }

  private redraw(): void {
    this.stage?.update(this.state());
  }

  private state(): StageState & StageEvents {
    const { selected, hovered } = this;
    const layer = ({ mask, place }: ShownMask): Layer => ({ mask, colour: this.colour(place) });
    const marked = [hovered, selected].filter((one) => one !== null);
    const size: readonly [number, number] = [this.image.height, this.image.width];
    const nothing = emptyRle(size);
    return {
      picture: this.picture!,
      scene: {
        masks: this.shown().map(layer),
        inHand: [],
        outlined: [
          ...(this.regionsShown.checked ? this.regions : []).map(({ box }) => ({
            mask: rectangle(box, size),
            colour: REGION,
          })),
          ...marked.map((one) => ({
            ...layer(one),
            colour: one === selected ? SELECTED : this.colour(one.place),
          })),
        ],
        // Points are continuous, clicks name pixels.
        clicks: (selected?.points ?? []).map(({ x, y }) => ({ x: x - 0.5, y: y - 0.5, label: 1 })),
        box: selected?.cropBox ? cornersOf(selected.cropBox) : null,
        look: {
          opacity: this.opacity.valueAsNumber,
          isOutlineOnly: this.outlines.checked,
          brightness: 1,
          contrast: 1,
        },
        brushRadius: null,
      },
      tool: "select",
      isRemoving: false,
      paint: { mask: nothing, colour: SELECTED, radius: 1 },
      onPress: () => {},
      onClick: () => {},
      onBox: () => {},
      onStroke: () => {},
      onPolygon: () => {},
      onSelect: (pixel) => this.events.onMask(this.maskAt(pixel)?.place ?? null),
      onHover: (pixel) => this.hover(pixel && this.maskAt(pixel)),
      onScale: () => {},
      onPainted: () => {},
    };
  }

  private hover(mask: ShownMask | null): void {
    if (mask === this.hovered) return;
    this.hovered = mask;
    this.canvas.title = mask?.category ?? "";
    this.redraw();
  }
}

function cornersOf([x, y, width, height]: NonNullable<ShownMask["cropBox"]>): PromptBox {
  return [x, y, x + width, y + height];
}

/** A box as a mask, cut off at the image's edges. */
function rectangle(box: Region["box"], [height, width]: readonly [number, number]): Rle {
  const clamp = (value: number, length: number) => Math.min(length, Math.max(0, Math.round(value)));
  const pixels = bitmap({
    x0: clamp(box[0], width),
    y0: clamp(box[1], height),
    x1: clamp(box[2], width),
    y1: clamp(box[3], height),
  });
  pixels.data.fill(1);
  return bitmapToRle(pixels, [height, width]);
}

function randomColour(): string {
  const channel = () =>
    Math.floor(64 + 192 * Math.random())
      .toString(16)
      .padStart(2, "0");
  return `#${channel()}${channel()}${channel()}`;
}
