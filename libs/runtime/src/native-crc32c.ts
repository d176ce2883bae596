import { createRequire } from 'node:module'
import { type Crc32c, crc32c } from '@fairlead/protocol'

/**
 * CRC32C (Castagnoli) by the processor's own instruction, at several GB/s; in JavaScript, about a
 * tenth of that, where the native module has no build for the platform.
 */
export const nativeCrc32c: Crc32c = loadNative() ?? crc32c

function loadNative(): Crc32c | undefined {
  try {
    const native = createRequire(import.meta.url)('@node-rs/crc32') as { crc32c: Crc32c }
    // Called with one argument: the second would be taken as a running checksum.
    return (bytes) => native.crc32c(bytes)
  } catch {
    return undefined
  }
}
