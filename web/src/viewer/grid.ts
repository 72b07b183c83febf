/** All images that pass the filter as small pictures; more come as one scrolls. */
import { element, grouped } from "./dom";
import { type Filter, NO_FILTER, matching } from "./filter";
import { filterPanel } from "./filter_panel";
import { imageHash } from "./route";
import type { ImageEntry, Site } from "./site";
import { themeButton } from "./theme";

const TILES_AT_ONCE = 120;
const AHEAD_PX = 1200; // pictures are there before they are scrolled to

export class Grid {
  readonly root: HTMLElement;
  filter: Filter = NO_FILTER;
  shown: readonly ImageEntry[];
  private readonly tiles = element("ul", { className: "tiles" });
  private readonly count = element("p", {
    className: "soft",
    role: "status",
  });
  private readonly end = element("div", { className: "end" });
  private numTiles = 0;
  private scrolled = 0;

  constructor(private readonly site: Site) {
    this.shown = site.images;
    const withMasks = element("input", {
      type: "checkbox",
      checked: true,
      onchange: () => this.tiles.classList.toggle("bare", !withMasks.checked),
    });
    const panel = filterPanel(site, (filter) => this.show(filter));
    this.root = element(
      "div",
      { className: "grid-page" },
      element(
        "header",
        { className: "top" },
        element("h1", {}, site.title),
        state(site),
        element("a", { href: "statistics.html" }, "Statistics"),
        themeButton(),
      ),
      element(
        "aside",
        { ariaLabel: "Filters" },
        panel,
        element("label", { className: "check" }, withMasks, "masks over the pictures"),
      ),
      element("main", {}, this.count, this.tiles, this.end),
    );
    new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && this.addTiles(), {
      rootMargin: `${AHEAD_PX}px`,
    }).observe(this.end);
    this.show(NO_FILTER);
  }

  /** Back from an image: where one was, with its tile in hand. */
  open(place: number | null): void {
    this.root.hidden = false;
    document.title = this.site.title;
    scrollTo(0, this.scrolled);
    if (place === null) return;
    const index = this.shown.findIndex((image) => image.place === place);
    while (this.numTiles <= index) this.addTiles();
    (this.tiles.children[index]?.firstElementChild as HTMLElement | null)?.focus();
  }

  close(): void {
    if (!this.root.hidden) this.scrolled = scrollY;
    this.root.hidden = true;
  }

  private show(filter: Filter): void {
    this.filter = filter;
    this.shown = matching(this.site, filter);
    this.tiles.replaceChildren();
    this.numTiles = 0;
    const all = this.site.images.length;
    const [some, masks] = [grouped(this.shown.length), grouped(total(this.shown))];
    this.count.textContent =
      this.shown.length === all
        ? `${some} images, ${masks} masks`
        : `${some} of ${grouped(all)} images, with ${masks} masks`;
    this.addTiles();
  }

  private addTiles(): void {
    const next = this.shown.slice(this.numTiles, this.numTiles + TILES_AT_ONCE);
    this.tiles.append(...next.map(tile));
    this.numTiles += next.length;
    // Still in sight: the observer speaks of changes only.
    const { top } = this.end.getBoundingClientRect();
    if (next.length && this.end.isConnected && top < innerHeight + AHEAD_PX)
      requestAnimationFrame(() => this.addTiles());
  }
}

function tile(image: ImageEntry): HTMLElement {
  const masks = `${image.numMasks} ${image.numMasks === 1 ? "mask" : "masks"}`;
  const picture = (src: string, className: string) =>
    element("img", { src, className, alt: "", loading: "lazy", decoding: "async" });
  return element(
    "li",
    {},
    element(
      "a",
      { href: imageHash(image.place), title: image.name },
      element(
        "span",
        { className: "small" },
        picture(image.small, "picture"),
        picture(image.smallMasks, "masks"),
      ),
      element("span", { className: "name" }, image.name),
      element("span", { className: "soft" }, masks),
    ),
  );
}

/** What is known of the data set's soundness. */
function state({ numBrokenRules, numLeftOut }: Site): HTMLElement {
  const left = numLeftOut ? `; ${grouped(numLeftOut)} images could not be shown` : "";
  if (numBrokenRules === null) return element("p", { className: "state" }, `Not validated${left}`);
  const text = numBrokenRules ? `${grouped(numBrokenRules)} problems found` : "Valid";
  return element("p", { className: numBrokenRules ? "state bad" : "state good" }, text + left);
}

const total = (images: readonly ImageEntry[]): number =>
  images.reduce((sum, { numMasks }) => sum + numMasks, 0);
