/** Where in the studio a person is: the part of the address after the #. */
import { useEffect, useState } from "react";

export type Route =
  | { readonly screen: "projects" }
  | { readonly screen: "people" }
  | { readonly screen: "images"; readonly project: number }
  | { readonly screen: "dashboard"; readonly project: number }
  | { readonly screen: "webhooks"; readonly project: number }
  | { readonly screen: "rating"; readonly project: number }
  | { readonly screen: "quality"; readonly project: number }
  /** Faces and plates; `image` is null for the list of pictures. */
  | { readonly screen: "privacy"; readonly project: number; readonly image: number | null }
  /** `image` is null for the next of the queue. */
  | { readonly screen: "work"; readonly project: number; readonly image: number | null }
  | { readonly screen: "review"; readonly project: number; readonly image: number }
  | { readonly screen: "invitation"; readonly secret: string };

/** The route of an address; that of the projects where it is none. */
export function readRoute(hash: string): Route {
  const parts = hash.replace(/^#?\/?/, "").split("/");
  const [first, second, third, fourth] = parts;
  if (first === "people") return { screen: "people" };
  if (first === "invitation" && second) return { screen: "invitation", secret: second };
  const project = idOf(second);
  if (first !== "projects" || project === null) return { screen: "projects" };
  if (third === "dashboard" || third === "webhooks" || third === "rating" || third === "quality")
    return { screen: third, project };
  const image = idOf(fourth);
  if (third === "privacy") return { screen: "privacy", project, image };
  if (third === "work") return { screen: "work", project, image };
  if (third === "review" && image !== null) return { screen: "review", project, image };
  return { screen: "images", project };
}

export function hashOf(route: Route): string {
  switch (route.screen) {
    case "projects":
      return "#/";
    case "people":
      return "#/people";
    case "invitation":
      return `#/invitation/${route.secret}`;
    case "images":
      return `#/projects/${route.project}`;
    case "dashboard":
    case "webhooks":
    case "rating":
    case "quality":
      return `#/projects/${route.project}/${route.screen}`;
    case "privacy":
      return `#/projects/${route.project}/privacy${route.image === null ? "" : `/${route.image}`}`;
    case "work":
      return `#/projects/${route.project}/work${route.image === null ? "" : `/${route.image}`}`;
    case "review":
      return `#/projects/${route.project}/review/${route.image}`;
  }
}

/** Go there; with `isReplaced` the browser's back button leads past the present place. */
export function go(route: Route, isReplaced = false): void {
  if (isReplaced) location.replace(hashOf(route));
  else location.hash = hashOf(route);
}

export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const change = () => setHash(location.hash);
    addEventListener("hashchange", change);
    return () => removeEventListener("hashchange", change);
  }, []);
  return readRoute(hash);
}

function idOf(text: string | undefined): number | null {
  return text && /^[1-9]\d*$/.test(text) ? Number(text) : null;
}
