/** The steps from a row to the confirmation of its transaction; a test ends the process behind one. */
export type Failpoint =
  | 'received'
  | 'queued'
  | 'sending'
  | 'stored'
  | 'acknowledged'
  | 'confirming'
  | 'confirmed'

const [NAME, COUNT] = (process.env['FAIRLEAD_FAILPOINT'] ?? '').split(':')
let left = Number(COUNT ?? 1)

/**
 * Ends the process as `kill -9` would, at the place and time that a test has chosen:
 * `FAIRLEAD_FAILPOINT=stored:3` at the third batch that the brokers hold.
 */
export function failpoint(name: Failpoint): void {
  if (name !== NAME) return
  left -= 1
  if (left === 0) process.kill(process.pid, 'SIGKILL')
}
