import { execFile } from 'node:child_process'
import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { errorMessage } from '@fairlead/base'
import pg from 'pg'
import { expect, test } from 'vitest'
import { CertificateAuthority } from '../support/certificates.ts'
import { RelayStack } from '../support/relay-stack.ts'
import { waitFor } from '../support/wait-for.ts'

const TOPIC = 'outbox.event.order'
const OWNER_ONLY = 0o600

/** The server shows a certificate of so many days to everybody who connects from here on. */
async function installCertificate(
  stack: RelayStack,
  authority: CertificateAuthority,
  days: number,
): Promise<void> {
  const certificate = join(stack.dataDirectory, 'server.crt')
  const key = join(stack.dataDirectory, 'server.key')
  await authority.issue({ certificate, key, days })
  await chmod(key, OWNER_ONLY)
  const chown = ['--reference', stack.dataDirectory, certificate, key]
  await promisify(execFile)('chown', chown)
  await stack.pool.query('alter system set ssl = on')
  await stack.pool.query('select pg_reload_conf()')
}

/** Empty when it succeeds. */
async function refusalOf(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url })
  try {
    await client.connect()
    return ''
  } catch (error) {
    return errorMessage(error)
  } finally {
    await client.end()
  }
}

test('an expired certificate of the database is told of, and the relay goes on once there is a new one', async () => {
  await using stack = await RelayStack.start()
  const authority = await CertificateAuthority.create(stack.directory)
  const url = `${stack.postgres.url}?sslmode=verify-full&sslrootcert=${authority.file}`
  await installCertificate(stack, authority, 2)
  await waitFor('TLS', 60_000, async () => (await refusalOf(url)) === '')
  const relay = stack.relay({ 'database.url': url })
  await relay.ready()
  await stack.insertKeys('before')
  await stack.confirmed()
  const { rows } = await stack.pool.query<{ all_encrypted: boolean }>(
    `select bool_and(ssl) as all_encrypted from pg_stat_ssl join pg_stat_activity using (pid)
     where application_name like 'fairlead-relay%'`,
  )
  expect(rows).toEqual([{ all_encrypted: true }])

  await installCertificate(stack, authority, -1)
  await waitFor('the expired one', 60_000, async () => {
    return (await refusalOf(url)) === 'certificate has expired'
  })
  await stack.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'fairlead-relay%'`,
  )
  await stack.insertKeys('meanwhile')
  await waitFor('the reason', 60_000, async () => {
    return (await stack.statusOf(relay))?.reason.includes('certificate has expired') === true
  })
  expect(await stack.statusOf(relay)).toMatchObject({
    state: 'reconnecting',
    reason: expect.stringContaining(
      'certificate has expired (CERT_HAS_EXPIRED); database.sslmode is verify-full',
    ) as string,
  })
  const readiness = await fetch(`${relay.url}/readyz`)
  expect(readiness.status).toBe(503)
  expect(await readiness.text()).toContain('certificate has expired')

  await installCertificate(stack, authority, 2)
  await relay.ready()
  await stack.confirmed()
  const keys = (await stack.records(TOPIC)).map(({ key }) => Buffer.from(key ?? []).toString())
  expect(keys.toSorted()).toEqual(['before', 'meanwhile'])
})

test('the certificate is checked as far as database.sslmode says', async () => {
  await using stack = await RelayStack.start()
  const authority = await CertificateAuthority.create(stack.directory)
  await installCertificate(stack, authority, 2)
  const trusted = `${stack.postgres.url}?sslmode=verify-full&sslrootcert=${authority.file}`
  await waitFor('TLS', 60_000, async () => (await refusalOf(trusted)) === '')
  // Reaches this machine, by an address that the certificate does not name.
  const elsewhere = new URL(stack.postgres.url)
  elsewhere.hostname = '0.0.0.0'
  const encryptedCount = async () => {
    const { rows } = await stack.pool.query<{ count: number }>(
      `select count(*)::int from pg_stat_ssl join pg_stat_activity using (pid)
       where application_name like 'fairlead-relay%' and ssl`,
    )
    return rows[0]?.count ?? 0
  }
  const refusals = [
    [{}, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    [{ 'database.sslrootcert': authority.file }, 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ] as const
  for (const [settings, reason] of refusals) {
    const relay = stack.relay({ 'database.url': elsewhere.href, ...settings })
    await waitFor(reason, 60_000, async () => {
      return (await stack.statusOf(relay))?.reason.includes(reason) === true
    })
    await relay.stop()
  }
  const accepted = [
    { 'database.sslmode': 'require' },
    { 'database.sslmode': 'verify-ca', 'database.sslrootcert': authority.file },
  ]
  for (const settings of accepted) {
    const relay = stack.relay({ 'database.url': elsewhere.href, ...settings })
    await relay.ready()
    expect(await encryptedCount()).toBeGreaterThan(0)
    await relay.stop()
  }
})
