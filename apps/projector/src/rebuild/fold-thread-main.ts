import { readlinkSync } from 'node:fs'
import { constants, setPriority } from 'node:os'

/**
 * Where the thread of `FoldThread` begins: events that somebody waits for come first, before it loads what it
 * runs, too, which takes half a second of a processor.
 */
lowerPriority()
await import('./run-fold-job.ts')

/** Threads of Linux have a priority each, by their own ids. */
function lowerPriority(): void {
  try {
    const id = Number(readlinkSync('/proc/thread-self').split('/').at(-1))
    setPriority(id, constants.priority.PRIORITY_LOW)
  } catch {
    // Another system: the thread is as any other.
  }
}
