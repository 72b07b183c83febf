import { defineConfig } from "vite";

// The data sets' viewer: pages of their own, which `anymask dataset view` copies beside the pictures.
export default defineConfig({
  base: "./", // any folder of any server
  publicDir: false,
  build: {
    outDir: "../src/anymask/dataset/viewer_pages",
    emptyOutDir: true,
    assetsInlineLimit: 0, // the page's policy forbids pictures inside it
    target: "es2023",
    modulePreload: { polyfill: false }, // one script, which needs no list of others
    rollupOptions: { input: "viewer.html" },
  },
});
