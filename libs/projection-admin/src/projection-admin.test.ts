import { expect, test } from 'vitest'
import { ProjectionAdminError, createProjectionAdmin } from './projection-admin.ts'

test.for([
  ['a moment that is no time', 'http://127.0.0.1:1', 'BAD_MOMENT'],
  ['an address that is none', 'projector:8084/', 'NETWORK'],
] as const)(
  '%s is an error of this library, which no other try would help',
  async ([, url, code]) => {
    const error: unknown = await createProjectionAdmin({ url })
      .rebuildUntil('loans', new Date(code === 'NETWORK' ? 0 : Number.NaN))
      .catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ProjectionAdminError)
    expect(error).toMatchObject({ code, retryable: false })
  },
)
