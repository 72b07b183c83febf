import { expect, test } from "vitest";
import { floatsOfHalves, halvesOfFloats, readSafetensors } from "../src/model/safetensors";

function file(header: object, data: Uint8Array): ArrayBuffer {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes.buffer;
}

test("every float16 is read, and written as it was", () => {
  const bits = Uint16Array.from({ length: 1 << 16 }, (_, i) => i);
  const floats = floatsOfHalves(bits);
  expect(floats[0x3c00]).toBe(1);
  expect(floats[0x0001]).toBe(2 ** -24);
  expect(floats[0xfbff]).toBe(-65504);
  expect(floats[0x7c00]).toBe(Infinity);
  expect(floats[0x7c01]).toBeNaN();
  const numbers = bits.filter((i) => !Number.isNaN(floats[i]) && i !== 0x8000);
  expect(halvesOfFloats(floatsOfHalves(numbers))).toEqual(numbers);
});

test("floats between two float16 go to the nearer one, to the even one in the middle", () => {
  const step = 2 ** -10;
  const given = [1 + 0.4 * step, 1 + 0.5 * step, 1 + 1.5 * step, 2 - 0.1 * step, 1e6, -1e6];
  expect([...floatsOfHalves(halvesOfFloats(Float32Array.from(given)))]).toEqual([
    1,
    1,
    1 + 2 * step,
    2,
    Infinity,
    -Infinity,
  ]);
});

test("arrays come by name, with their shapes", () => {
  const header = {
    __metadata__: { model_id: "small" },
    a: { dtype: "F16", shape: [1, 3], data_offsets: [0, 6] },
    b: { dtype: "F32", shape: [2], data_offsets: [6, 14] },
  };
  const data = new Uint8Array(14);
  data.set(new Uint8Array(Uint16Array.of(0x3c00, 0xc000, 0).buffer));
  data.set(new Uint8Array(Float32Array.of(0.1, -7).buffer), 6);
  const tensors = readSafetensors(file(header, data));
  expect([...tensors.keys()]).toEqual(["a", "b"]);
  expect(tensors.get("a")).toEqual({ shape: [1, 3], data: Float32Array.of(1, -2, 0) });
  expect(tensors.get("b")!.data).toEqual(Float32Array.of(0.1, -7));
});

test.each([
  ["cut off", file({ a: { dtype: "F16", shape: [4], data_offsets: [0, 8] } }, new Uint8Array(6))],
  [
    "of whole numbers",
    file({ a: { dtype: "I64", shape: [1], data_offsets: [0, 8] } }, new Uint8Array(8)),
  ],
  [
    "of another size",
    file({ a: { dtype: "F16", shape: [3], data_offsets: [0, 4] } }, new Uint8Array(4)),
  ],
  ["empty", new ArrayBuffer(0)],
  ["with a header beyond its end", new BigUint64Array([100n]).buffer],
])("a file %s is refused", (_, bytes) => {
  expect(() => readSafetensors(bytes)).toThrow(RangeError);
});
