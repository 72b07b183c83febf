/** The viewer of a data set: its images as a grid, each image with its masks. */
import "../ui/styles/base.css";
import "./viewer.css";
import { element } from "./dom";
import { passes } from "./filter";
import { Grid } from "./grid";
import { ImagePage } from "./image_page";
import { imageHash, placeOf } from "./route";
import { type Site, loadSite } from "./site";

const root = document.getElementById("root")!;

function start(site: Site): void {
  const grid = new Grid(site);
  root.append(grid.root);
  let page: { readonly image: number; readonly view: ImagePage } | null = null;

  const follow = () => {
    const place = placeOf(location.hash);
    const image = place && site.images[place.image];
    if (page && page.image === image?.place) return page.view.select(place!.mask);
    const before = page?.image ?? null;
    page?.view.close();
    page = null;
    if (!place || !image) return grid.open(before);
    grid.close();
    const index = grid.shown.indexOf(image);
    const { filter } = grid;
    const step = (by: -1 | 1) => {
      const next = grid.shown[index + by];
      if (next) location.replace(imageHash(next.place));
    };
    const view = new ImagePage(
      site,
      image,
      { index: Math.max(0, index), total: grid.shown.length },
      (mask) => passes(site, image.firstMask + mask.place, filter),
      {
        onMask: (mask) => location.replace(imageHash(image.place, mask)),
        onStep: step,
        onBack: () => {
          location.hash = "";
        },
      },
    );
    page = { image: image.place, view };
    root.append(view.root);
    void view.open(place.mask);
  };

  addEventListener("hashchange", follow);
  addEventListener("keydown", (event) => page?.view.keyDown(event));
  follow();
}

loadSite().then(start, (error: unknown) => {
  const why =
    location.protocol === "file:"
      ? "Browsers let pages read their data from web servers only. " +
        "Run `anymask dataset view --serve`, or put the folder on any web server."
      : String(error instanceof Error ? error.message : error);
  root.append(element("p", { className: "notice" }, why));
});
