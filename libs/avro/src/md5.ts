/** MD5 (RFC 1321). For identity only: GUIDs of schemas are MD5 by definition of the format. */
export function md5(bytes: Uint8Array): Uint8Array {
  const state = new Int32Array([0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476])
  const padded = withPadding(bytes)
  const view = new DataView(padded.buffer)
  for (let block = 0; block < padded.length; block += BLOCK_BYTES) digestBlock(state, view, block)

  const digest = new DataView(new ArrayBuffer(16))
  state.forEach((word, index) => digest.setInt32(index * 4, word, true))
  return new Uint8Array(digest.buffer)
}

const BLOCK_BYTES = 64
const ROTATIONS = [
  [7, 12, 17, 22],
  [5, 9, 14, 20],
  [4, 11, 16, 23],
  [6, 10, 15, 21],
] as const
const SINES: Int32Array = Int32Array.from(
  { length: 64 },
  (_, step) => Math.floor(Math.abs(Math.sin(step + 1)) * 2 ** 32) | 0,
)

function withPadding(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const length = Math.ceil((bytes.length + 9) / BLOCK_BYTES) * BLOCK_BYTES
  const padded = new Uint8Array(length)
  padded.set(bytes)
  padded[bytes.length] = 0x80
  new DataView(padded.buffer).setBigUint64(length - 8, BigInt(bytes.length) * 8n, true)
  return padded
}

function digestBlock(state: Int32Array, view: DataView, position: number): void {
  let [a = 0, b = 0, c = 0, d = 0] = state
  for (let step = 0; step < 64; step += 1) {
    const { mixed, word } = mix(step, b, c, d)
    const sum = (a + mixed + (SINES[step] ?? 0) + view.getInt32(position + word * 4, true)) | 0
    const rotation = ROTATIONS[step >> 4]?.[step & 3] ?? 0
    ;[a, d, c, b] = [d, c, b, (b + ((sum << rotation) | (sum >>> (32 - rotation)))) | 0]
  }
  for (const [index, word] of [a, b, c, d].entries()) state[index] = (state[index] ?? 0) + word
}

/** The round's function of b, c, d, and the word of the block that the step takes. */
function mix(step: number, b: number, c: number, d: number): { mixed: number; word: number } {
  switch (step >> 4) {
    case 0:
      return { mixed: (b & c) | (~b & d), word: step }
    case 1:
      return { mixed: (d & b) | (~d & c), word: (5 * step + 1) & 15 }
    case 2:
      return { mixed: b ^ c ^ d, word: (3 * step + 5) & 15 }
    default:
      return { mixed: c ^ (b | ~d), word: (7 * step) & 15 }
  }
}
