// A served studio's screens and its API as the page may use it, for the scripts of this folder.
import { visitPage, waitUntilReady } from "./browser.mjs";

// Whoever is not logged in yet is told so, which browsers print as an error.
export const isNotLoggedIn = (error) => error.includes("401");

/** Runs `visit(page)` on a fresh page of the server, as somebody who has logged in. */
export function visitAs(url, { name, password, isExpected = () => false, ...options }, visit) {
  const expected = (error) => isNotLoggedIn(error) || isExpected(error);
  return visitPage(url, { ...options, isExpected: expected }, async (page, browser) => {
    await logIn(page, name, password);
    return visit(page, browser);
  });
}

export async function logIn(page, name, password) {
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("heading", { name: "Projects" }).waitFor();
}

/** A request with the session of the page; { status, body }. */
export function ask(page, method, path, body) {
  return page.evaluate(
    async ([method, path, body]) => {
      const session = await (await fetch("/api/session")).json();
      const headers = { "X-CSRF-Token": session.csrf_token ?? "" };
      if (body !== undefined) headers["Content-Type"] = "application/json";
      const init = { method, headers, body: body === undefined ? undefined : JSON.stringify(body) };
      const response = await fetch(`/api/${path}`, init);
      const text = await response.text();
      return { status: response.status, body: text ? JSON.parse(text) : null };
    },
    [method, path, body],
  );
}

/** Opens an address of the page (after the #) and waits until clicks are answered. */
export async function openAt(page, hash) {
  await page.evaluate((place) => (location.hash = place), hash);
  await waitUntilReady(page);
}

/** Waits until the server has all. */
export async function waitUntilSaved(page) {
  await page.locator(".status-line span", { hasText: /^Saved$/ }).waitFor();
}
