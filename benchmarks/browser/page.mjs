// In the page: runs graphs in turns and hands their times back. Called by bench.mjs.
import * as ort from "/node_modules/onnxruntime-web/dist/ort.wasm.min.mjs";

const ARRAYS = { float32: Float32Array, int64: BigInt64Array };

/** An input of a graph: given values, or noise of a fixed seed. */
function tensor({ type, dims, values }) {
  const size = dims.reduce((a, b) => a * b, 1);
  const data = new ARRAYS[type](size);
  const convert = type === "int64" ? BigInt : Number;
  let state = 1;
  for (let i = 0; i < size; i++) {
    state = (state * 48271) % 2147483647; // Park and Miller
    data[i] = values ? convert(values[i]) : convert((state / 2147483647) * 2 - 1);
  }
  return new ort.Tensor(type, data, dims);
}

const feeds = (inputs) =>
  Object.fromEntries(Object.entries(inputs).map(([name, spec]) => [name, tensor(spec)]));

async function load(graph) {
  const started = performance.now();
  const session = await ort.InferenceSession.create(`/graphs/${graph.file}`, {
    executionProviders: ["wasm"],
    graphOptimizationLevel: "all",
  });
  return { name: graph.name, session, inputs: feeds(graph.inputs), loadMs: performance.now() - started };
}

/** Run every graph `runs` times, in turns, after `warmUp` rounds; times in milliseconds. */
async function bench({ graphs, threads, warmUp, runs }) {
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmPaths = "/node_modules/onnxruntime-web/dist/";
  const loaded = [];
  for (const graph of graphs) loaded.push({ ...(await load(graph)), times: [] });
  for (let round = -warmUp; round < runs; round++) {
    for (const { session, inputs, times } of loaded) {
      const started = performance.now();
      const outputs = await session.run(inputs);
      const ms = performance.now() - started;
      Object.values(outputs).forEach((output) => output.dispose());
      if (round >= 0) times.push(ms);
    }
  }
  return {
    crossOriginIsolated,
    ort: ort.env.versions.web,
    results: loaded.map(({ name, loadMs, times }) => ({ name, loadMs, times })),
  };
}

window.bench = bench;
