// A ZIP of files that are compressed already: stored as they are (PKWARE APPNOTE 6.3, 4.3).

const TABLE = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

function crc32(data) {
  let sum = 0xffffffff;
  for (const byte of data) sum = TABLE[(sum ^ byte) & 0xff] ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}

/** Numbers as bytes, little-endian: pairs of a width and a value. */
function bytes(...pairs) {
  const out = [];
  for (const [width, value] of pairs) for (let k = 0; k < width; k++) out.push((value >>> (8 * k)) & 0xff);
  return Uint8Array.from(out);
}

const UTF8_NAMES = 0x0800;
const NEW_YEAR_1980 = 0x21; // the earliest date there is: a download tells no time

/** Make a ZIP of { name, data } with data as Uint8Array; under 4 GB, as a page's downloads are. */
export function zip(files) {
  const parts = [];
  const directory = [];
  let at = 0;
  for (const { name, data } of files) {
    const text = new TextEncoder().encode(name);
    const shared = [[2, 20], [2, UTF8_NAMES], [2, 0], [2, 0], [2, NEW_YEAR_1980], [4, crc32(data)], [4, data.length], [4, data.length], [2, text.length], [2, 0]];
    const local = bytes([4, 0x04034b50], ...shared);
    directory.push(bytes([4, 0x02014b50], [2, 20], ...shared, [2, 0], [2, 0], [2, 0], [4, 0], [4, at]), text);
    parts.push(local, text, data);
    at += local.length + text.length + data.length;
  }
  const length = directory.reduce((sum, part) => sum + part.length, 0);
  const end = bytes([4, 0x06054b50], [2, 0], [2, 0], [2, files.length], [2, files.length], [4, length], [4, at], [2, 0]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}
