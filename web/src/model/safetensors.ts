/** Reading safetensors: arrays by name, as float32. */

export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** From the end of the header. */
  readonly data_offsets: readonly [number, number];
}

const LENGTH_BYTES = 8;

/** The arrays of a file of float16 or float32; a RangeError says why it is none. */
export function readSafetensors(file: ArrayBuffer): Map<string, Tensor> {
  if (file.byteLength < LENGTH_BYTES) throw damaged();
  const start = LENGTH_BYTES + Number(new DataView(file).getBigUint64(0, true));
  if (start > file.byteLength) throw damaged();
  const text = new TextDecoder().decode(new Uint8Array(file, LENGTH_BYTES, start - LENGTH_BYTES));
  const { __metadata__: _, ...entries } = JSON.parse(text) as Record<string, Entry>;
  const tensors = new Map<string, Tensor>();
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(entries)) {
    const [from, to] = data_offsets;
    const length = shape.reduce((product, side) => product * side, 1);
    const width = dtype === "F16" ? 2 : dtype === "F32" ? 4 : NaN;
    if (to - from !== width * length || start + to > file.byteLength) throw damaged();
    const bytes = file.slice(start + from, start + to); // arrays begin at multiples of their width
    const data = width === 2 ? floatsOfHalves(new Uint16Array(bytes)) : new Float32Array(bytes);
    tensors.set(name, { shape, data });
  }
  return tensors;
}

/** float16 numbers, given as their bits, as float32. */
export function floatsOfHalves(bits: Uint16Array): Float32Array {
  const floats = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) floats[i] = VALUES[bits[i]!]!;
  return floats;
}

/** float32 numbers as the bits of the nearest float16, infinities where there is none. */
export function halvesOfFloats(floats: Float32Array): Uint16Array {
  return Uint16Array.from(floats, halfOf);
}

// All there are: a table is faster than arithmetic for each of a million numbers.
const VALUES = Float32Array.from({ length: 1 << 16 }, (_, bits) => {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const size =
    exponent === 0
      ? fraction * 2 ** -24
      : exponent === 31
        ? fraction
          ? NaN
          : Infinity
        : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return bits >> 15 ? -size : size;
});

function halfOf(value: number): number {
  const sign = value < 0 ? 1 << 15 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(size)) return 0x7e00;
  // Positive float16 numbers are ordered as their bits are: the rounding may carry over.
  const exponent = Math.max(-14, Math.min(16, Math.floor(Math.log2(size || 1e-9))));
  const steps = roundEven(size / 2 ** (exponent - 10));
  const bits = ((exponent + 14) << 10) + steps;
  return sign | Math.min(bits, 0x7c00);
}

function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

const damaged = () =>
  new RangeError("The embedding must be a safetensors file of floats, got another or a part.");
