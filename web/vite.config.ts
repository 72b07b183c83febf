import { defineConfig } from "vite";

// Not every server knows .mjs as JavaScript.
const assetFileNames = ({ names }: { names: string[] }) =>
  names[0]?.endsWith(".mjs") ? "assets/[hash].js" : "assets/[name]-[hash][extname]";
const rollupOptions = { output: { assetFileNames } };

export default defineConfig({
  base: "./", // any folder of any server
  // The runtime's glue stays a file of its own: its threads load it by name.
  resolve: { conditions: ["onnxruntime-web-use-extern-wasm", "module", "browser"] },
  worker: { format: "es", rollupOptions },
  build: {
    outDir: "../src/anymask/server/static",
    emptyOutDir: true,
    target: "es2023",
    rollupOptions,
  },
});
