import { randomBytes, randomInt } from 'node:crypto'
import type { Clock, Random, Timers } from '@fairlead/base'

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallNowMs: () => Date.now(),
}

/** `setTimeout` fires at once for a delay beyond this, so longer ones are waited for in parts. */
const TIMEOUT_MS_MAX = 2_147_483_647

export const systemTimers: Timers = {
  after(delayMs, callback) {
    if (delayMs <= TIMEOUT_MS_MAX) {
      const only = setTimeout(callback, Math.max(0, delayMs))
      return () => clearTimeout(only)
    }
    let timer: NodeJS.Timeout
    const wait = (leftMs: number): void => {
      const partMs = Math.min(leftMs, TIMEOUT_MS_MAX)
      timer = setTimeout(() => {
        if (leftMs > partMs) wait(leftMs - partMs)
        else callback()
      }, partMs)
    }
    wait(delayMs)
    return () => clearTimeout(timer)
  },
}

export const systemRandom: Random = {
  int: (bound) => randomInt(bound),
  bytes: (length) => new Uint8Array(randomBytes(length)),
}
