// In a worker of the page: the reference package's decoder graph, for click_to_mask.mjs.
import * as ort from "/node_modules/onnxruntime-web/dist/ort.wasm.min.mjs";

let session, decoder;

/** An embedding of noise: time does not depend on what the picture shows. */
function noise(dims) {
  let state = 1;
  const data = Float32Array.from(
    { length: dims.reduce((a, b) => a * b, 1) },
    () => ((state = (state * 48271) % 2147483647) / 2147483647) * 2 - 1, // Park and Miller
  );
  return new ort.Tensor("float32", data, dims);
}

async function load({ url, threads, ...given }) {
  ort.env.wasm.wasmPaths = "/node_modules/onnxruntime-web/dist/";
  ort.env.wasm.numThreads = threads;
  decoder = given;
  const { embed_dim, grid_size } = decoder;
  decoder.embedding = noise([1, embed_dim, grid_size, grid_size]);
  session = await ort.InferenceSession.create(url, {
    graphOptimizationLevel: "all",
    extra: { session: { intra_op: { allow_spinning: "0" } } }, // as the studio's
  });
}

/** The best of the masks at a click, as the pixels of the picture. */
async function decode({ x, y, width, height }) {
  const started = performance.now();
  const { image_size, grid_size, embedding } = decoder;
  const scale = image_size / Math.max(width, height);
  const floats = (values, dims) => new ort.Tensor("float32", Float32Array.from(values), dims);
  const low = 4 * grid_size;
  const { masks, iou_predictions } = await session.run({
    image_embeddings: embedding,
    point_coords: floats([x * scale, y * scale, 0, 0], [1, 2, 2]), // the second one pads
    point_labels: floats([1, -1], [1, 2]),
    mask_input: floats(new Float32Array(low * low), [1, 1, low, low]),
    has_mask_input: floats([0], [1]),
    orig_im_size: floats([height, width], [2]),
  });
  const decodeMs = performance.now() - started;
  const ious = [...iou_predictions.data].slice(1);
  const best = 1 + ious.indexOf(Math.max(...ious));
  const pixels = new Uint32Array(width * height);
  const logits = masks.data.subarray(best * width * height, (best + 1) * width * height);
  for (let i = 0; i < pixels.length; i++) if (logits[i] > 0) pixels[i] = 0x96f6823b;
  postMessage({ pixels: pixels.buffer, decodeMs }, [pixels.buffer]);
}

onmessage = ({ data }) => {
  const done = data.kind === "click" ? decode(data) : load(data).then(() => postMessage("loaded"));
  done.catch((error) => setTimeout(() => reportError(error))); // to the page's onerror
};
