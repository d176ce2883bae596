import { vi } from 'vitest'
import { BuildSession } from '../rebuild/build-session.ts'

/** Waits for `onCopy` before each COPY of the sessions of jobs, until mocks are restored. */
export function watchCopies(onCopy: (session: BuildSession) => Promise<void>): void {
  const open = BuildSession.open.bind(BuildSession)
  vi.spyOn(BuildSession, 'open').mockImplementation(async (...of) => {
    const session = await open(...of)
    if (session === null) return null
    const copy = session.copy.bind(session)
    vi.spyOn(session, 'copy').mockImplementation(async (...rows) => {
      await onCopy(session)
      return copy(...rows)
    })
    return session
  })
}
