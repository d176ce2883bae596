import { vi } from 'vitest'

export function until(assertion: () => Promise<void> | void): Promise<void> {
  return vi.waitFor(assertion, { timeout: 60_000, interval: 20 })
}
