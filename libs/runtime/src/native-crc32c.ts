import { type Crc32c, crc32c } from '@fairlead/protocol'

/**
 * CRC32C (Castagnoli) by the processor's own instruction, at several GB/s; in JavaScript, about a
 * tenth of that, where the native module has no build for the platform.
 */
export const nativeCrc32c: Crc32c = await loadNative()

async function loadNative(): Promise<Crc32c> {
  try {
    const native = await import('@node-rs/crc32')
    // Called with one argument: the second would be taken as a running checksum.
    return (bytes) => native.crc32c(bytes)
  } catch {
    return crc32c
  }
}
