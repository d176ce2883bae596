import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { RelayFixture } from './testing/relay-fixture.ts'

test('a certificate that is away while it is replaced is waited for', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'relay-certificates-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const file = join(directory, 'ca.pem')
  const database = { url: 'postgres://ann@127.0.0.1:1/shop', drop: () => Promise.resolve() }
  const fixture = new RelayFixture(database, { 'database.sslrootcert': file })
  onTestFinished(() => fixture.close())
  const relay = fixture.relay()
  relay.start()
  await fixture.until(() =>
    relay.status.reason.startsWith('database.sslrootcert: ENOENT: no such file or directory'),
  )
  await writeFile(file, '')
  await fixture.until(() => relay.status.reason.includes('ECONNREFUSED'))
  expect(fixture.fatal).toEqual([])
})
