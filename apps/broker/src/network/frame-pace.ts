import {
  CONTENDED_FRAME_GRACE_MS,
  CONTENDED_FRAME_MS,
  FRAME_BYTES_PER_SECOND_MIN,
  FRAME_GRACE_MS,
} from '../limits.ts'

/**
 * Whether a frame moves (slow loris). It has a grace, and then must have come at a least rate on
 * average: a large frame over a slow line is legal, one byte every ten seconds is not. The time in
 * which we did not read does not count against the peer.
 */
export class FramePace {
  #startedMs: number | undefined
  #pausedMs: number | undefined

  /** A frame is under way, or is not any more. */
  update(isInsideFrame: boolean, nowMs: number): void {
    this.#startedMs = isInsideFrame ? (this.#startedMs ?? nowMs) : undefined
  }

  pause(nowMs: number): void {
    this.#pausedMs = nowMs
  }

  resume(nowMs: number): void {
    if (this.#pausedMs === undefined) return
    if (this.#startedMs !== undefined) this.#startedMs += nowMs - this.#pausedMs
    this.#pausedMs = undefined
  }

  /** While others wait for memory that it holds (`isContended`), a frame must come faster. */
  isTooSlow(
    frame: { readonly receivedBytes: number; readonly declaredBytes: number },
    { nowMs, isContended }: { readonly nowMs: number; readonly isContended: boolean },
  ): boolean {
    if (this.#startedMs === undefined || this.#pausedMs !== undefined) return false
    const { receivedBytes, declaredBytes } = frame
    const passedMs = nowMs - this.#startedMs
    const share = receivedBytes / declaredBytes
    if (isContended && passedMs > CONTENDED_FRAME_GRACE_MS + share * CONTENDED_FRAME_MS) return true
    const earnedMs = (receivedBytes / FRAME_BYTES_PER_SECOND_MIN) * 1_000
    return passedMs > FRAME_GRACE_MS + earnedMs
  }
}
