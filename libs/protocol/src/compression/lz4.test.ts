import { describe, expect, test } from 'vitest'
import { decompressLz4 } from './lz4.ts'
import { xxHash32 } from './xxhash32.ts'

const TEXT = 'hello hello hello hello, this is a record value value value value value value value'
/** `lz4 -BI` 1.9, and with `-BX --content-size`, of TEXT. */
const PLAIN =
  '04224d186440a72c0000006d68656c6c6f200600ff092c20746869732069732061207265636f72642076616c756506000c5076616c75650000000079b0844e'
const WITH_CHECKSUMS_AND_SIZE =
  '04224d187c405300000000000000692c0000006d68656c6c6f200600ff092c20746869732069732061207265636f72642076616c756506000c5076616c75653dae91980000000079b0844e'

describe('lz4 frames', () => {
  test.for([PLAIN, WITH_CHECKSUMS_AND_SIZE])('of the lz4 tool are read: %s', (hex) => {
    const opened = decompressLz4(bytesOf(hex), 1_000)
    expect(new TextDecoder().decode(opened)).toBe(TEXT)
  })

  test.for([
    { what: 'no frame', hex: '00000000000000', reason: 'not an lz4 frame' },
    { what: 'another version', hex: '04224d18a440a7', reason: 'another version' },
    { what: 'linked blocks', hex: '04224d184440a7', reason: 'depend on each other' },
    { what: 'a dictionary', hex: '04224d186540a7', reason: 'dictionary' },
    { what: 'an unknown block size', hex: '04224d186410a7', reason: 'block size' },
    { what: 'a bad header checksum', hex: '04224d186440a8', reason: 'another checksum' },
    { what: 'no end', hex: '04224d186440a7', reason: 'has no end' },
    { what: 'a block behind the end', hex: '04224d186440a7ffff0000', reason: 'block of 65535' },
    { what: 'a block above its maximum', hex: '04224d186440a700000180', reason: 'block of 65536' },
    {
      what: 'a match before the first byte',
      hex: '04224d186440a703000000000100',
      reason: 'begins before',
    },
    {
      what: 'a match at distance zero',
      hex: '04224d186440a70400000010610000',
      reason: '0 bytes back',
    },
    { what: 'literals that pass the end', hex: '04224d186440a70200000050 61', reason: 'literals' },
    { what: 'a length without an end', hex: '04224d186440a702000000f0ff', reason: 'length' },
    {
      what: 'a wrong block checksum',
      hex: WITH_CHECKSUMS_AND_SIZE.replace('3dae9198', '3dae9199'),
      reason: 'block has another checksum',
    },
  ])('$what is refused', ({ hex, reason }) => {
    expect(() => decompressLz4(bytesOf(hex.replaceAll(' ', '')), 100_000)).toThrow(reason)
  })

  test('a frame larger than the limit is refused', () => {
    expect(() => decompressLz4(bytesOf(PLAIN), TEXT.length - 1)).toThrow('larger than 82')
    expect(decompressLz4(bytesOf(PLAIN), TEXT.length).length).toBe(TEXT.length)
  })
})

test.for([
  { text: '', hash: 0x02cc5d05 },
  { text: 'a', hash: 0x550d7456 },
  { text: 'abc', hash: 0x32d153ff },
  { text: 'Nobody inspects the spammish repetition', hash: 0xe2293b2f },
])('xxHash32 of "$text"', ({ text, hash }) => {
  expect(xxHash32(new TextEncoder().encode(text))).toBe(hash)
})

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}
