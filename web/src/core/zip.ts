/** Files in one ZIP archive, stored as they are (PNG is compressed already). */

export interface ZipEntry {
  readonly name: string;
  readonly data: Uint8Array;
}

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

export function crc32(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = table[(crc ^ byte) & 255]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** The archive's bytes. */
export function zip(entries: readonly ZipEntry[]): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const { name, data } of entries) {
    const path = encoder.encode(name);
    // version 2.0, UTF-8 names, stored, 1 January 1980
    const fields = [
      u16(20),
      u16(0x800),
      u16(0),
      u16(0),
      u16(33),
      u32(crc32(data)),
      u32(data.length),
      u32(data.length),
      u16(path.length),
      u16(0),
    ];
    const header = joined([u32(0x04034b50), ...fields, path]);
    directory.push(
      u32(0x02014b50),
      u16(20),
      ...fields,
      u16(0),
      u16(0),
      u16(0),
      u32(0),
      u32(offset),
      path,
    );
    parts.push(header, data);
    offset += header.length + data.length;
  }
  const listing = joined(directory);
  const count = u16(entries.length);
  const end = [
    u32(0x06054b50),
    u16(0),
    u16(0),
    count,
    count,
    u32(listing.length),
    u32(offset),
    u16(0),
  ];
  return joined([...parts, listing, ...end]);
}

const u16 = (n: number) => Uint8Array.of(n & 255, (n >> 8) & 255);
const u32 = (n: number) => Uint8Array.of(n & 255, (n >>> 8) & 255, (n >>> 16) & 255, n >>> 24);

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
