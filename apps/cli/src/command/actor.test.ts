import { expect, test, vi } from 'vitest'
import { PAUSE_PROJECTION } from '../projection/change-projections.ts'
import { actorName } from './actor.ts'
import { runAgainst } from './run-against.test-fixture.ts'

vi.mock(import('node:os'), async (original) => ({
  ...(await original()),
  // As in a container that runs as any user id.
  userInfo: () => {
    throw new Error('uv_os_get_passwd returned ENOENT (no such file or directory)')
  },
}))

test('a user that the system has no name for is named by his number', () => {
  expect(actorName({})).toBe(`uid ${process.getuid?.()}`)
})

test('a pause says who pauses', async () => {
  const answer = () => ({ body: { paused: [1] } })
  const { requests } = await runAgainst(answer, PAUSE_PROJECTION, 'orders', '--actor', 'ana')
  expect(requests).toEqual(['POST /projections/orders/pause?by=ana'])
})
