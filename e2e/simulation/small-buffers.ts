/** Of a pool in the simulation: every buffer is used again, so that one given back too early shows. */
export const SMALL_BUFFERS = { pooledBytesMin: 1, pooledBytesMax: 1e9, freeBytesMax: 1e9 }
