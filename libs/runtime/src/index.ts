export { boundedDecompress } from './bounded-decompress.ts'
export { nativeCrc32c } from './native-crc32c.ts'
export { type NodeDiskOptions, nodeDisk } from './node-disk.ts'
export { systemClock, systemRandom, systemTimers } from './system-ports.ts'
