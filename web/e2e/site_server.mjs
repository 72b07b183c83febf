// Serves a written site on loopback, with the headers that let pages have threads or without.
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize, sep } from "node:path";

const TYPES = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

/** Resolves to { url, close }; `folders` are others to serve, by the start of their addresses. */
export function serveSite(site, { isIsolated, folders = {} }) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    const start = Object.keys(folders).find((each) => pathname.startsWith(each)) ?? "/";
    const folder = normalize(folders[start] ?? site);
    const path = normalize(join(folder, decodeURIComponent(pathname.slice(start.length))));
    const file = pathname.endsWith("/") ? join(path, "index.html") : path;
    const isThere =
      file.startsWith(folder + sep) && statSync(file, { throwIfNoEntry: false })?.isFile();
    if (!isThere) return response.writeHead(404).end();
    const isolation = {
      "Cross-Origin-Opener-Policy": "same-origin",
      "Cross-Origin-Embedder-Policy": "require-corp",
    };
    const type = TYPES[extname(file)] ?? "application/octet-stream";
    response.writeHead(200, { "Content-Type": type, ...(isIsolated ? isolation : {}) });
    return createReadStream(file).pipe(response);
  });
  return new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () =>
      resolve({ url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() }),
    ),
  );
}
