import type { Clock } from '@fairlead/base'
import type { Disk } from '@fairlead/log'

/** A disk that tells how long each flush of a file took, in milliseconds, whether it failed or not. */
export function timedDisk(
  disk: Disk,
  { clock, onFlush }: { readonly clock: Clock; readonly onFlush: (durationMs: number) => void },
): Disk {
  return {
    ...disk,
    open: (path, mode, done) =>
      disk.open(path, mode, (result) => {
        if (!result.ok) {
          done(result)
          return
        }
        const file = result.value
        const value = {
          ...file,
          datasync: (synced: Parameters<typeof file.datasync>[0]) => {
            const startMs = clock.nowMs()
            file.datasync((outcome) => {
              onFlush(clock.nowMs() - startMs)
              synced(outcome)
            })
          },
        }
        done({ ok: true, value })
      }),
  }
}
