/** The model in a worker of its own: encodes a picture once, then answers prompts about it. */
import * as ort from "onnxruntime-web/wasm";
import glueUrl from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import wasmUrl from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import { inputSize } from "../core/frames";
import { type Answer, type Prompt, pointTensors } from "../core/prompts";
import { resizeRgb } from "../core/resize";
import type { ModelDescription, ModelSource, PreparedImage, Reply, Request } from "./protocol";
import { readSafetensors } from "./safetensors";

const MAX_THREADS = 4; // a click is too small a piece of work for more

interface Model {
  readonly description: ModelDescription;
  /** Null where a server encodes. */
  readonly encoder: ort.InferenceSession | null;
  readonly decoder: ort.InferenceSession;
}

/** The picture that prompts are about. */
interface Embedding {
  readonly originalSize: readonly [number, number];
  readonly features: ort.InferenceSession.OnnxValueMapType;
}

let model: Model | null = null;
let embedding: Embedding | null = null;

const reply = (message: Reply) => postMessage(message);

// In turns: the runtime takes one call at a time.
let previous = Promise.resolve();
addEventListener("message", ({ data }: MessageEvent<Request>) => {
  previous = previous
    .then(() => handle(data))
    .catch((error: unknown) => {
      const id = data.kind === "load" ? null : data.id;
      reply({
        kind: "failed",
        id,
        message: error instanceof Error ? error.message : String(error),
      });
    });
});

async function handle(request: Request) {
  const started = performance.now();
  if (request.kind === "load") {
    model = await load(request.source);
    reply({ kind: "loaded", description: model.description, numThreads: ort.env.wasm.numThreads! });
  } else if (request.kind === "encode") {
    embedding = await encode(model!, request.image);
    reply({ kind: "encoded", id: request.id, milliseconds: performance.now() - started });
  } else if (request.kind === "fetch") {
    embedding = await fetchEmbedding(request.prepared);
    reply({ kind: "encoded", id: request.id, milliseconds: performance.now() - started });
  } else {
    const answer = await decode(model!, embedding!, request.prompt);
    reply({ kind: "answer", id: request.id, answer, milliseconds: performance.now() - started });
  }
}

async function load(source: ModelSource): Promise<Model> {
  ort.env.wasm.wasmPaths = { mjs: absolute(glueUrl), wasm: absolute(wasmUrl) };
  // Threads share memory, which browsers allow only to isolated pages.
  ort.env.wasm.numThreads = crossOriginIsolated
    ? Math.min(MAX_THREADS, navigator.hardwareConcurrency)
    : 1;
  if (typeof source !== "string") {
    const { description, decoderUrl } = source;
    return { description, encoder: null, decoder: await loadGraph(decoderUrl, showProgress) };
  }
  const response = await fetched(`${source}/model.json`);
  const description = (await response.json()) as ModelDescription & { num_bytes: number };
  let before = 0; // bytes of the graphs that are there
  const graph = async (name: string) => {
    let count = 0;
    const session = await loadGraph(`${source}/${name}.onnx`, (received) => {
      count = received;
      showProgress(before + received, description.num_bytes);
    });
    before += count;
    return session;
  };
  return { description, encoder: await graph("encoder"), decoder: await graph("decoder") };
}

async function loadGraph(url: string, onBytes: OnBytes): Promise<ort.InferenceSession> {
  const bytes = await readBody(await fetched(url), onBytes);
  return ort.InferenceSession.create(bytes, {
    graphOptimizationLevel: "all",
    // Threads that spin while they wait take the cores from the page, which is about to paint.
    extra: { session: { intra_op: { allow_spinning: "0" } } },
  });
}

function showProgress(received: number, total: number): void {
  reply({ kind: "loading", fraction: Math.min(1, received / total) });
}

async function fetchEmbedding(prepared: PreparedImage): Promise<Embedding> {
  const bytes = await (await fetched(prepared.embeddingUrl)).arrayBuffer();
  const features: Record<string, ort.Tensor> = {};
  for (const [name, { shape, data }] of readSafetensors(bytes))
    features[name] = new ort.Tensor("float32", data, [...shape]);
  return { originalSize: prepared.originalSize, features };
}

async function encode({ description, encoder }: Model, image: ImageBitmap): Promise<Embedding> {
  const originalSize = [image.height, image.width] as const;
  const [height, width] = inputSize({ originalSize, imageSize: description.image_size });
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  context.fillStyle = "white"; // under transparent pixels
  context.fillRect(0, 0, image.width, image.height);
  context.drawImage(image, 0, 0);
  image.close();
  const scaled = resizeRgb(context.getImageData(0, 0, canvas.width, canvas.height), width, height);
  const images = new ort.Tensor("uint8", scaled.data, [1, height, width, 3]);
  return { originalSize, features: await encoder!.run({ images }) };
}

async function decode(
  { description, decoder }: Model,
  { originalSize, features }: Embedding,
  prompt: Prompt,
): Promise<Answer> {
  const { coords, labels } = pointTensors(prompt);
  const side = description.image_size / 4; // of the small logits
  const { low_res_logits, iou_predictions, best } = await decoder.run({
    original_sizes: int64([1, 2], originalSize.map(BigInt)),
    point_coords: new ort.Tensor("float32", coords, [1, labels.length, 2]),
    point_labels: int64([1, labels.length], labels),
    mask_input: new ort.Tensor("float32", prompt.maskInput ?? new Float32Array(side * side), [
      1,
      1,
      side,
      side,
    ]),
    has_mask_input: new ort.Tensor("float32", [prompt.maskInput ? 1 : 0], [1]),
    ...features,
  });
  return {
    // A copy: the runtime may use its memory again.
    logits: Float32Array.from(low_res_logits!.data as Float32Array),
    side,
    ious: Array.from(iou_predictions!.data as Float32Array),
    best: Number((best!.data as BigInt64Array)[0]),
  };
}

const int64 = (dims: number[], values: bigint[]) =>
  new ort.Tensor("int64", BigInt64Array.from(values), dims);

const absolute = (url: string) => new URL(url, import.meta.url).href;

async function fetched(url: string): Promise<Response> {
  const response = await fetch(url);
  if (!response.ok)
    throw new Error(`${url} could not be read: ${response.status} ${response.statusText}.`);
  return response;
}

type OnBytes = (received: number, total: number) => void;

/** A body, with news of how many of its bytes have come. */
async function readBody(response: Response, onBytes: OnBytes): Promise<Uint8Array> {
  const total = Number(response.headers.get("Content-Length")) || Infinity;
  const parts: Uint8Array[] = [];
  let received = 0;
  const reader = response.body!.getReader();
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    parts.push(value!);
    received += value!.length;
    onBytes(received, total);
  }
  const whole = new Uint8Array(received);
  parts.reduce((offset, part) => (whole.set(part, offset), offset + part.length), 0);
  return whole;
}
