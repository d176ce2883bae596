import { isProcessShort } from '@fairlead/log'

/**
 * The resident memory of this process, in bytes. The question opens a file: while there is none left the
 * answer is the one before.
 */
export function residentBytesOf(measure: () => number): () => number {
  let lastBytes = 0
  return () => {
    try {
      lastBytes = measure()
    } catch (error) {
      if (!isProcessShort(error)) throw error
    }
    return lastBytes
  }
}
